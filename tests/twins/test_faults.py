"""Sensors that fail on purpose."""

from pathlib import Path

import numpy as np
import pytest

from cityloop.kernel.clock import CityTime
from cityloop.kernel.errors import MistakeError
from cityloop.kernel.frame import Column, EntityIds, Frame, frame
from cityloop.twins.sumo.faults import BrokenSensors, Fault, read_faults

IDS = EntityIds(["urn:ngsi-ld:LaneDetector:a", "urn:ngsi-ld:LaneDetector:b"])
HEAD = "device,fault,from_s,until_s\n"


def sent(fault: str, seconds: list[int]) -> list[Frame]:
    broken = BrokenSensors([Fault("LaneDetector", IDS.names[1], fault, 2, 4)])
    frames = []
    for second in seconds:
        counts = np.array([second, second], dtype=np.uint16)
        part = frame("LaneDetector", "a", CityTime(second * 1000), IDS, vehicleCount=counts)
        frames += broken.sent(second, (part,))
    return frames


def test_a_silent_sensor_is_absent_for_its_time_only() -> None:
    gone = [part.columns["vehicleCount"].absent for part in sent("silent", [1, 2, 3, 4])]
    assert [None if mask is None else mask.tolist() for mask in gone] == [
        None,
        [False, True],
        [False, True],
        None,
    ]


def test_a_frozen_sensor_repeats_its_first_reading() -> None:
    told = [part["vehicleCount"].tolist() for part in sent("frozen", [1, 2, 3, 4])]
    assert told == [[1, 1], [2, 2], [3, 2], [4, 4]]


def test_a_sensor_that_froze_while_it_saw_nothing_goes_on_seeing_nothing() -> None:
    broken = BrokenSensors([Fault("LaneDetector", IDS.names[1], "frozen", 1, 9)])
    nulls = []
    for second, nothing in ((1, True), (2, False)):
        speed = Column(np.array([1.0, -1.0]), null=np.array([False, nothing]))
        part = Frame("LaneDetector", "a", CityTime(second * 1000), IDS, {"meanSpeed": speed})
        (sent_,) = broken.sent(second, (part,))
        nulls.append(sent_.columns["meanSpeed"].null)
    assert [mask.tolist() for mask in nulls if mask is not None] == [[False, True]] * 2


def test_an_absurd_sensor_says_what_cannot_be() -> None:
    (part,) = sent("absurd", [2])
    assert part["vehicleCount"].tolist() == [2, 32767]


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("LaneDetector:c,silent,0,5", "there is no device urn:ngsi-ld:LaneDetector:c"),
        ("LaneDetector:a,asleep,0,5", "fault is 'asleep'"),
        ("LaneDetector:a,silent,5,0", "until_s is 0"),
    ],
)
def test_a_mistake_in_the_table_is_named_with_its_line(tmp_path: Path, row: str, what: str) -> None:
    path = tmp_path / "faults.csv"
    path.write_text(HEAD + row + "\n")
    with pytest.raises(MistakeError, match=what):
        read_faults(path, {"LaneDetector": IDS})
