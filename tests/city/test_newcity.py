"""`cityloop init`: a city that runs at once, and nothing is ever overwritten."""

import subprocess
import sys
from pathlib import Path

import pytest

from cityloop.city.newcity import names_for
from cityloop.city.survey import survey


def init(*options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "cityloop", "init", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_new_city_has_no_mistake_and_two_signals(tmp_path: Path) -> None:
    done = init(str(tmp_path / "My City"))
    assert done.returncode == 0, done.stderr
    found = survey(tmp_path / "My City")
    assert (found.settings.city.name, found.settings.city.tenant) == ("My City", "my-city")
    assert [junction.id for junction in found.network.bank.junctions] == ["J1", "J2"]


def test_a_new_live_city_has_no_twin_and_a_device_that_may_speak(tmp_path: Path) -> None:
    done = init(str(tmp_path / "real"), "--live")
    assert done.returncode == 0, done.stderr
    found = survey(tmp_path / "real")
    assert (found.settings.twin, found.scenario) == (None, None)
    assert [(device.type, device.source) for device in found.devices] == [
        ("AirQualityObserved", "air")
    ]


def test_a_new_city_runs(tmp_path: Path, free_port: int) -> None:
    init(str(tmp_path))
    settings = tmp_path / "city.toml"
    settings.write_text(settings.read_text().replace("# hour_s = 3600", "hour_s = 60"))
    options = ["--runs", "1", "--speed", "max", "--port", str(free_port)]
    command = [sys.executable, "-m", "cityloop", "up", str(tmp_path), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert f"is up: the operations centre is at http://127.0.0.1:{free_port}" in done.stdout


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "junctions.csv").write_text("mine")
    assert "kept    " in init(str(tmp_path)).stdout
    assert (tmp_path / "tables" / "junctions.csv").read_text() == "mine"
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    assert init(str(tmp_path), "--name", "Other").returncode == 0
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before


@pytest.mark.parametrize(
    ("name", "tenant"),
    [("Köln 2", "k-ln-2"), ("2nd", "city-2nd"), ("杭州", "city"), ("x" * 90, "x" * 40)],
)
def test_a_tenant_is_made_of_any_name(name: str, tenant: str) -> None:
    assert names_for(Path("/"), name).tenant == tenant
