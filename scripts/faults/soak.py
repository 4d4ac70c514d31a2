"""A city under full load for long: does it stay as quick and as small as it began? ``make soak``.

    python -m scripts.faults.soak [--observations 10000000] [--out build/soak.json]

Clients post Arrow streams of 1,000 rows of five observations, each as soon as the one before it is
acknowledged. The run is cut into tenths: of each, rate, p99 of the answers and memory of every
process. The last tenth stands against the second (the first warms up). Exit code 1 when memory or
p99 is more than 1.05 times as large.
"""

import argparse
import json
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pyarrow as pa
from scripts.faults.town import TYPE, free_port
from tests.faults.running import RunningCity, running, until

ROWS, DEVICES, TENTHS, CLIENTS = 1_000, 10_000, 10, 4
MEDIA = "application/vnd.apache.arrow.stream"
MOST = 1.05
NUMBERS = ("intensity", "occupancy", "averageVehicleSpeed", "averageHeadwayTime", "laneId")
_CITY = f"""[city]
name = "Soak"
tenant = "soak"

[sources.counters]
kind = "http"
port = {{door}}

[sources.counters.devices]
{TYPE} = "urn:ngsi-ld:{TYPE}:*"
"""


@dataclass(frozen=True)
class Tenth:
    """A tenth of the run. ``memory_mb``: resident, by process, at its end."""

    observations_per_s: float
    p99_ms: float
    memory_mb: dict[str, float]
    disk_bytes: int

    @property
    def whole_mb(self) -> float:
        """Of all processes."""
        return sum(self.memory_mb.values())


class Clients:
    """Post until so many were acknowledged; each answer's time is kept until it is asked for."""

    def __init__(self, door: int, posts: int) -> None:
        self._url = f"http://127.0.0.1:{door}/"
        self._left = posts
        self._lock = threading.Lock()
        self._at = 0
        self._threads = [threading.Thread(target=self._post, daemon=True) for _ in range(CLIENTS)]
        self.took_s: list[float] = []

    def start(self) -> None:
        """Let them begin."""
        for thread in self._threads:
            thread.start()

    def _post(self) -> None:
        with httpx.Client(timeout=60, headers={"Content-Type": MEDIA}) as client:
            while (turn := self._turn()) is not None:
                body = stream(*turn)
                began = time.monotonic()
                answer = client.post(self._url, content=body)
                answer.raise_for_status()
                assert answer.json()["accepted"] == ROWS, answer.text
                self.took_s.append(time.monotonic() - began)

    def _turn(self) -> tuple[int, int] | None:
        """The number of the next post and its time, which no other post has."""
        with self._lock:
            if self._left == 0:
                return None
            self._left -= 1
            self._at = max(self._at + 1, time.time_ns() // 1_000_000)
            return self._left, self._at

    def wait(self, answers: int) -> None:
        """Until so many were given; raises RuntimeError when the clients ended before."""
        while len(self.took_s) < answers:
            if not any(thread.is_alive() for thread in self._threads):
                raise RuntimeError(f"only {len(self.took_s)} of {answers} posts were taken")
            time.sleep(0.05)


def stream(post: int, at_ms: int) -> bytes:
    """A post as an Arrow stream: a tenth of the devices, five numbers each."""
    device = (post * ROWS + np.arange(ROWS)) % DEVICES
    chance = np.random.default_rng(post)
    columns: dict[str, Any] = {
        "id": [f"urn:ngsi-ld:{TYPE}:{number}" for number in device.tolist()],
        "observedAt": pa.array(np.full(ROWS, at_ms), pa.timestamp("ms", "UTC")),
        "intensity": chance.integers(0, 200, ROWS).astype(np.float64),
        "occupancy": chance.integers(0, 97, ROWS) / 100,
        "averageVehicleSpeed": 20 + chance.integers(0, 331, ROWS) / 10,
        "averageHeadwayTime": 1 + chance.integers(0, 53, ROWS) / 10,
        "laneId": np.ones(ROWS, np.int64),
    }
    table = pa.table(columns, metadata={"type": TYPE})
    into = pa.BufferOutputStream()
    with pa.ipc.new_stream(into, table.schema) as writer:
        writer.write_table(table)
    return into.getvalue().to_pybytes()


def soak(folder: Path, observations: int) -> list[Tenth]:
    """Run a city under load; its tenths."""
    door, port = free_port(), free_port()
    home = folder / "city"
    home.mkdir()
    (home / "city.toml").write_text(_CITY.format(door=door), encoding="utf-8")
    posts = max(TENTHS, observations // (ROWS * len(NUMBERS)) // TENTHS * TENTHS)
    tenths = []
    with running(folder / "data", port, city=home) as city:
        until("the door", lambda: _is_open(city))
        clients = Clients(door, posts)
        clients.start()
        for number in range(TENTHS):
            began = time.monotonic()
            clients.wait(posts // TENTHS * (number + 1))
            tenths.append(_tenth(city, clients, posts // TENTHS, time.monotonic() - began))
            print(json.dumps(asdict(tenths[-1])), flush=True)
        _check_all_taken(city, posts * ROWS)
        city.stop()
    return tenths


def _is_open(city: RunningCity) -> bool | None:
    sources = city.get("/api/sources") or []
    return any(source["state"] == "ok" for source in sources) or None


def _check_all_taken(city: RunningCity, rows: int) -> None:
    """Every row is in the log: none was refused as late, strange or out of range."""

    def look() -> bool | None:
        (source,) = city.get("/api/sources") or [{"accepted_total": 0}]
        return source["accepted_total"] == rows or None

    until(f"{rows} accepted rows", look, deadline_s=20)


def _tenth(city: RunningCity, clients: Clients, posts: int, took_s: float) -> Tenth:
    times = clients.took_s[-posts:]
    memory = {
        name: round(psutil.Process(pid).memory_info().rss / 1e6, 1)
        for name, pid in city.pids().items()
    }
    disk = sum(file.stat().st_blocks * 512 for file in city.folder.rglob("*") if file.is_file())
    rate = posts * ROWS * len(NUMBERS) / took_s
    return Tenth(round(rate), round(float(np.percentile(times, 99)) * 1000, 2), memory, disk)


def report(tenths: list[Tenth], observations: int) -> dict[str, Any]:
    """The figures, and what is wrong with them."""
    second, last = tenths[1], tenths[-1]
    ratios = {
        "memory": round(last.whole_mb / second.whole_mb, 3),
        "p99": round(last.p99_ms / second.p99_ms, 3),
    }
    return {
        "observations": observations,
        "observations_per_s": round(
            len(tenths) / sum(1 / tenth.observations_per_s for tenth in tenths)
        ),
        "last_against_second_tenth": ratios,
        "bytes_per_observation": round(last.disk_bytes / observations, 2),
        "faults": [f"{name}: {ratio} > {MOST}" for name, ratio in ratios.items() if ratio > MOST],
        "tenths": [asdict(tenth) for tenth in tenths],
    }


def main() -> int:
    """The command line."""
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("--observations", type=int, default=10_000_000)
    asked.add_argument("--out", type=Path, default=Path("build/soak.json"))
    given = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="cityloop-soak-") as folder:
        found = report(soak(Path(folder), given.observations), given.observations)
    given.out.parent.mkdir(exist_ok=True)
    given.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({name: value for name, value in found.items() if name != "tenths"}, indent=2))
    return 1 if found["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
