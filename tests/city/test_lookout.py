"""What the hub's process sees of sources and disk, and what its readers are told when."""

from concurrent.futures import Future
from pathlib import Path

import msgspec
import pytest
from tests.faults.running import HANGZHOU, TENANT

from cityloop.city.build import build_site
from cityloop.city.build_hub import build_hub
from cityloop.city.clock import wall_time
from cityloop.city.hub import Hub
from cityloop.city.lookout import Lookout
from cityloop.city.site import Site
from cityloop.city.wire import Roll
from cityloop.interconnection.tenant import open_tenant
from cityloop.interconnection.writer import WriterState
from cityloop.kernel.clock import WallTime
from cityloop.kernel.ports import Position

NOTE = {"by": "Ana", "kind": "note", "text": "All quiet."}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return build_site(HANGZHOU, tmp_path_factory.mktemp("site"))


@pytest.fixture
def hub(site: Site, tmp_path: Path) -> Hub:
    return build_hub(site, open_tenant(tmp_path, TENANT, wall_time), epoch=1)


@pytest.fixture
def lookout(hub: Hub, tmp_path: Path) -> Lookout:
    return Lookout(hub, tmp_path, lambda: WriterState(0, 0.0, ""), lambda: None, {"lamps": 60.0})


def test_a_source_is_silent_after_the_time_that_was_declared(lookout: Lookout) -> None:
    told = [
        lookout.source("lamps", "ok", "", WallTime(0), WallTime(ms)).silent_s
        for ms in (59_000, 61_000)
    ]
    assert told == [0.0, 61.0]


def test_silence_of_a_source_that_declares_none_means_nothing(lookout: Lookout) -> None:
    assert lookout.source("buses", "ok", "", WallTime(0), WallTime(10**9)).silent_s == 0.0


def test_a_paused_twin_is_not_silent(lookout: Lookout) -> None:
    lookout.heard("twin", 0.0)
    lookout.roll = Roll({}, 1.0, True)
    assert lookout.twin("twin", 1e9).silent_s == 0.0


def test_people_are_told_of_an_entry_once_it_is_on_record(hub: Hub, lookout: Lookout) -> None:
    hub.attend("note", NOTE)
    written: Future[Position] = Future()
    alarms, entries = hub.desk.fresh()
    written.add_done_callback(lambda done: lookout.recorded(alarms, entries, done))
    assert "shift-log" not in {told.topic for told in [*lookout.news(0.0), *lookout.welcome()]}
    written.set_result(Position(1))
    (told,) = [told for told in lookout.news(0.0) if told.topic == "shift-log"]
    assert [row["text"] for row in msgspec.json.decode(told.body)] == ["All quiet."]
    assert "shift-log" in {told.topic for told in lookout.welcome()}


def test_what_could_not_be_written_is_told_to_nobody(hub: Hub, lookout: Lookout) -> None:
    hub.attend("note", NOTE)
    lost: Future[Position] = Future()
    lost.set_exception(OSError("disk full"))
    lookout.recorded(*hub.desk.fresh(), lost)
    assert "shift-log" not in {told.topic for told in lookout.news(0.0)}
