"""A full disk: nothing is acknowledged, that is said, and it goes on when there is room."""

import subprocess
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.faults.running import RunningCity, running, until
from tests.faults.town import LAMP, build_town, levels, open_door, push

from cityloop.city.clock import wall_time
from cityloop.interconnection.tenant import open_tenant
from cityloop.kernel.ports import Position


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a small disk")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_full_disk_stops_acknowledging_and_loses_nothing(
    small_disk: Path, tmp_path: Path, free_port: int, unused_port: int
) -> None:
    town = build_town(tmp_path / "town", LAMP)
    open_door(town, unused_port)
    began = datetime.now(UTC)

    def lamp_says(level: float) -> dict[str, Any]:
        return {"lamp": 1, "level": level, "at": str(began + timedelta(seconds=level))}

    with running(small_disk, free_port, city=town) as city, ThreadPoolExecutor() as poster:
        assert push(city, unused_port, lamp_says(0.1)).status_code == 200
        ballast = small_disk / "ballast"
        fill(ballast)
        why = until("the log to fail", lambda: trouble(city))
        assert "full" in why
        waits = poster.submit(push, city, unused_port, lamp_says(0.2), timeout_s=60)
        assert "log-failing" in until("the alarm", lambda: alarms(city) or None)
        assert not waits.done()
        ballast.unlink()
        assert waits.result().status_code == 200
        until("the log to go on", lambda: trouble(city) is None or None)
        made = city.wait_decisions(0)["decisions_total"]
        city.wait_decisions(made)
        city.stop()
    assert levels(small_disk) == {LAMP: [0.1, 0.2]}
    assert_ticks_are_whole(small_disk)


def fill(ballast: Path) -> None:
    """Take all the room there is."""
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(1 << 16)):
                pass
        except OSError:
            return


def trouble(city: RunningCity) -> str | None:
    """Why nothing can be recorded; None while all is well."""
    health = city.client.get("/health/ready").json()
    (log,) = [part for part in health["parts"] if part["name"] == "log"]
    return None if log["ready"] else str(log["reason"])


def alarms(city: RunningCity) -> list[str]:
    return [alarm["kind"] for alarm in city.get("/api/alarms") or []]


def assert_ticks_are_whole(data: Path) -> None:
    """Every second of the twin stands in the log once."""
    tenant = open_tenant(data, "town", wall_time, readonly=True)
    seen: dict[str, list[int]] = defaultdict(list)
    for commit in tenant.log.read(Position(0)):
        if commit.batch.source == "twin":
            seen[commit.batch.run].append(commit.batch.sequence)
    tenant.close()
    assert seen
    for sequences in seen.values():
        assert sequences == list(range(1, len(sequences) + 1))
