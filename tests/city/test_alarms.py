"""Alarms of the hub: raised once, over restarts too; what the gate and the loops know."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.city.test_hub import LOOP, tick
from tests.faults.running import HANGZHOU, TENANT

from cityloop.city.alarm_rules import Machine, Trouble
from cityloop.city.build import build_site
from cityloop.city.build_hub import build_hub
from cityloop.city.clock import wall_time
from cityloop.city.hub import Hub
from cityloop.city.site import Site
from cityloop.interconnection.tenant import Tenant, open_tenant
from cityloop.kernel.clock import WallTime
from cityloop.kernel.frame import Column, Frame, frame
from cityloop.kernel.loop import Mode
from cityloop.kernel.ports import Batch, Commit, Position

WELL = Machine()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return build_site(HANGZHOU, tmp_path_factory.mktemp("site"))


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    return open_tenant(tmp_path, TENANT, wall_time)


@pytest.fixture
def hub(site: Site, tenant: Tenant) -> Hub:
    return build_hub(site, tenant, epoch=1)


class City:
    """A hub that is turned and looked at second by second; what it recorded."""

    def __init__(self, hub: Hub, site: Site) -> None:
        self.hub, self.site = hub, site
        self.second = 0
        self.log: list[Batch] = []

    def go(self, seconds: int, machine: Machine = WELL, deaf: int | None = None) -> None:
        """``deaf``: row of a lane-area detector that says nothing."""
        for _ in range(seconds):
            self.second += 1
            batch = whole_tick(self.site, self.second)
            if deaf is not None:
                batch = replace(batch, frames=(_deaf(batch.frames[0], deaf), *batch.frames[1:]))
            self.log += self.hub.turn(batch, late=False).batches
            self.look(machine)

    def look(self, machine: Machine = WELL) -> None:
        self.log += self.hub.look(machine, WallTime(1000 * self.second)).batches

    def told(self) -> list[tuple[str, str]]:
        """(kind, act) of every event on record."""
        return [
            (str(kind), str(act))
            for batch in self.log
            for part in batch.frames
            if part.type == "AlarmEvent"
            for kind, act in zip(part["kind"], part["act"], strict=True)
        ]


def whole_tick(site: Site, second: int) -> Batch:
    """A quiet second in which every sensor speaks."""
    batch, entries = tick(site, second), site.devices["EntryQueue"]
    counts = np.zeros(len(entries), dtype=np.uint16)
    at = batch.frames[0].observed_at
    return replace(
        batch, frames=(*batch.frames, frame("EntryQueue", "a", at, entries, vehicleCount=counts))
    )


def _deaf(part: Frame, row: int) -> Frame:
    gone = np.zeros(len(part), np.bool_)
    gone[row] = True
    columns = {name: Column(column.values, gone) for name, column in part.columns.items()}
    return replace(part, columns=columns)


def test_a_silent_detector_is_told_of_once_and_cleared_when_it_speaks(hub: Hub, site: Site) -> None:
    city = City(hub, site)
    city.go(100, deaf=3)
    assert city.told() == [("sensor-silent", "raised")]
    city.go(40)
    assert city.told() == [("sensor-silent", "raised"), ("sensor-silent", "cleared")]


def test_a_quiet_city_has_no_alarm(hub: Hub, site: Site) -> None:
    city = City(hub, site)
    city.go(200)
    assert city.told() == []


def test_a_new_hub_goes_on_with_the_alarm_and_tells_it_no_second_time(
    hub: Hub, site: Site, tenant: Tenant
) -> None:
    city = City(hub, site)
    city.go(70, deaf=3)
    (alarm,) = hub.desk.alarms
    city.log += hub.attend("acknowledge", {"id": alarm.id, "by": "Ana", "note": ""}).batches
    reborn = build_hub(site, tenant, epoch=2)
    for position, batch in enumerate(city.log, 1):
        reborn.replay(Commit(Position(position), wall_time(), batch))
    reborn.remind([])
    assert [one.state for one in reborn.desk.alarms] == ["acknowledged"]
    after = City(reborn, site)
    after.second = city.second
    after.go(20, deaf=3)
    assert after.told() == []
    assert reborn.save()["desk:alarms"] == hub.save()["desk:alarms"]


def test_a_value_that_cannot_be_again_and_again_is_an_alarm(hub: Hub, site: Site) -> None:
    city = City(hub, site)
    for _ in range(5):
        city.second += 1
        batch = whole_tick(site, city.second)
        lanes = batch.frames[0]
        counts = lanes["vehicleCount"].copy()
        counts[7] = 65535
        lying = replace(lanes, columns={**lanes.columns, "vehicleCount": Column(counts)})
        hub.turn(replace(batch, frames=(lying, *batch.frames[1:])), late=False)
        city.look()
    assert city.told() == [("sensor-absurd", "raised")]


def test_a_process_that_ended_is_told_of_until_it_lives_steadily(hub: Hub, site: Site) -> None:
    city = City(hub, site)
    city.go(2)
    city.go(3, Machine(troubles={"worker": Trouble(WallTime(1), 1)}))
    city.go(1)
    assert city.told() == [("process-down", "raised"), ("process-down", "cleared")]


def test_every_act_of_a_person_enters_itself_into_the_shift_log(hub: Hub, site: Site) -> None:
    city = City(hub, site)
    city.go(2)
    hub.operate("J11", "hold", 2, minutes=5, by="Li Wei")
    hub.set_mode(LOOP, "east", Mode.SHADOW, "", by="Ana")
    hub.attend("note", {"by": "Ana", "kind": "handover", "text": "All quiet."})
    _, entries = hub.desk.all()
    assert [(row.kind, row.by) for row in entries] == [
        ("hold", "Li Wei"),
        ("mode", "Ana"),
        ("handover", "Ana"),
    ]


def test_sensors_are_remembered_over_a_restart(hub: Hub, site: Site, tenant: Tenant) -> None:
    city = City(hub, site)
    city.go(50)
    city.go(50, deaf=3)
    reborn = build_hub(site, tenant, epoch=2)
    reborn.load(hub.save())
    shown = reborn.watch.sensors.shown(reborn.now)["LaneDetector"]
    assert shown.share[3:5] == [0.5, 1.0]
    assert shown.seen[3:5] == [50_000, 100_000]
