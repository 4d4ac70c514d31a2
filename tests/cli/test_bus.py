"""``cityloop bus tail`` of a city without a server reads its log."""

from pathlib import Path

from typer.testing import CliRunner

from cityloop.city.clock import wall_time
from cityloop.cli.main import app
from cityloop.interconnection.tenant import open_tenant
from tests.faults.town import build_real_town
from tests.interconnection.conftest import tick


def test_tail_prints_a_line_for_every_message_that_fits(tmp_path: Path) -> None:
    town = build_real_town(tmp_path / "town", "urn:ngsi-ld:Streetlight:1")
    with (town / "city.toml").open("a") as settings:
        settings.write('\n[sources.lamps]\nkind = "http"\nport = 9999\n')
    tenant = open_tenant(town / "data", "town", wall_time)
    tenant.log.append([tick(number) for number in range(1, 8)])
    tenant.close()
    told = ["bus", "tail", str(town), "--old", "--count", "2", "--subject", "cityloop.town.Lamp.*"]
    lines = CliRunner().invoke(app, told).stdout.splitlines()
    numbered = [(line.split()[0], line.split("cityloop.")[1]) for line in lines]
    assert numbered == [
        ("3", "town.Lamp.0 frame 3 from twin r1"),
        ("5", "town.Lamp.0 changes 1 from twin r1"),
    ]
