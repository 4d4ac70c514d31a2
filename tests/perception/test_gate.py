"""The gate: what is declared passes, what is not is kept, counted and never reaches the log."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cityloop.kernel.changes import Change, Reject
from cityloop.kernel.clock import CityTime
from cityloop.kernel.errors import InputError
from cityloop.kernel.frame import Column, EntityIds, Frame, frame
from cityloop.kernel.ports import Batch
from cityloop.perception.gate import DeviceSource, Gate
from cityloop.standards.attributes import declared, read_attributes

LANES = EntityIds([f"urn:ngsi-ld:LaneDetector:{i}" for i in range(4)])
SIGNALS = EntityIds(["urn:ngsi-ld:SignalController:a"])
SOURCE = DeviceSource("twin", {"LaneDetector": LANES, "SignalController": SIGNALS})


class Door:
    """A gate, and what it refused."""

    def __init__(self, committed: int = 0, table: Any = None) -> None:
        self.rejects: list[Reject] = []
        self.gate = Gate([SOURCE], table or declared(), self.rejects.extend, lambda *_: committed)

    def admit(self, *frames: Frame, sequence: int = 1, changes: tuple[Change, ...] = ()) -> Batch:
        return self.gate.admit(Batch("twin", "r1", sequence, frames, changes))

    @property
    def reasons(self) -> list[str]:
        return [reject.reason.partition(":")[0] for reject in self.rejects]


def lanes(at: int = 0, **columns: Any) -> Frame:
    return frame("LaneDetector", "r1", CityTime(at), LANES, **columns)


def present(part: Frame, attribute: str) -> list[Any]:
    """The values that were let in."""
    column = part.columns[attribute]
    if column.absent is None:
        return column.values.tolist()
    return column.values[~column.absent].tolist()


def test_what_is_declared_passes_untouched() -> None:
    batch = Batch("twin", "r1", 1, (lanes(vehicleCount=np.arange(4, dtype=np.uint16)),))
    assert Door().gate.admit(batch) is batch


def test_a_value_out_of_range_is_masked_and_its_neighbours_go_on() -> None:
    door = Door()
    accepted = door.admit(lanes(vehicleCount=[1, -1, 5000, 4], queueLength=[0, 1, 2, 3]))
    assert present(accepted.frames[0], "vehicleCount") == [1, 4]
    assert present(accepted.frames[0], "queueLength") == [0, 1, 2, 3]
    assert [(r.entity, r.attribute, r.value) for r in door.rejects] == [
        (LANES.names[1], "vehicleCount", "-1"),
        (LANES.names[2], "vehicleCount", "5000"),
    ]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_is_masked(value: float) -> None:
    accepted = Door().admit(lanes(meanSpeed=[1.0, value, 2.0, 3.0]))
    assert present(accepted.frames[0], "meanSpeed") == [1.0, 2.0, 3.0]


def test_what_lies_under_a_null_or_an_absent_row_is_no_value() -> None:
    door = Door()
    absent, null = np.array([1, 0, 0, 0], np.bool_), np.array([0, 1, 0, 0], np.bool_)
    column = Column(np.array([np.nan, -9.0, 1.0, 2.0]), absent, null)
    door.admit(Frame("LaneDetector", "r1", CityTime(0), LANES, {"meanSpeed": column}))
    assert door.rejects == []


def test_a_column_of_the_wrong_kind_is_left_out() -> None:
    door = Door()
    accepted = door.admit(lanes(vehicleCount=[1.5, 2.0, 3.0, 4.0], meanSpeed=[1, 2, 3, 4]))
    assert list(accepted.frames[0].columns) == ["meanSpeed"]
    assert door.reasons == ["wrong kind"]


def test_an_undeclared_attribute_is_left_out() -> None:
    door = Door()
    assert list(door.admit(lanes(colour=[1, 2, 3, 4])).frames[0].columns) == []
    assert door.reasons == ["undeclared attribute"]


def test_an_undeclared_device_is_left_out_with_its_row() -> None:
    door = Door()
    ids = EntityIds(["urn:ngsi-ld:LaneDetector:stray", LANES.names[2]])
    accepted = door.admit(frame("LaneDetector", "r1", CityTime(0), ids, vehicleCount=[1, 2]))
    assert accepted.frames[0].ids.names == (LANES.names[2],)
    assert present(accepted.frames[0], "vehicleCount") == [2]
    assert door.reasons == ["undeclared device"]


@pytest.mark.parametrize("type_", ["Unheard", "EntryQueue"])
def test_a_type_the_source_does_not_deliver_is_left_out(type_: str) -> None:
    door = Door()
    stray = frame(type_, "r1", CityTime(0), LANES, vehicleCount=[1, 2, 3, 4])
    assert door.admit(stray).frames == ()
    assert door.reasons == ["undeclared type"]


def test_an_undeclared_source_is_refused_whole() -> None:
    with pytest.raises(InputError, match="'spy' with sequence 1 is not declared"):
        Door().gate.admit(Batch("spy", "r1", 1))


def test_time_does_not_go_back_within_a_run() -> None:
    door = Door()
    door.admit(lanes(5000, vehicleCount=[1, 1, 1, 1]), sequence=1)
    assert door.admit(lanes(4000, vehicleCount=[2, 2, 2, 2]), sequence=2).frames == ()
    assert door.reasons == ["too late"]


def test_time_does_not_run_ahead_of_the_tick() -> None:
    door = Door()
    door.admit(lanes(5000, vehicleCount=[1, 1, 1, 1]), sequence=1)
    assert door.admit(lanes(60_000, vehicleCount=[2, 2, 2, 2]), sequence=2).frames == ()
    assert len(door.admit(lanes(7000, vehicleCount=[3, 3, 3, 3]), sequence=3).frames) == 1
    assert door.reasons == ["in the future"]


def test_a_repeated_batch_loses_its_content() -> None:
    door = Door()
    part = lanes(vehicleCount=[1, 1, 1, 1])
    door.admit(part, sequence=1)
    assert door.admit(part, sequence=1).frames == ()
    assert door.reasons == ["repeat"]


def test_missing_batches_are_noticed_and_what_follows_is_taken() -> None:
    door = Door()
    door.admit(lanes(0, vehicleCount=[1, 1, 1, 1]), sequence=1)
    assert len(door.admit(lanes(9000, vehicleCount=[1, 1, 1, 1]), sequence=10).frames) == 1
    assert door.rejects[0].reason == "gap: 8 batches before this one are missing"


def test_after_a_restart_the_log_tells_what_comes_next() -> None:
    door = Door(committed=7)
    door.admit(lanes(7000, vehicleCount=[1, 1, 1, 1]), sequence=8)
    assert door.rejects == []


def test_a_batch_that_says_something_twice_is_believed_once() -> None:
    door = Door()
    accepted = door.admit(
        lanes(vehicleCount=[1, 1, 1, 1]), lanes(vehicleCount=[2, 2, 2, 2], queueLength=[0, 0, 0, 0])
    )
    assert present(accepted.frames[1], "vehicleCount") == []
    assert present(accepted.frames[1], "queueLength") == [0, 0, 0, 0]


def test_a_device_observes_and_does_not_delete() -> None:
    door = Door()
    change = Change(
        "LaneDetector", LANES.names[0], "vehicleCount", "r1", CityTime(0), None, "delete"
    )
    assert door.admit(changes=(change,)).changes == ()
    assert door.reasons == ["no plain observation"]


def test_a_text_of_the_wrong_length_is_masked() -> None:
    row = "Lamp,name,text,,1,3,public,state P1D,its name\n"
    head = "type,attribute,kind,unit,minimum,maximum,class,keep,description\n"
    gate = Gate(
        [DeviceSource("twin", {"Lamp": LANES})],
        read_attributes(head + row, "lamps.csv"),
        [].extend,
        lambda *_: 0,
    )
    lamps = frame("Lamp", "r1", CityTime(0), LANES, name=["", "abc", "abcd", "a"])
    accepted = gate.admit(Batch("twin", "r1", 1, (lamps,)))
    assert present(accepted.frames[0], "name") == ["abc", "a"]


def test_of_a_flood_every_reject_is_counted_and_a_thousand_are_told() -> None:
    door = Door()
    ids = EntityIds([f"urn:ngsi-ld:LaneDetector:x{i}" for i in range(5000)])
    flood = frame("LaneDetector", "r1", CityTime(0), ids, vehicleCount=np.zeros(5000, np.uint16))
    door.admit(flood)
    assert (len(door.rejects), door.gate.counts["twin", "undeclared device"]) == (1001, 5000)
    assert sum(reject.count for reject in door.rejects) == 5000


any_column = st.one_of(
    hnp.arrays(st.sampled_from([np.dtype(c) for c in "?bBhHilLfd"]), 4),
    hnp.arrays(np.float64, 4, elements=st.floats(-10, 2000)),
).map(Column)
any_frame = st.builds(
    Frame,
    st.sampled_from(["LaneDetector", "EntryQueue", "Unheard"]),
    st.sampled_from(["r1", "r2"]),
    st.integers(-2000, 9000).map(CityTime),
    st.sampled_from([LANES, EntityIds([*LANES.names[:3], "stray"])]),
    st.dictionaries(
        st.sampled_from(["vehicleCount", "queueLength", "meanSpeed", "colour"]), any_column
    ),
)


@given(st.lists(st.lists(any_frame, max_size=3), max_size=4))
def test_whatever_arrives_only_what_is_declared_gets_in(batches: list[list[Frame]]) -> None:
    door = Door()
    newest = 0
    for number, frames in enumerate(batches, 1):
        accepted = door.admit(*frames, sequence=number)
        for part in accepted.frames:
            assert part.run == "r1"
            assert set(part.ids) <= set(SOURCE.devices[part.type])
            assert part.observed_at >= newest
            for name in part.columns:
                limits = declared()[part.type][name]
                values = present(part, name)
                assert all(limits.minimum <= value <= limits.maximum for value in values)
        newest = max([newest, *(part.observed_at for part in accepted.frames)])


def test_the_gate_passes_on_a_rejected_batch_with_its_identity() -> None:
    door = Door()
    batch = Batch("twin", "r1", 1, (lanes(colour=[1, 2, 3, 4]),))
    accepted = door.gate.admit(batch)
    assert replace(accepted, frames=()) == replace(batch, frames=())
