"""A wall clock that jumps by an hour: city time never goes back, and nothing is lost."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from scripts.faults.clock import SteppedClock
from scripts.faults.preloaded import has_compiler
from tests.faults.running import RunningCity, running, until
from tests.faults.town import LAMP, build_real_town, levels, open_door, push

from cityloop.city.clock import wall_time
from cityloop.interconnection.tenant import open_tenant
from cityloop.kernel.ports import Position

HOUR_S = 3600


@pytest.mark.slow
def test_a_clock_stepped_by_an_hour_and_back_loses_nothing(
    tmp_path: Path, free_port: int, unused_port: int
) -> None:
    if not has_compiler():
        pytest.skip("stepping the clock takes gcc: install the Debian package gcc")
    home, data = build_real_town(tmp_path / "real", LAMP), tmp_path / "data"
    open_door(home, unused_port)
    clock = SteppedClock(tmp_path / "step")
    with running(data, free_port, city=home, environment=clock.environment()) as city:
        until("the run", lambda: said(city))
        for number, step_s in enumerate((0, HOUR_S, 0, -HOUR_S, 0)):
            clock.step(step_s)
            body = {"lamp": "1", "at": now(step_s), "level": number / 10}
            assert push(city, unused_port, body).json()["accepted"] == 1
        city.stop()
    assert levels(data) == {LAMP: [0.0, 0.1, 0.2, 0.3, 0.4]}
    assert_city_time_never_goes_back(data)


def now(off_s: float) -> str:
    """The time as a device tells it whose clock is off as the city's is."""
    return (datetime.now(UTC) + timedelta(seconds=off_s)).isoformat()


def said(city: RunningCity) -> Any:
    summary = city.get("/api/summary")
    return (summary and summary["run"]) or None


def assert_city_time_never_goes_back(data: Path) -> None:
    tenant = open_tenant(data, "town", wall_time, readonly=True)
    ticks = [
        commit.batch.frames[0].observed_at
        for commit in tenant.log.read(Position(0))
        if commit.batch.source == "clock"
    ]
    tenant.close()
    assert ticks == sorted(set(ticks))
