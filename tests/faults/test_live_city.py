"""A city without a twin in real processes: it lives on the clock on the wall, through kill -9."""

from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.faults.running import RunningCity, running, until
from tests.faults.town import LAMP, build_real_town, levels, open_door, push

from cityloop.city.clock import wall_time
from cityloop.interconnection.tenant import open_tenant
from cityloop.kernel.ports import Position


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_real_town(tmp_path_factory.mktemp("real") / "town", LAMP)


def reading(number: int) -> dict[str, object]:
    at = datetime.now(UTC).isoformat()
    return {"lamp": "1", "at": at, "level": number / 100}


def say(city: RunningCity, port: int, number: int) -> None:
    answer = push(city, port, reading(number), timeout_s=60)
    assert answer.json() == {"accepted": 1, "rejected": 0, "rejects": []}


def test_kill_of_the_hub_loses_nothing_acknowledged_and_the_run_goes_on(
    home: Path, tmp_path: Path, free_port: int, unused_port: int
) -> None:
    data = tmp_path / "data"
    open_door(home, unused_port)
    with running(data, free_port, city=home) as city:
        for number in range(6):
            say(city, unused_port, number)
            if number in (1, 3):
                city.wait_reborn("hub", city.kill("hub"))
        until("the sensor", lambda: seen(city))
        run = until("the run", lambda: run_of(city))
        assert city.get("/api/map")["twin"] is False
        city.stop()
    with running(data, free_port, city=home) as city:
        until("the next run", lambda: True if next_run(city, run) else None)
        assert [row["run"] for row in city.get("/api/history/runs")][:1] == [run]
        refused = city.post("/api/drive", {"action": "pause"})
        assert (refused.status_code, "no twin" in refused.text) == (409, True)
        city.stop()
    assert levels(data) == {LAMP: [number / 100 for number in range(6)]}
    ticks_are_whole(data)


def seen(city: RunningCity) -> bool | None:
    rows = city.get("/api/sensors") or []
    return True if rows and rows[0]["last_seen"] else None


def run_of(city: RunningCity) -> str | None:
    """The run that ticks; None until its first tick was heard of."""
    summary = city.get("/api/summary")
    return (summary and summary["run"]) or None


def next_run(city: RunningCity, run: str) -> bool:
    return run_of(city) not in (None, run)


def ticks_are_whole(data: Path) -> None:
    """Each run's ticks without a gap or a repeat, and city time never back."""
    tenant = open_tenant(data, "town", wall_time, readonly=True)
    found = defaultdict(list)
    for commit in tenant.log.read(Position(0)):
        if commit.batch.source == "clock":
            ticked_at = commit.batch.frames[0].observed_at
            found[commit.batch.run].append((commit.batch.sequence, ticked_at))
    tenant.close()
    assert list(found) == ["live-1", "live-2"]
    for ticks in found.values():
        assert [sequence for sequence, _ in ticks] == list(range(1, len(ticks) + 1))
        assert ticks == sorted(ticks, key=lambda tick: tick[1])
