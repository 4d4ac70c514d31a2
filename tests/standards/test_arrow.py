"""A batch as bytes: nothing is lost, and bytes that are no batch are refused, never believed."""

import struct
import zlib
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cityloop.kernel.changes import Change, write_changes
from cityloop.kernel.clock import CityTime
from cityloop.kernel.errors import InputError
from cityloop.kernel.frame import Column, EntityIds, Frame, frame
from cityloop.kernel.ports import Batch
from cityloop.kernel.rows import Rows
from cityloop.standards.arrow import ids_of, read_batch, read_ids, write_batch, write_ids
from cityloop.standards.arrow_columns import read_columns, write_columns
from cityloop.standards.arrow_layout import learn, read_dense, write_dense

words = st.text(max_size=6)
times = st.integers(-(2**63), 2**63 - 1).map(CityTime)
dtypes = st.sampled_from([np.dtype(letter) for letter in "?bhilqBHILQfd"])
values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.floats(allow_nan=False),
        words,
    ),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)
changes = st.builds(
    Change,
    words,
    words,
    words,
    words,
    times,
    values,
    st.sampled_from(["set", "delete"]),
    words,
    st.dictionaries(words, values, max_size=2),
)


@st.composite
def columns(draw: st.DrawFn, rows: int) -> Column:
    masks = st.none() | hnp.arrays(np.bool_, rows)
    if draw(st.booleans()):
        texts = np.array(draw(st.lists(words, min_size=rows, max_size=rows)), dtype=object)
        return Column(texts, draw(masks), draw(masks))
    return Column(draw(hnp.arrays(draw(dtypes), rows)), draw(masks), draw(masks))


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    ids = EntityIds(draw(st.lists(words, unique=True, max_size=5)))
    named = st.dictionaries(words, columns(len(ids)), max_size=3)
    return Frame(draw(words), draw(words), draw(times), ids, draw(named))


@st.composite
def sparse(draw: st.DrawFn) -> Rows:
    ids = EntityIds(draw(st.lists(words, unique=True, min_size=1, max_size=5)))
    rows = draw(st.integers(0, 6))
    entity = draw(hnp.arrays(np.int32, rows, elements=st.integers(0, len(ids) - 1)))
    at = draw(hnp.arrays(np.int64, rows))
    named = st.dictionaries(words, columns(rows), max_size=3)
    return Rows(draw(words), draw(words), ids, entity, at, draw(named))


batches = st.builds(
    Batch,
    words,
    words,
    st.integers(1, 2**63),
    st.lists(frames(), max_size=3).map(tuple),
    st.lists(changes, max_size=2).map(tuple),
    st.lists(sparse(), max_size=2).map(tuple),
)


def facts(batch: Batch) -> list[Any]:
    """Everything a batch says, comparable; a value by its repr, so NaN, 1 and 1.0 differ."""
    parts = [(f.type, f.run, f.observed_at, f.ids.names, list(f.columns)) for f in batch.frames]
    dtypes = [[c.values.dtype for c in f.columns.values()] for f in batch.frames]
    written = [repr(change) for change in write_changes(batch.frames, batch.changes)]
    rows = [
        (r.type, r.run, r.ids.names, r.entity.tolist(), r.observed_at.tolist(), list(r.columns))
        for r in batch.rows
    ]
    kinds = [[c.values.dtype for c in r.columns.values()] for r in batch.rows]
    said = [repr(change) for r in batch.rows for change in write_changes(r.frames())]
    return [batch.source, batch.run, batch.sequence, parts, dtypes, written, rows, kinds, said]


@given(batches)
def test_a_batch_survives_the_way_into_bytes_and_back(batch: Batch) -> None:
    assert facts(read_batch(write_batch(batch), ids_of(batch))) == facts(batch)


@given(batches)
def test_what_was_read_is_written_as_the_same_bytes(batch: Batch) -> None:
    body = write_batch(batch)
    assert write_batch(read_batch(body, ids_of(batch))) == body


@given(batches, st.data())
def test_bytes_that_are_cut_or_garbled_are_refused(batch: Batch, data: st.DataObject) -> None:
    body = write_batch(batch)
    at = data.draw(st.integers(0, len(body) - 1))
    garbled = bytearray(body)
    garbled[at] ^= data.draw(st.integers(1, 255))
    for wrong in (body[:at], bytes(garbled), body + b"\x00"):
        with pytest.raises(InputError):
            read_batch(wrong, ids_of(batch))


@given(st.binary(max_size=64))
def test_bytes_from_elsewhere_are_refused(noise: bytes) -> None:
    with pytest.raises(InputError):
        read_batch(noise, {})
    with pytest.raises(InputError):
        read_batch(b"CLB\x01" + noise, {})


def test_a_frame_whose_ids_are_not_known_is_refused() -> None:
    batch = Batch(
        "twin", "r1", 1, (frame("Lamp", "r1", CityTime(0), EntityIds("ab"), level=[1, 2]),)
    )
    with pytest.raises(InputError, match=r"frame 0 \(Lamp\) names unknown ids"):
        read_batch(write_batch(batch), {})


def test_a_layout_of_the_future_is_refused_by_name() -> None:
    body = bytearray(write_batch(Batch("twin", "r1", 1)))
    body[3] = 9
    with pytest.raises(InputError, match="layout 9 is newer than 2"):
        read_batch(bytes(body), {})


def test_a_dtype_without_arrow_counterpart_is_named() -> None:
    batch = Batch("twin", "r1", 1, (frame("Lamp", "r1", CityTime(0), EntityIds("a"), level=[1j]),))
    with pytest.raises(ValueError, match=r"Lamp\.level has dtype complex128"):
        write_batch(batch)


@given(st.lists(words, unique=True, max_size=4))
def test_ids_survive_the_way_into_bytes_and_back(names: list[str]) -> None:
    assert read_ids(write_ids(EntityIds(names))) == EntityIds(names)


@given(st.binary(max_size=20))
def test_bytes_that_are_no_ids_are_refused_or_read_as_distinct_ids(noise: bytes) -> None:
    try:
        names = read_ids(noise).names
    except InputError:
        return
    assert len(set(names)) == len(names)


def test_a_batch_of_the_layout_without_writes_is_still_read() -> None:
    batch = Batch("twin", "r1", 1)
    older = msgspec.msgpack.encode(["twin", "r1", 1, [], []])
    size = struct.pack("<I", len(older))
    rest = older + bytes(-(12 + len(older)) % 8)
    checksum = struct.pack("<I", zlib.crc32(rest, zlib.crc32(size)))
    assert read_batch(b"CLB\x01" + checksum + size + rest, {}) == batch


def test_writes_of_the_api_come_back_as_they_went() -> None:
    batch = Batch("ngsi-ld", "api", 1, writes=(b'["delete","urn:a",1]', b"x"))
    assert read_batch(write_batch(batch), {}) == batch


@given(st.data(), st.integers(2, 9), dtypes, st.booleans())
def test_a_layout_writes_the_bytes_that_arrow_writes(
    data: st.DataObject, rows: int, dtype: np.dtype[Any], nulls: bool
) -> None:
    masks = hnp.arrays(np.bool_, rows) if nulls else st.none()
    column = Column(data.draw(hnp.arrays(dtype, rows)), None, data.draw(masks))
    told = {"a": column, "b": Column(np.arange(rows)), "c": Column(np.ones(rows, np.bool_))}
    kinds, body = write_columns("Lamp", told.items())
    assert write_dense(told, rows) == (kinds, body.to_pybytes())


def test_a_layout_that_was_learnt_reads_what_arrow_reads() -> None:
    levels = Column(np.array([1.5, 0.0, 2.5]), None, np.array([False, True, False]))
    kinds, body = write_columns("Lamp", [("level", levels), ("lit", Column(np.array([1, 0, 1])))])
    learn(kinds, 3, dict(read_columns(kinds, 3, body)))
    read = read_dense(kinds, 3, b"before" + body.to_pybytes(), 6, 6 + len(body))
    assert read is not None
    assert read["level"].null is not None
    assert read["level"].null.tolist() == [False, True, False]
    assert read["level"].values.tolist() == [1.5, 0.0, 2.5]
    assert read["lit"].values.tolist() == [1, 0, 1]
    assert read["lit"].null is None


def test_a_layout_that_was_learnt_reads_nothing_else() -> None:
    kinds, body = write_columns("Lamp", [("level", Column(np.arange(3.0)))])
    learn(kinds, 3, dict(read_columns(kinds, 3, body)))
    other = write_columns("Lamp", [("level", Column(np.arange(3.0), None, np.arange(3) > 1))])[1]
    assert read_dense(kinds, 3, other.to_pybytes(), 0, len(other)) is None
