"""Record batches of one shape, written and read without Arrow's help.

A twin reports the same columns for the same entities every second: of an Arrow IPC record batch
only the values change then, and how many are null. A layout takes the rest from a batch that Arrow
wrote once, and Arrow reads what a layout wrote: the bytes are the same.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from cityloop.kernel.frame import Array, Bools, Column
from cityloop.standards.arrow_columns import ARROW, ColumnKind, schema_of

_Written: TypeAlias = tuple[tuple[ColumnKind, ...], bytes]
_PREFIX = struct.Struct("<Ii")
"""What an encapsulated message of Arrow begins with: a marker, and the size of its metadata."""
_COUNT = struct.Struct("<q")
_PATTERNS = 8


@dataclass(frozen=True, slots=True)
class _Field:
    """Where a column lies: its validity bits (-1 where it has none) and its values, each with the
    zeros that follow it."""

    dtype: np.dtype[Any]
    bits: int
    after_bits: bytes
    data: int
    after_data: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """A record batch of ``rows`` rows. ``head``: its metadata with no count of nulls; ``counts``:
    where in it these are, for the columns that have nulls; ``length``: of the whole, in bytes."""

    rows: int
    head: bytes
    counts: tuple[int, ...]
    fields: tuple[_Field, ...]
    length: int

    def write(self, columns: Sequence[tuple[Array, Bools | None]]) -> bytes:
        """Values and nulls of each column as the bytes that Arrow would write."""
        nulls = [int(np.count_nonzero(null)) for _, null in columns if null is not None]
        pieces = [_counted(self.head, self.counts, nulls)]
        for field, (given, null) in zip(self.fields, columns, strict=True):
            values = given
            if null is not None:
                pieces += (_packed(~null), field.after_bits)
                values = np.where(null, given.dtype.type(0), given)
            data = _packed(values) if field.dtype.char == "?" else values.tobytes()
            pieces += (data, field.after_data)
        return b"".join(pieces)

    def fits(self, body: bytes, start: int, end: int) -> bool:
        """Whether ``body`` holds a record batch of this layout from ``start`` to ``end``."""
        if not end - start == self.length <= len(body) - start:
            return False
        head = body[start : start + len(self.head)]
        return _counted(head, self.counts, [0] * len(self.counts)) == self.head

    def read(self, body: bytes, start: int) -> list[tuple[Array, Bools | None]]:
        """Values and nulls of each column; values are read-only views into ``body``."""
        rows, told = self.rows, []
        for field in self.fields:
            null = None if field.bits < 0 else ~_unpacked(body, start + field.bits, rows)
            if field.dtype.char == "?":
                values: Array = _unpacked(body, start + field.data, rows)
            else:
                values = np.frombuffer(body, field.dtype, rows, start + field.data)
            told.append((values, null))
        return told


def _counted(head: bytes, places: Sequence[int], counts: Sequence[int]) -> bytes:
    if not places:
        return head
    changed = bytearray(head)
    for place, count in zip(places, counts, strict=True):
        _COUNT.pack_into(changed, place, count)
    return bytes(changed)


def _packed(values: Array) -> bytes:
    return np.packbits(values.view(np.uint8), bitorder="little").tobytes()


def _unpacked(body: bytes, start: int, rows: int) -> Bools:
    packed = np.frombuffer(body, np.uint8, _packed_size(rows), start)
    return np.unpackbits(packed, count=rows, bitorder="little").view(np.bool_)


def write_dense(columns: Mapping[str, Column], rows: int) -> _Written | None:
    """Columns as one Arrow IPC record batch, and their kinds; None where Arrow itself must write
    it: texts, absent rows, and what has fewer than two rows."""
    marks, given = [], []
    for name, column in columns.items():
        values, null = column.values, column.null
        if not values.dtype.isnative or _has(column.absent):
            return None
        if not _has(null):
            null = None
        marks.append((name, values.dtype.char, null is not None))
        given.append((values, null))
    known = _known(tuple(marks), rows)
    return known and (known[0], known[1].write(given))


def _has(rows: Bools | None) -> bool:
    return rows is not None and bool(rows.any())


@lru_cache(maxsize=512)
def _known(
    marks: tuple[tuple[str, str, bool], ...], rows: int
) -> tuple[tuple[ColumnKind, ...], Layout] | None:
    """Kinds and layout of columns by name, NumPy's letter and whether there are nulls; found by
    texts alone, since the hash of kinds is worked out anew each time."""
    kinds = _kinds_of(tuple((name, letter) for name, letter, _ in marks))
    if not kinds or rows < 2:
        return None
    return kinds, layout(kinds, rows, tuple(null for _, _, null in marks))


@lru_cache(maxsize=512)
def _kinds_of(columns: tuple[tuple[str, str], ...]) -> tuple[ColumnKind, ...]:
    """The kinds of columns by name and NumPy's letter; none where one is no column of numbers."""
    if any(letter == "O" or letter not in ARROW for _, letter in columns):
        return ()
    return tuple(ColumnKind(name, letter, absent=False) for name, letter in columns)


def read_dense(
    kinds: tuple[ColumnKind, ...], rows: int, body: bytes, start: int, end: int
) -> dict[str, Column] | None:
    """What the record batch in ``body`` from ``start`` to ``end`` holds; None where Arrow itself
    must read it, as nobody did ``learn`` one like it yet."""
    for shape in _learnt(kinds, rows):
        if shape.fits(body, start, end):
            read = shape.read(body, start)
            told = zip(kinds, read, strict=True)
            return {kind.attribute: Column(values, None, null) for kind, (values, null) in told}
    return None


def learn(kinds: tuple[ColumnKind, ...], rows: int, columns: Mapping[str, Column]) -> None:
    """Know record batches like the one that Arrow just read, from now on."""
    known = _learnt(kinds, rows)
    numbers = _kinds_of(tuple((kind.attribute, kind.letter) for kind in kinds))
    if rows > 1 and kinds and kinds == numbers and len(known) < _PATTERNS:
        shape = layout(kinds, rows, tuple(c.null is not None for c in columns.values()))
        if shape not in known:  # it is, where another Arrow wrote what ours would write differently
            known.append(shape)


@lru_cache(maxsize=512)
def _learnt(_kinds: tuple[ColumnKind, ...], _rows: int) -> list[Layout]:
    """The layouts of such columns that came so far: few, as columns seldom begin to have nulls."""
    return []


@lru_cache(maxsize=512)
def layout(kinds: tuple[ColumnKind, ...], rows: int, nulls: tuple[bool, ...]) -> Layout:
    """The layout of columns of numbers, none absent; ``nulls`` tells which of them have nulls.

    For two rows at least: where the counts of nulls lie is seen by telling one, and two.
    """
    one, two = (_blank(kinds, rows, nulls, count) for count in (1, 2))
    body = one.to_pybytes()
    head = _PREFIX.size + _PREFIX.unpack_from(body)[1]
    words = [np.frombuffer(body, "<i8", head // 8) for body in (body, two.to_pybytes())]
    counts = tuple((np.flatnonzero(words[0] != words[1]) * 8).tolist())
    return Layout(
        rows,
        _counted(body[:head], counts, [0] * len(counts)),
        counts,
        _fields(kinds, rows, one, len(body)),
        len(body),
    )


def _blank(
    kinds: tuple[ColumnKind, ...], rows: int, nulls: tuple[bool, ...], count: int
) -> pa.Buffer:
    """What Arrow writes for zeros, with ``count`` told for each column that has nulls."""
    bits = pa.py_buffer(bytes(_packed_size(rows)))
    arrays = [
        pa.Array.from_buffers(
            ARROW[kind.letter],
            rows,
            [bits if null else None, pa.py_buffer(bytes(_size(kind.letter, rows)))],
            count if null else 0,
        )
        for kind, null in zip(kinds, nulls, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema_of(kinds)).serialize()


def _fields(
    kinds: tuple[ColumnKind, ...], rows: int, written: pa.Buffer, length: int
) -> tuple[_Field, ...]:
    record = pa.ipc.read_record_batch(written, schema_of(kinds))
    places = [
        -1 if part is None else part.address - written.address
        for column in record.columns
        for part in column.buffers()
    ]
    starts = [*(place for place in places if place >= 0), length]
    after = dict(pairwise(starts))
    fields = []
    for kind, bits, data in zip(kinds, places[::2], places[1::2], strict=True):
        after_bits = bytes(after[bits] - bits - _packed_size(rows)) if bits >= 0 else b""
        after_data = bytes(after[data] - data - _size(kind.letter, rows))
        fields.append(_Field(np.dtype(kind.letter), bits, after_bits, data, after_data))
    return tuple(fields)


def _size(letter: str, rows: int) -> int:
    return _packed_size(rows) if letter == "?" else rows * np.dtype(letter).itemsize


def _packed_size(rows: int) -> int:
    return (rows + 7) // 8
