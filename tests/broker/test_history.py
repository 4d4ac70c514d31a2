"""The past in files is the past in memory, whenever it is folded, and nothing of it is lost."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityloop.city.clock import wall_time
from cityloop.interconnection.broker.corrections import instance_id
from cityloop.interconnection.broker.evolutions import PastReader
from cityloop.interconnection.broker.held import Held, written
from cityloop.interconnection.broker.history import HistoryFold
from cityloop.interconnection.broker.past_files import PastFiles
from cityloop.interconnection.broker.past_rows import PastRows, instances, instances_of, numbered
from cityloop.interconnection.broker.state import SqliteState
from cityloop.interconnection.broker.summaries import Summed, summed, window_of
from cityloop.interconnection.broker.tail import Tail
from cityloop.interconnection.sqlite_log import SqliteLog
from cityloop.kernel.ports import API_RUN, API_SOURCE, Batch, Position
from cityloop.standards.cim.evolution import Moment, summarised
from cityloop.standards.cim.temporal_query import Period, TemporalQuery
from cityloop.standards.cim.writes import (
    Alter,
    Delete,
    Forget,
    Past,
    Put,
    Revise,
    Write,
    write_write,
)

ID = "urn:a:1"
NAMES = st.sampled_from(["https://example.org/a", "https://example.org/b"])
DATASETS = st.sampled_from(["", "urn:d:1"])
VALUES = (
    st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.just({"deep": [1, 2.5, None]})
)
TIMES = st.sampled_from(
    [
        "2020-01-01T00:00:00Z",
        "2020-01-01T00:00:01.000Z",
        "2020-01-01T00:00:02.25Z",
        "2020-01-01T00:00:03,5Z",
        "1999-12-31T23:59:60Z",
    ]
)
STAMPS = st.integers(0, 2**41)


@st.composite
def instances_told(draw: st.DrawFn) -> dict[str, Any]:
    instance: dict[str, Any] = {"type": "Property", "value": draw(VALUES)}
    if draw(st.booleans()):
        instance["observedAt"] = draw(TIMES)
    if draw(st.booleans()):
        instance["unitCode"] = "KMH"
    return instance | {"createdAt": draw(STAMPS), "modifiedAt": draw(STAMPS)}


ATTRIBUTES = st.dictionaries(
    NAMES, st.dictionaries(DATASETS, instances_told(), min_size=1), max_size=2
)
PASTS = st.dictionaries(
    NAMES, st.lists(st.tuples(DATASETS, instances_told()), min_size=1, max_size=3), max_size=2
)
PLACES = st.builds(
    instance_id, st.builds(numbered, st.integers(1, 8), st.just(0)), st.integers(0, 2)
)
WRITES = st.lists(
    st.one_of(
        ATTRIBUTES.map(lambda attributes: Put(entity(attributes))),
        st.builds(
            Alter,
            st.just(ID),
            STAMPS,
            ATTRIBUTES,
            st.just((("https://example.org/a", ""),)),
            was=st.just((("Property", 5),)),
        ),
        st.builds(Past, st.just(ID), STAMPS, PASTS, st.just(["T"])),
        st.builds(Revise, st.just(ID), STAMPS, PLACES, st.none() | instances_told()),
        st.builds(Forget, st.just(ID), STAMPS, st.none() | NAMES, st.none() | DATASETS),
        st.sampled_from([Delete(ID, 9), Delete(ID, 9, ["T"], 1)]),
    ),
    min_size=1,
    max_size=8,
)
QUERIES = st.builds(
    TemporalQuery,
    start=st.none() | st.integers(1577836800000, 1577836803000),
    end=st.none() | st.integers(1577836800000, 1577836804000),
    time_property=st.sampled_from(["observedAt", "createdAt", "modifiedAt", "deletedAt"]),
    last_n=st.none() | st.integers(1, 2),
)


def entity(attributes: dict[str, Any]) -> dict[str, Any]:
    return {"id": ID, "type": ["T"], "createdAt": 1, "modifiedAt": 2, "attrs": attributes}


class Pasts:
    """A log of writes to one entity, one a commit; the past is read from it as it is folded."""

    def __init__(self, folder: Path, writes: Sequence[Write]) -> None:
        self._state = SqliteState(folder)
        kept = entity({})
        self._state.apply([written(None, Held(1, kept), Put(kept))], Position(0))
        self._log = SqliteLog(folder, wall_time)
        bodies = [write_write(write) for write in writes]
        self._log.append(
            [
                Batch(API_SOURCE, API_RUN, place, writes=(body,))
                for place, body in enumerate(bodies, 1)
            ]
        )
        self._folder = folder / "history"
        self._tail = Tail()
        self._tail.refill(self._log.read(Position(0)), 2**30)

    def fold(self, until: int) -> None:
        fold = HistoryFold(self._folder)
        fold.fold(self._log, Position(until))
        while fold.merge():
            pass
        fold.close()

    def moments(self, query: TemporalQuery) -> list[Moment]:
        files = PastFiles(self._folder)
        reader = PastReader(self._state.reader, files.now(), self._tail.seen())
        found = reader.evolution(ID, query)
        files.close()
        assert found
        return found.moments

    def summed(self, query: TemporalQuery) -> Summed:
        files = PastFiles(self._folder)
        reader = PastReader(self._state.reader, files.now(), self._tail.seen())
        window = window_of(query)
        assert window
        with ThreadPoolExecutor(2) as threads:
            found = summed(reader, {ID}, window, threads)
        files.close()
        return found

    def close(self) -> None:
        self._state.close()
        self._log.close()


@given(WRITES, st.sets(st.integers(1, 8), max_size=3), QUERIES)
@settings(max_examples=50, deadline=None)
def test_the_past_is_the_same_whenever_it_is_folded(
    writes: list[Write], folds: set[int], query: TemporalQuery
) -> None:
    with TemporaryDirectory() as folder:
        pasts = Pasts(Path(folder), writes)
        told = pasts.moments(query)
        for until in sorted(folds):
            pasts.fold(min(until, len(writes)))
            assert pasts.moments(query) == told
        pasts.close()


@given(PASTS)
def test_rows_give_back_the_very_instances(past: dict[str, Any]) -> None:
    write = Past(ID, 1, past)
    rows = PastRows()
    rows.take(7, write)
    if not len(rows):
        return
    table = rows.table()
    given_ = [instance for _, _, instance in instances_of(write)]
    for place, instance in zip(
        table["place"].to_pylist(), instances(table, range(table.num_rows)), strict=True
    ):
        assert instance == given_[place]
        assert type(instance["value"]) is type(given_[place]["value"])


NUMBERS = st.builds(
    lambda dataset, value, second: (
        dataset,
        {"type": "Property", "value": value, "observedAt": f"2020-01-01T00:00:{second:02d}Z"}
        | {"createdAt": 1, "modifiedAt": 1},
    ),
    DATASETS,
    st.floats(-1e6, 1e6) | st.integers(-100, 100) | st.just("text"),
    st.integers(0, 59),
)
METHODS = ("totalCount", "sum", "avg", "min", "max", "sumsq")


@given(
    st.lists(st.dictionaries(NAMES, st.lists(NUMBERS, min_size=1, max_size=6)), max_size=6),
    st.sets(st.integers(1, 6), max_size=3),
    st.sampled_from([Period(), Period(ms=7_000), Period(ms=60_000)]),
    st.integers(0, 20),
)
@settings(max_examples=50, deadline=None)
def test_columns_sum_up_to_what_single_instances_do(
    pasts_told: list[dict[str, Any]], folds: set[int], period: Period, start: int
) -> None:
    query = TemporalQuery(
        start=1577836800000 + start * 1000,
        end=1577836850000,
        format="aggregatedValues",
        methods=METHODS,
        period=period,
    )
    with TemporaryDirectory() as folder:
        pasts = Pasts(Path(folder), [Past(ID, 1, told, ["T"]) for told in pasts_told])
        for until in sorted(folds):
            pasts.fold(min(until, len(pasts_told)))
        expected = summarised(pasts.moments(query), query)
        found = pasts.summed(query)
        if ID not in found.left:
            told = found.by_id.get(ID, [])
            assert {one[:3] for one in told} == {one[:3] for one in expected}
            by_series = {one[:3]: one.told for one in told}
            for one in expected:
                for method, results in one.told.items():
                    for result, given_ in zip(results, by_series[one[:3]][method], strict=True):
                        assert given_ == [pytest.approx(result[0]), *result[1:]]
        pasts.close()


def test_segments_that_became_one_tell_the_same(tmp_path: Path) -> None:
    def point(second: int) -> dict[str, Any]:
        told = f"2020-01-01T00:00:{second:02d}Z"
        head = {"type": "Property", "value": second, "observedAt": told}
        return head | {"createdAt": 1, "modifiedAt": 1}

    writes = [
        Past(ID, 1, {"https://example.org/a": [("", point(each)), ("", point(each + 30))]}, ["T"])
        for each in range(20)
    ]
    pasts = Pasts(tmp_path, writes)
    for until in range(1, 21):
        pasts.fold(until)
    assert len(list((tmp_path / "history").glob("*.parquet"))) < 8
    told = pasts.moments(TemporalQuery())
    assert [moment.instance["value"] for moment in told] == [*range(20), *range(30, 50)]
    last = pasts.moments(TemporalQuery(last_n=3))
    assert [moment.instance["value"] for moment in last] == [47, 48, 49]
    pasts.close()
