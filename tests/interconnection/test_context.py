"""The context is a fold of the log: at any moment it equals a fold from nothing."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloop.interconnection.context import StoredContext
from cityloop.interconnection.picture import Picture
from cityloop.interconnection.sqlite_context import SqliteContext
from cityloop.interconnection.tenant import Place, open_context, open_log
from cityloop.kernel.changes import Change, read_frames, write_changes
from cityloop.kernel.clock import CityTime, Clock
from cityloop.kernel.errors import CorruptError
from cityloop.kernel.frame import EntityIds, frame
from cityloop.kernel.ports import Batch, Commit, Position

Tick = Callable[..., Batch]

changes = st.builds(
    Change,
    type=st.just("Lamp"),
    entity=st.sampled_from(["urn:l:1", "urn:l:2"]),
    attribute=st.sampled_from(["level", "state"]),
    run=st.sampled_from(["r1", "r2"]),
    observed_at=st.integers(0, 3).map(CityTime),
    value=st.sampled_from([None, True, 1, 2**40, -7, 1.0, 0.5, "on", [1]]),
    operation=st.sampled_from(["set", "set", "set", "delete"]),
    dataset_id=st.sampled_from(["", "", "", "urn:d:1"]),
    extras=st.sampled_from([{}, {}, {"unitCode": "MTR"}]),
)
batches = st.lists(st.lists(changes, max_size=5), max_size=5)


def fold_one_by_one(groups: list[list[Change]]) -> dict[tuple[str, ...], str]:
    """The rule in its plainest form: newest time wins, then the latest commit."""
    newest: dict[tuple[str, ...], Change] = {}
    for group in groups:
        for change in write_changes(*read_frames(group)):
            key = (change.entity, change.attribute, change.dataset_id)
            if key not in newest or newest[key].observed_at <= change.observed_at:
                newest[key] = change
    return {key: repr(change) for key, change in newest.items()}


@given(batches)
def test_the_newest_change_of_each_attribute_wins_and_late_ones_lose(
    groups: list[list[Change]],
) -> None:
    picture = Picture()
    for group in groups:
        frames, rest = read_frames(group)
        picture.fold(Batch("s", "r1", 1, tuple(frames), tuple(rest)))
    held = [c for entity in ("urn:l:1", "urn:l:2") for c in picture.held("Lamp", entity)]
    found = {(c.entity, c.attribute, c.dataset_id): repr(c) for c in held}
    assert found == fold_one_by_one(groups)


def told(context: StoredContext) -> list[str]:
    names = [(t, f"urn:ngsi-ld:{t}:{i}") for t in ("LaneDetector", "Lamp") for i in range(12)]
    return sorted(repr(change) for t, name in names for change in context.entity(t, name))


def test_a_query_sees_every_acknowledged_batch(place: Place, clock: Clock, tick: Tick) -> None:
    log = open_log(place, clock)
    context = open_context(place, log)
    for sequence in range(1, 20):
        position = log.append([tick(sequence)])
        lane = context.entity("LaneDetector", "urn:ngsi-ld:LaneDetector:0")
        assert (lane[0].observed_at, context.position) == (sequence * 1000, position)


@pytest.mark.parametrize("stored_at", [0, 1, 7, 30])
def test_after_a_crash_the_context_equals_a_fold_from_nothing(
    place: Place, tmp_path: Path, clock: Clock, tick: Tick, stored_at: int
) -> None:
    log = open_log(place, clock)
    context = open_context(place, log)
    for sequence in range(1, 31):
        log.append([tick(sequence)])
        if sequence == stored_at:
            context.store()
    again = open_context(place, open_log(place, clock))
    assert told(again) == told(SqliteContext(tmp_path, log))


def test_another_process_may_query_while_one_stores(place: Place, clock: Clock, tick: Tick) -> None:
    log = open_log(place, clock)
    context = open_context(place, log)
    log.append([tick(1), tick(2), tick(3)])
    context.store()
    log.append([tick(4)])
    reader = open_context(place, open_log(place, clock, readonly=True), readonly=True)
    assert told(reader) == told(context)
    assert reader.types() == {"LaneDetector": 12, "Lamp": 2, "Meter": 2}


def test_a_table_has_the_newest_numbers_and_nan_for_null(
    place: Place, clock: Clock, tick: Tick
) -> None:
    log = open_log(place, clock)
    log.append([tick(1), tick(2)])
    table = open_context(place, log).table("LaneDetector", ("vehicleCount", "meanSpeed"))
    column = tick(2).frames[0].columns["meanSpeed"]
    assert column.null is not None
    assert np.isnan(table["meanSpeed"]).tolist() == column.null.tolist()
    assert table["vehicleCount"].tolist() == tick(2).frames[0]["vehicleCount"].tolist()
    assert set(table.observed_at.tolist()) == {2000}


def test_records_of_events_have_no_now(place: Place, clock: Clock) -> None:
    log = open_log(place, clock)
    decided = frame(
        "Decision", "r1", CityTime(0), EntityIds(["urn:ngsi-ld:Decision:1"]), action=[1]
    )
    log.append([Batch("twin", "r1", 1, (decided,))])
    assert open_context(place, log).types() == {}


def test_a_gap_in_the_commits_is_refused(place: Place, clock: Clock, tick: Tick) -> None:
    context = open_context(place, open_log(place, clock))
    with pytest.raises(CorruptError, match="context is at 0, so 2 cannot come next"):
        context.fold([Commit(Position(2), clock(), tick(2))])


def test_a_checkpoint_gives_back_the_newest_memory_and_its_position(
    place: Place, clock: Clock
) -> None:
    context = open_context(place, open_log(place, clock))
    memory = {"a": np.arange(6).reshape(2, 3), "run": np.array("r1"), "on": np.array([True])}
    context.save_checkpoint("hub", Position(1), {"a": np.zeros(1)})
    context.save_checkpoint("hub", Position(7), memory)
    again = open_context(place, open_log(place, clock))
    position, found = again.checkpoint("hub") or pytest.fail("no checkpoint")
    assert position == 7
    assert {n: (a.dtype, a.tolist()) for n, a in found.items()} == {
        n: (a.dtype, a.tolist()) for n, a in memory.items()
    }
    assert context.checkpoint("other") is None


def test_a_memory_of_python_objects_is_refused(place: Place, clock: Clock) -> None:
    context = open_context(place, open_log(place, clock))
    with pytest.raises(ValueError, match="a holds Python objects"):
        context.save_checkpoint("hub", Position(1), {"a": np.array([None])})
