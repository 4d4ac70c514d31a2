"""Devices of live sources: heard of, remembered, and told of where they lie."""

import numpy as np

from cityloop.city.live_sensors import LiveSensors
from cityloop.city.rejections import Rejections
from cityloop.kernel.changes import Reject
from cityloop.kernel.clock import CityTime
from cityloop.kernel.frame import Column, EntityIds
from cityloop.kernel.ports import Batch
from cityloop.kernel.rows import Rows

IDS = EntityIds(["urn:ngsi-ld:Streetlight:1", "urn:ngsi-ld:Streetlight:2"])
LAMPS = {"Streetlight": IDS}


def said(names: list[str], entity: list[int], at: list[int]) -> Batch:
    rows = Rows(
        "Streetlight", "live", EntityIds(names), np.array(entity, np.int32), np.array(at, np.int64)
    )
    return Batch("lamps", "live", 1, rows=(rows,))


def lamps() -> LiveSensors:
    return LiveSensors(LAMPS, Rejections(IDS))


def test_the_newest_reading_counts_in_whatever_order_they_come() -> None:
    sensors = lamps()
    sensors.see(said(list(IDS), [0, 0], [9_000, 5_000]))
    assert sensors.shown(CityTime(10_000))["Streetlight"].seen == [9_000, -1]


def test_devices_that_only_a_pattern_lets_in_are_passed_over() -> None:
    sensors = lamps()
    sensors.see(said(["urn:ngsi-ld:Streetlight:9", IDS.names[1]], [0, 1], [5_000, 6_000]))
    assert sensors.shown(CityTime(10_000))["Streetlight"].seen == [-1, 6_000]


def test_people_are_told_what_each_said_last() -> None:
    lux = Column(np.array([3.0, 9.0, 5.0]), absent=np.array([False, False, True]))
    entity, at = np.array([0, 0, 1], np.int32), np.array([9_000, 5_000, 7_000], np.int64)
    part = Rows("Streetlight", "live", IDS, entity, at, {"illuminanceLevel": lux})
    sensors, reborn = lamps(), lamps()
    sensors.see(Batch("lamps", "live", 1, rows=(part,)))
    reborn.load(sensors.save())
    for one in (sensors, reborn):
        told = one.shown(CityTime(10_000))["Streetlight"].values
        assert told == {"illuminanceLevel": [3.0, None]}


def test_a_restart_remembers_when_each_was_heard() -> None:
    sensors, reborn = lamps(), lamps()
    sensors.see(said(list(IDS), [1], [5_000]))
    reborn.load(sensors.save())
    assert reborn.shown(CityTime(10_000)) == sensors.shown(CityTime(10_000))


def test_a_device_that_lies_is_told_of_as_long_as_it_does() -> None:
    rejections = Rejections(IDS)
    sensors = LiveSensors(LAMPS, rejections)
    why = "out of range: 0 to 100"
    lies = [
        Reject("lamps", "live", CityTime(t), IDS.names[0], "powerState", "-7", why)
        for t in (1_000, 2_000, 3_000)
    ]
    rejections.take(lies)
    told = [[c.kind for c in sensors.conditions(CityTime(t))] for t in (4_000, 900_000)]
    assert told == [["sensor-absurd"], []]
    assert rejections.told() == {IDS.names[0]: (3, "powerState", why)}
