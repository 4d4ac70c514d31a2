"""A city without a twin: what its hub does with what live sources say."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.faults.running import ROOT

from cityloop.city.build import build_site
from cityloop.city.build_hub import build_hub
from cityloop.city.clock import wall_time
from cityloop.city.config import read_settings
from cityloop.city.hub import Hub
from cityloop.city.live_clock import LiveClock
from cityloop.city.site import Site
from cityloop.interconnection.tenant import Tenant, open_tenant
from cityloop.kernel.clock import CityTime, WallTime
from cityloop.kernel.errors import ConfigError, RefusedError
from cityloop.kernel.frame import Column, EntityIds
from cityloop.kernel.loop import Mode
from cityloop.kernel.ports import Batch, Commit, Position
from cityloop.kernel.rows import Rows
from cityloop.kernel.waiting import LIVE

TIMING = "mobility/signal_timing"
BEGAN = 1_800_000_000_000
SETTINGS = """
[city]
name = "Real town"
tenant = "real"

[network]
tables = "{tables}"

[loops."mobility/signal_timing"]
mode = "{mode}"

[sources.street]
kind = "http"
port = 1
"""


def write_city(folder: Path, mode: str = "advise", devices: str = "") -> Path:
    tables = ROOT / "src" / "cityloop" / "city" / "starter"
    folder.mkdir(exist_ok=True)
    (folder / "city.toml").write_text(SETTINGS.format(tables=tables, mode=mode))
    if devices:
        head = "id,type,source,longitude,latitude,owner,lane\n"
        (folder / "devices.csv").write_text(head + devices)
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = write_city(tmp_path_factory.mktemp("real"))
    return build_site(folder, folder / "data")


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    return open_tenant(tmp_path, "real", wall_time)


@pytest.fixture
def hub(site: Site, tenant: Tenant) -> Hub:
    return build_hub(site, tenant, epoch=1)


def rows(type_: str, ids: EntityIds, at: int, **columns: np.ndarray) -> Rows:
    """Every entity speaks at ``at``."""
    entity, times = np.arange(len(ids), dtype=np.int32), np.full(len(ids), at, np.int64)
    return Rows(type_, LIVE, ids, entity, times, {n: Column(v) for n, v in columns.items()})


def street(site: Site, at: int, sequence: int) -> Batch:
    """What the detectors and controllers of a real street say: a queue at the first detector."""
    network = site.network
    queue = np.zeros(len(network.detector_ids), dtype=np.int64)
    queue[0] = 9
    zeros = np.zeros(len(network.controller_ids), dtype=np.int64)
    return Batch(
        "street",
        LIVE,
        sequence,
        rows=(
            rows("LaneDetector", network.detector_ids, at, vehicleCount=queue, queueLength=queue),
            rows(
                "StopLineDetector",
                network.stop_line_ids,
                at,
                vehicleCount=np.zeros(len(network.stop_line_ids), dtype=np.int64),
            ),
            rows(
                "SignalController",
                network.controller_ids,
                at,
                phase=zeros,
                stage=zeros,
                stageAge=zeros + 30.0,
                inCharge=zeros,
            ),
        ),
    )


def clock() -> LiveClock:
    return LiveClock("live-1", 1, 0, CityTime(0))


def second(hub: Hub, ticking: LiveClock, at: int) -> list[Any]:
    """One tick at ``at``; the rows of its decisions."""
    tick = ticking.tick(WallTime(at))
    assert tick is not None
    return hub.turn(tick, late=False).rows


def test_signal_timing_advises_on_what_a_real_street_tells(hub: Hub, site: Site) -> None:
    ticking = clock()
    assert second(hub, ticking, BEGAN) == []
    hub.heard(street(site, BEGAN + 300, 1))
    decided = second(hub, ticking, BEGAN + 1_000)
    assert {(row.loop, row.mode) for row in decided} == {(TIMING, "advise")}
    assert {advice.id for advice in hub.approvals} == {row.id for row in decided}


def test_advice_is_carried_out_by_people_and_orders_nothing(hub: Hub, site: Site) -> None:
    ticking = clock()
    second(hub, ticking, BEGAN)
    hub.heard(street(site, BEGAN + 300, 1))
    second(hub, ticking, BEGAN + 1_000)
    effects = hub.answer(next(iter(hub.approvals)).id, confirm=True)
    assert (effects.orders, effects.rows[0].verdict) == ([], "confirmed")


def test_silence_ends_the_advice(hub: Hub, site: Site) -> None:
    ticking = clock()
    second(hub, ticking, BEGAN)
    hub.heard(street(site, BEGAN + 300, 1))
    second(hub, ticking, BEGAN + 1_000)
    later = [row for s in range(20, 80) for row in second(hub, ticking, BEGAN + s * 1_000)]
    assert {row.verdict for row in later} == {"lapsed"}


def test_a_restart_finds_the_hub_as_it_was(
    hub: Hub, site: Site, tenant: Tenant, tmp_path: Path
) -> None:
    ticking, log = clock(), []
    for s in range(20):
        heard = street(site, BEGAN + s * 1_000 + 300, s + 1)
        tick = ticking.tick(WallTime(BEGAN + s * 1_000))
        assert tick is not None
        log += hub.turn(tick, late=False).batches
        hub.heard(heard)
        hub.totals.count(heard)
        log.append(heard)
    reborn = build_hub(site, open_tenant(tmp_path / "other", "real", wall_time), epoch=2)
    for position, batch in enumerate(log, 1):
        reborn.replay(Commit(Position(position), WallTime(0), batch))
    was, found = hub.save(), reborn.save()
    assert was.keys() == found.keys()
    for name in was:
        np.testing.assert_array_equal(was[name], found[name], err_msg=name)


def test_nothing_acts_and_nobody_holds_where_there_is_no_cabinet(hub: Hub, site: Site) -> None:
    group, junction = next(iter(hub.modes.groups)), site.network.bank.junctions[0].id
    with pytest.raises(RefusedError, match="no cabinets that take orders"):
        hub.set_mode(TIMING, group, Mode.ACT, "I saw it work")
    with pytest.raises(RefusedError, match="no cabinets that take orders"):
        hub.operate(junction, "hold", 0, minutes=5)
    hub.set_mode(TIMING, group, Mode.SHADOW, "")


def test_to_act_without_cabinets_is_a_mistake_in_the_settings(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"acts in a city without cabinets.*add a \[twin\]"):
        read_settings(write_city(tmp_path, mode="act"))


def test_a_network_beside_a_twin_is_a_mistake(tmp_path: Path) -> None:
    folder = write_city(tmp_path)
    with (folder / "city.toml").open("a") as settings:
        settings.write('[twin]\nbegins = 2026-01-05T07:00:00Z\ntables = "tables"\n')
    with pytest.raises(ConfigError, match=r"\[network\] beside a \[twin\]"):
        read_settings(folder)


def test_a_detector_counts_the_lane_it_declares(tmp_path: Path) -> None:
    folder = write_city(tmp_path, devices="loop-17,LaneDetector,street,,,City,W-J1_0\n")
    site = build_site(folder, folder / "data")
    hub = build_hub(site, open_tenant(folder / "data", "real", wall_time), epoch=1)
    ticking, ids, nine = clock(), EntityIds(["loop-17"]), np.array([9])
    second(hub, ticking, BEGAN)
    told = rows("LaneDetector", ids, BEGAN + 300, vehicleCount=nine, queueLength=nine)
    hub.heard(Batch("street", LIVE, 1, rows=(told,)))
    second(hub, ticking, BEGAN + 1_000)
    saved = hub.save()["runner:mobility/signal_timing|watch/lanes/queueLength"]
    seen = np.flatnonzero(np.isfinite(saved))
    assert [site.network.detectors.lanes[row] for row in seen] == ["W-J1_0"]


def test_a_lane_without_a_detector_is_a_mistake_that_names_the_nearest(tmp_path: Path) -> None:
    folder = write_city(tmp_path, devices="loop-17,LaneDetector,street,,,City,W-J1_9\n")
    with pytest.raises(ConfigError, match="no LaneDetector on a lane W-J1_9; did you mean W-J1_"):
        build_site(folder, folder / "data")


def test_a_city_needs_no_streets(tmp_path: Path) -> None:
    folder = write_city(tmp_path)
    text = (folder / "city.toml").read_text()
    bare_text = text.partition("[network]")[0] + "[sources.a]\nkind = 'http'\nport = 1\n"
    (folder / "city.toml").write_text(bare_text)
    bare = build_site(folder, folder / "data")
    hub = build_hub(bare, open_tenant(folder / "data", "real", wall_time), epoch=1)
    assert second(hub, clock(), BEGAN) == []
    assert (bare.map_data().roads, bare.map_data().twin, hub.run) == ([], False, "live-1")
