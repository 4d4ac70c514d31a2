"""kill -9 of hub and intake under a stream of messages: nothing is lost, nothing is there twice."""

import asyncio
import json
import time
from collections import Counter
from pathlib import Path

from tests.faults.running import TENANT, RunningCity, running, until
from tests.perception.conftest import broker
from tests.perception.test_mqtt_source import WIDE, publish

from cityloop.city.clock import wall_time
from cityloop.city.newcity import Names, write_starter
from cityloop.interconnection.tenant import open_tenant
from cityloop.kernel.ports import Position

SOURCE = """
[sources.street]
kind = "mqtt"
url = "mqtt://127.0.0.1:{port}"
topics = ["city/#"]
probe = ""

[sources.street.devices]
TrafficFlowObserved = "flow:*"
"""
ROUNDS, EACH = 12, 100


def messages(turn: int) -> list[bytes]:
    """What 100 devices say in one go."""
    now = time.time()
    return [
        json.dumps(
            {
                "id": f"flow:{device}",
                "type": "TrafficFlowObserved",
                "dateObserved": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
                + f".{turn:03d}Z",
                "intensity": turn,
            }
        ).encode()
        for device in range(EACH)
    ]


def state(city: RunningCity) -> str | None:
    sources = city.get("/api/sources")
    return sources[0]["state"] if sources else None


def accepted(city: RunningCity) -> int:
    sources = city.get("/api/sources")
    return sources[0]["accepted_total"] if sources else 0


def test_nothing_acknowledged_is_lost_and_nothing_stands_in_the_log_twice(
    tmp_path: Path, free_port: int, unused_port: int
) -> None:
    home, data = tmp_path / "town", tmp_path / "data"
    write_starter(home, Names("Town", TENANT))
    with (home / "city.toml").open("a") as settings:
        settings.write(SOURCE.format(port=unused_port))
    with broker(tmp_path, unused_port, *WIDE), running(data, free_port, city=home) as city:
        until("the source", lambda: True if state(city) == "ok" else None)
        asyncio.run(publish(unused_port, *messages(999)))
        until("the first messages", lambda: accepted(city) >= EACH or None)
        for turn in range(ROUNDS):
            asyncio.run(publish(unused_port, *messages(turn)))
            if turn % 10 == 3:
                city.wait_reborn("hub", city.kill("hub"))
            elif turn % 10 == 8:
                city.wait_reborn("intake", city.kill("intake"))
        until("all messages", lambda: accepted(city) >= EACH * (ROUNDS + 1) or None)
        city.stop()
    held = Counter(
        (frame.ids.names[row], value)
        for commit in open_tenant(data, TENANT, wall_time).log.read(Position(0))
        for part in commit.batch.rows
        for frame in part.frames()
        for row, value in enumerate(frame["intensity"].tolist())
    )
    wanted = {(f"flow:{d}", float(t)) for d in range(EACH) for t in (999, *range(ROUNDS))}
    assert held == dict.fromkeys(wanted, 1)
