"""The harbour: a town with crossings, buses and people, small enough for every loop to live in."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import libsumo
import numpy as np
import pytest
from tests.faults.running import ROOT

from cityloop.city.build import build_site
from cityloop.city.site import Site
from cityloop.interconnection.tenant import open_tenant
from cityloop.kernel.clock import CityTime, WallTime
from cityloop.safety.cabinet import CabinetBank
from cityloop.twins.sumo.twin import SumoTwin

HARBOUR = ROOT / "examples" / "harbour"
RUN = "2026-03-02-1"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return build_site(HARBOUR, tmp_path_factory.mktemp("harbour"))


def test_it_has_twelve_signals_and_crossings_at_nine_of_them(site: Site) -> None:
    bank = site.network.bank
    assert len(bank.junctions) == 12
    assert int(bank.pedestrian.any(axis=1).sum()) == 9
    assert int(bank.pedestrian.sum()) == 24


def test_its_devices_stand_on_the_map(site: Site) -> None:
    devices = {it.id.removeprefix("urn:ngsi-ld:"): it for it in site.map_data().devices}
    assert len(devices) == 27
    park = devices["OffStreetParking:Ferry"]
    assert (park.x, park.y) == pytest.approx((1380, 330), abs=1)
    assert devices["Streetlight:Quay-03"].owner == "Works"


def test_the_generator_writes_the_tables_that_are_there(tmp_path: Path) -> None:
    script = HARBOUR / "generate_tables.py"
    subprocess.run([sys.executable, str(script), str(tmp_path)], check=True)
    written = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.csv"))
    assert [(tmp_path / name).read_text() for name in written] == [
        (HARBOUR / name).read_text() for name in written
    ]


def test_who_asks_for_a_crossing_is_let_across_in_time_and_buses_call_at_their_stops(
    site: Site,
) -> None:
    start = CityTime(0)
    cabinets = CabinetBank(site.network.bank, site.limits, start)
    assert site.twin is not None
    twin = SumoTwin(
        site.twin.scenario, site.network, run="a", seed=1, start=start, cabinets=cabinets
    )
    longest, stopped = 0.0, set()
    try:
        for _ in range(600):
            twin.step()
            for person in libsumo.person.getIDList():
                longest = max(longest, libsumo.person.getWaitingTime(person))
            stopped |= {
                stop
                for stop in libsumo.busstop.getIDList()
                if libsumo.busstop.getVehicleCount(stop)
            }
        people = libsumo.person.getIDCount()
    finally:
        twin.close()
    assert people > 20
    assert 20 < longest <= site.limits.max_red_s + 30
    assert {"A2_A1", "P1_A3", "C1_N1"} <= stopped


@pytest.mark.slow
def test_it_runs_with_the_loop_in_charge_of_junctions_with_crossings(
    tmp_path: Path, free_port: int
) -> None:
    folder = shutil.copytree(HARBOUR, tmp_path / "city", ignore=shutil.ignore_patterns("data"))
    settings = (folder / "city.toml").read_text(encoding="utf-8")
    short = settings.replace("seed = 1", "seed = 1\nhour_s = 240")
    (folder / "city.toml").write_text(short, encoding="utf-8")
    # Slow enough that the recordings, played by a process of their own, are there in time.
    options = ["--runs", "1", "--speed", "20", "--port", str(free_port)]
    command = [sys.executable, "-m", "cityloop", "up", str(folder), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    tenant = open_tenant(folder / "data", "harbour", lambda: WallTime(0), readonly=True)
    try:
        since, until = CityTime(0), CityTime(2**60)
        lights = list(tenant.history.frames("SignalController", RUN, since, until))
        spoke = {
            name
            for type_ in ("Streetlight", "WeatherObserved", "OffStreetParking", "EmergencyStation")
            for frame in tenant.history.frames(type_, RUN, since, until)
            for name in frame.ids.names
        }
    finally:
        tenant.close()
    in_charge = np.array([np.asarray(frame.columns["inCharge"].values) for frame in lights])
    assert (in_charge == 1).any(axis=0).all(), "the loop was in charge of every junction"
    assert len(spoke) == 27, "24 lamps, the rain gauge, the car park, the station"
    page = tmp_path / "report.html"
    check = ["commission", str(folder), "--json", "--html", str(page)]
    command = [sys.executable, "-m", "cityloop", *check]
    report = json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout)
    assert (report["run"], report["stop_lines"], report["lanes"]) == (RUN, 96, 156)
    assert 180 <= report["seconds"] <= 240
    assert [row for row in report["faults"] if row["kind"] not in ("unproven", "swapped")] == []
    assert "Commissioning check" in page.read_text(encoding="utf-8")
