"""What a city names is looked at as a whole: tables, network, loops, groups."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.faults.running import HANGZHOU, ROOT

from cityloop.city.config import city_schema
from cityloop.city.survey import survey
from cityloop.kernel.errors import ConfigError


@pytest.fixture
def city(tmp_path: Path) -> Path:
    """A copy of Hangzhou that a test may spoil."""
    return shutil.copytree(HANGZHOU, tmp_path / "city", ignore=shutil.ignore_patterns("data"))


def spoil(path: Path, was: str, now: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert was in text
    path.write_text(text.replace(was, now, 1), encoding="utf-8")


def told(city: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        survey(city)
    return str(caught.value).replace(f"{city}/", "").splitlines()


def test_mistakes_of_settings_and_tables_are_told_together(city: Path) -> None:
    spoil(city / "city.toml", "speed = 5", "speed = 0")
    spoil(city / "city.toml", '"mobility/signal_timing"', '"mobility/signal_timings"')
    found = told(city)
    assert found[0] == ("city.toml:19: twin.speed is 0; write a number > 0.0")
    assert found[1].startswith(
        "city.toml:28: loop mobility/signal_timings is not installed; "
        "did you mean mobility/signal_timing?"
    )


def test_every_mistake_of_the_tables_is_told_and_none_that_only_follows(city: Path) -> None:
    spoil(city / "junctions.csv", "J11,800,600", "J11,800,high")
    spoil(city / "roads.csv", "E1-J41,E1,J41,3,", "E1-J41,E1,J41,0,")
    spoil(city / "departures.csv", "E2 J42 J32", "E2 J42 J31")
    assert told(city) == [
        "junctions.csv:6: y_m is 'high'; write a number",
        "roads.csv:2: lanes is 0; at least 1",
        "departures.csv:2: no road leads from J42 to J31; mend the route",
    ]


def test_unknown_junctions_of_groups_are_told_with_the_nearest(city: Path) -> None:
    spoil(city / "city.toml", '"J11", ', '"J99", "j12", ')
    assert told(city) == [
        "city.toml:33: groups.west: J99 is no signalised junction of this city; "
        "there are: " + ", ".join(f"J{x}{y}" for x in range(1, 5) for y in range(1, 5)),
        "city.toml:33: groups.west: j12 is no signalised junction of this city; did you mean J12?",
    ]


def test_mistakes_of_devices_plans_and_planted_faults_are_told_together(city: Path) -> None:
    (city / "devices.csv").write_text(
        "id,type,source,longitude,latitude,owner\n"
        "urn:ngsi-ld:Streetlight:1,Streetlihgt,lights,,,Works\n"
        "urn:ngsi-ld:Streetlight:2,Streetlight,,500,,Works\n"
    )
    spoil(city / "city.toml", "seed = 1", 'seed = 1\nfaults = "faults.csv"')
    spoil(city / "city.toml", "[signals]  ", '[signals]\nplans = "plans.csv"  ')
    found = told(city)
    assert "devices.csv:3: source is empty; fill it in" in found
    words = [line.replace(":", " ").split() for line in found]
    assert [line[0] for line in words] == ["devices.csv", "plans.csv", "faults.csv"]


def test_contexts_that_are_not_there_and_networks_that_are_none_are_told(city: Path) -> None:
    with (city / "city.toml").open("a") as settings:
        settings.write('\n[broker]\ncontexts = "terms.json"\nnotify_to = ["10.1.0.7/16"]\n')
    contexts, notify_to = told(city)
    assert "broker.contexts: terms.json: cannot be read" in contexts
    assert "broker.notify_to: 10.1.0.7/16 is no network" in notify_to


def check(*options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "cityloop", "check", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_tells_a_line_for_each_mistake(city: Path) -> None:
    spoil(city / "city.toml", "time_zone =", "timezone =")
    spoil(city / "city.toml", 'mode = "act"', 'mode = "fly"')
    done = check(str(city))
    assert (done.returncode, done.stdout) == (2, "")
    assert [line.split(": ")[1].rpartition(":")[2] for line in done.stderr.splitlines()] == [
        "7",
        "29",
    ]
    rows = json.loads(check(str(city), "--json").stdout)
    assert (rows[0]["line"], rows[0]["mend"]) == (7, "did you mean time_zone?")


def test_a_sound_city_passes(tmp_path: Path) -> None:
    done = check(str(HANGZHOU), "--data", str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Hangzhou, Gudang: no mistake. 16 signals")


def test_the_published_schema_is_that_of_the_settings() -> None:
    published = ROOT / "docs" / "reference" / "city.schema.json"
    assert published.read_text(encoding="utf-8") == city_schema(), (
        "renew it: cityloop check --schema > docs/reference/city.schema.json"
    )
