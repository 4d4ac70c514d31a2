"""Letters of the bus: a lossless view of a commit (design law 2)."""

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.interconnection.conftest import tick

from cityloop.kernel.changes import write_changes
from cityloop.kernel.clock import CityTime, WallTime
from cityloop.kernel.errors import InputError
from cityloop.kernel.frame import Column, EntityIds, Frame
from cityloop.kernel.ports import Batch, Commit, Letter, Position
from cityloop.kernel.rows import Rows
from cityloop.standards.letters import (
    Cut,
    fits,
    read_headers,
    read_letter,
    subject,
    unword,
    word,
    write_headers,
    write_letters,
)


def commit(batch: Batch, position: int = 7) -> Commit:
    return Commit(Position(position), WallTime(1_700_000_000_000), batch)


def said(batch: Batch) -> list[str]:
    """Every change of a batch, in an order of its own."""
    frames = [*batch.frames, *(frame for rows in batch.rows for frame in rows.frames())]
    return sorted(map(repr, write_changes(frames, batch.changes))) + [
        repr(one) for one in batch.writes
    ]


def read_back(letters: list[Letter]) -> Batch:
    """A batch of all that letters say, after the way over the wire."""
    frames, rows, changes, writes = [], [], [], []
    for sent in letters:
        letter = read_headers(sent.subject, write_headers(sent, "t"), sent.body)
        content = read_letter(letter)
        if isinstance(content, Frame):
            frames.append(content)
        elif isinstance(content, Rows):
            rows.append(content)
        elif letter.form == "changes":
            changes += content
        else:
            writes += content
    first = letters[0]
    head = first.source, first.run, first.sequence
    return Batch(*head, tuple(frames), tuple(changes), tuple(rows), tuple(writes))


@given(
    sequence=st.integers(1, 120),
    partitions=st.integers(1, 5),
    most_bytes=st.integers(5_500, 20_000),
)
def test_letters_say_all_that_a_commit_says_however_it_is_cut(
    sequence: int, partitions: int, most_bytes: int
) -> None:
    batch = tick(sequence)
    letters = write_letters(commit(batch), "t", Cut(partitions, most_bytes))
    assert said(read_back(letters)) == said(batch)
    assert [one.part for one in letters] == list(range(1, letters[0].parts + 1))
    assert letters == write_letters(commit(batch), "t", Cut.of(letters[0].cut))


@given(
    st.lists(
        st.tuples(
            st.floats(allow_nan=False), st.sampled_from(["said", "null", "absent"]), st.text()
        ),
        min_size=1,
        max_size=9,
    )
)
def test_absent_and_null_stay_apart(cells: list[tuple[float, str, str]]) -> None:
    ids = EntityIds([f"urn:{i}:{text}" for i, (_, _, text) in enumerate(cells)])
    absent = np.array([kind == "absent" for _, kind, _ in cells])
    null = np.array([kind == "null" for _, kind, _ in cells])
    level = Column(np.array([value for value, _, _ in cells]), absent, null)
    name = Column(np.array([text for _, _, text in cells], dtype=object), absent, null)
    frame = Frame("Tank", "r", CityTime(5), ids, {"level": level, "name": name})
    batch = Batch("s", "r", 1, (frame,))
    assert said(read_back(write_letters(commit(batch), "t", Cut()))) == said(batch)


def test_every_entity_stays_in_one_partition() -> None:
    letters = [
        one
        for sequence in range(1, 20)
        for one in write_letters(commit(tick(sequence)), "t", Cut(4))
    ]
    where: dict[str, set[str]] = {}
    for one in letters:
        content = read_letter(one)
        if isinstance(content, Frame):
            for name in content.ids:
                where.setdefault(name, set()).add(one.subject)
    assert {len(subjects) for subjects in where.values()} == {1}
    assert len(set.union(*where.values())) > 2


def test_no_letter_is_larger_than_a_message_may_be_and_what_cannot_be_cut_is_named() -> None:
    writes = (b'["pu","a"]', b'["pu","' + b"x" * 20_000 + b'"]', b'["pu","b"]')
    letters = write_letters(commit(Batch("ngsi-ld", "api", 1, writes=writes)), "t", Cut(1, 8_000))
    assert max(len(one.body) for one in letters) < 8_000
    assert [one.form for one in letters] == ["writes", "left-out", "writes"]
    assert [read_letter(one) for one in letters] == [(writes[0],), (), (writes[2],)]


def test_the_body_is_a_stream_that_any_reader_of_arrow_reads() -> None:
    (lanes, *_) = write_letters(commit(tick(1)), "t", Cut())
    table = pa.ipc.open_stream(lanes.body).read_all()
    assert table.schema.metadata == {b"type": b"LaneDetector", b"run": b"r1"}
    assert table.column_names == ["id", "observedAt", "vehicleCount", "meanSpeed", "meanSpeed?null"]
    assert table.num_rows == 12


@given(st.text(max_size=30))
def test_a_subject_holds_any_type_in_one_word(text: str) -> None:
    told = word(text.encode("utf-8", "ignore").decode())
    assert unword(told) == text.encode("utf-8", "ignore").decode()
    assert fits("cityloop.t.*.0", subject("t", text, 0))


@pytest.mark.parametrize(
    ("pattern", "name", "does"),
    [
        ("a.b", "a.b", True),
        ("a.*", "a.b", True),
        ("a.*", "a.b.c", False),
        ("a.>", "a.b.c", True),
        ("a.>", "a", False),
        (">", "a.b", True),
        ("a.*.c", "a.b.d", False),
    ],
)
def test_patterns_fit_as_in_nats(pattern: str, name: str, does: bool) -> None:
    assert fits(pattern, name) is does


@given(st.binary(max_size=200))
def test_a_garbled_body_is_refused_and_nothing_else_happens(body: bytes) -> None:
    (lanes, *_) = write_letters(commit(tick(1)), "t", Cut())
    for form in ("frame", "rows", "changes", "writes", "nonsense"):
        wrong = replace(lanes, form=form, body=lanes.body[: len(lanes.body) // 2] + body)
        with suppress(InputError):
            read_letter(wrong)


def test_a_letter_of_a_newer_release_is_refused() -> None:
    (lanes, *_) = write_letters(commit(tick(1)), "t", Cut())
    headers = {**write_headers(lanes, "t"), "Cityloop-Schema": "99"}
    with pytest.raises(InputError, match="update cityloop"):
        read_headers(lanes.subject, headers, lanes.body)
