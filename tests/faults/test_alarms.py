"""A real city whose sensor falls silent: told once, handled, cleared, and not lost by a kill -9."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.faults.running import HANGZHOU, RunningCity, running, until

SENSOR = "urn:ngsi-ld:LaneDetector:E1-J41_0"


@pytest.fixture(scope="module")
def drill(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Gudang with a detector that says nothing from second 60 to second 400."""
    city = tmp_path_factory.mktemp("drill")
    for file in HANGZHOU.glob("*"):
        if file.is_file():
            shutil.copy(file, city)
    (city / "faults.csv").write_text(
        f"device,fault,from_s,until_s\n{SENSOR.removeprefix('urn:ngsi-ld:')},silent,60,400\n"
    )
    settings = city / "city.toml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text.replace("[twin]", '[twin]\nfaults = "faults.csv"'), encoding="utf-8")
    return city


def alarm_of(city: RunningCity, kind: str, state: str) -> dict[str, Any]:
    """The alarm of that kind, once it is in that state."""

    def look() -> dict[str, Any] | None:
        assert city.process.poll() is None, "the city ended by itself; its stderr says why"
        rows: list[dict[str, Any]] = city.get("/api/alarms") or []
        found = [row for row in rows if (row["kind"], row["state"]) == (kind, state)]
        return found[0] if found else None

    return until(f"an alarm {kind} that is {state}", look, pause_s=0.1)


def test_a_silent_sensor_is_told_once_handled_and_survives_the_hub(
    drill: Path, tmp_path: Path, free_port: int
) -> None:
    with running(tmp_path, free_port, "--speed", "40", "--no-baseline", city=drill) as city:
        raised = alarm_of(city, "sensor-silent", "unacknowledged")
        assert (raised["members"], raised["count"]) == ([SENSOR], 1)
        answer = city.post(f"/api/alarms/{raised['id']}/acknowledge", {"by": "Li Wei"})
        assert answer.status_code == 204
        alarm_of(city, "sensor-silent", "acknowledged")
        city.wait_reborn("hub", city.kill("hub"))
        alarm_of(city, "process-down", "unacknowledged")
        alarm_of(city, "sensor-silent", "acknowledged")
        cleared = alarm_of(city, "sensor-silent", "closed")
        assert (cleared["id"], cleared["occurrences"]) == (raised["id"], 1)
        (entry,) = city.get("/api/shift-log")
        assert (entry["by"], entry["data"]["act"]) == ("Li Wei", "acknowledged")
        sensors = city.get("/api/sensors")
        (sensor,) = [row for row in sensors if row["id"] == SENSOR]
        assert sensor["available_share"] < 0.7
        city.stop()
