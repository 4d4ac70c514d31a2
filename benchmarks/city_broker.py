"""The context broker within a city that goes as fast as it can: what it costs those who act.

    python -m benchmarks.city_broker [--seconds 8] [--rounds 3]

In turn, within one city: nobody uses the API; one client asks for twenty lane
detectors all the time; one subscription waits for the queues of all. How many observations the city
takes in a second, and what CPU hub and web spend on a thousand.
"""

import argparse
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import httpx
import psutil
from tests.faults.running import RunningCity, running, until

from benchmarks.record import Result, record

PORT = 18436
API = "/ngsi-ld/v1"
LANES = f"{API}/entities?type=LaneDetector&limit=20"


@dataclass
class Pace:
    """``rate``: observations a second; CPU in ms a thousand of them; ``told``: how many were told,
    of whatever the client waits for."""

    rate: float
    hub_ms: float
    web_ms: float
    told: int


@contextmanager
def nobody(_: RunningCity) -> Iterator[Callable[[], int]]:
    """Nobody uses the API."""
    yield lambda: 0


@contextmanager
def asking(city: RunningCity) -> Iterator[Callable[[], int]]:
    """One client asks for a page all the time."""
    done, answers = threading.Event(), 0

    def ask() -> None:
        nonlocal answers
        with httpx.Client(base_url=f"http://127.0.0.1:{city.port}", timeout=60) as client:
            while not done.is_set():
                client.get(LANES).raise_for_status()
                answers += 1

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield lambda: answers
    finally:
        done.set()
        thread.join()


@contextmanager
def subscribed(city: RunningCity) -> Iterator[Callable[[], int]]:
    """One subscription on the queues of all lane detectors."""
    entities = 0

    class Subscriber(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            nonlocal entities
            body = self.rfile.read(int(self.headers["Content-Length"]))
            entities += len(json.loads(body)["data"])
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Subscriber) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        body = {
            "id": "urn:ngsi-ld:Subscription:queues",
            "type": "Subscription",
            "entities": [{"type": "LaneDetector"}],
            "watchedAttributes": ["queueLength"],
            "notification": {
                "endpoint": {"uri": f"http://127.0.0.1:{server.server_port}/"},
                "format": "simplified",
            },
        }
        city.client.post(f"{API}/subscriptions", json=body, timeout=60).raise_for_status()
        try:
            yield lambda: entities
        finally:
            path = f"{API}/subscriptions/urn:ngsi-ld:Subscription:queues"
            city.client.delete(path, timeout=60).raise_for_status()
            server.shutdown()


def pace(city: RunningCity, seconds: float, told: Callable[[], int]) -> Pace:
    """How the city goes for so many seconds."""
    began, first, before, heard = time.perf_counter(), observed(city), cpu_s(city), told()
    time.sleep(seconds)
    thousands = (observed(city) - first) / 1000
    after = cpu_s(city)
    spent = {name: (after[name] - before[name]) * 1000 / thousands for name in ("hub", "web")}
    elapsed = time.perf_counter() - began
    return Pace(1000 * thousands / elapsed, spent["hub"], spent["web"], told() - heard)


def observed(city: RunningCity) -> int:
    """Observations so far."""
    total: int = until("the total", lambda: city.get("/api/summary"))["observations_total"]
    return total


def cpu_s(city: RunningCity) -> dict[str, float]:
    """CPU seconds that each process has used so far."""
    spent = {}
    for name, pid in city.pids().items():
        with suppress(psutil.NoSuchProcess):
            times = psutil.Process(pid).cpu_times()
            spent[name] = times.user + times.system
    return spent


def main() -> None:
    """Rounds of the three in turn; the median of each figure, ratios within a round."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    paces: dict[str, list[Pace]] = {"nobody": [], "asking": [], "subscribed": []}
    with (
        TemporaryDirectory() as folder,
        running(Path(folder), PORT, "--speed", "max", "--no-baseline") as city,
    ):
        city.wait_decisions(1_000)
        for _ in range(given.rounds):
            for client in (nobody, asking, subscribed):
                with client(city) as told:
                    paces[client.__name__].append(pace(city, given.seconds, told))
                    print(client.__name__, paces[client.__name__][-1], flush=True)
        city.stop()
    alone = paces["nobody"]
    rows = []
    for name, some in paces.items():
        ratio = median(one.rate / idle.rate for one, idle in zip(some, alone, strict=True))
        rate, base = median(one.rate for one in some), median(one.rate for one in alone)
        rows.append(Result(f"{name}_observations", rate, "1/s", base, ratio))
        rows.append(Result(f"{name}_hub_cpu", median(one.hub_ms for one in some), "ms"))
        rows.append(Result(f"{name}_web_cpu", median(one.web_ms for one in some), "ms"))
        told = median(one.told for one in some) / given.seconds
        rows.append(Result(f"{name}_answers_or_entities_told", told, "1/s"))
    record("city_broker", *rows)


if __name__ == "__main__":
    main()
