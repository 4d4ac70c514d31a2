"""Clients of the event stream against nobody, in one run: does the hub's loop notice?

    python -m benchmarks.stream [--clients 200] [--phase-s 90] [--away-s 600]

The city runs with its baseline, 50 s a second. Three phases: nobody; 200 live clients, a slow one
(1 kB a second) and a dead one (never reads); nobody again. What the hub says of its loop latency at
the end of a phase is of its newest 4,096 ticks, 82 s. Then a client comes back that was away since
the begin, at least ``--away-s`` ago, and must be told every decision since, in order.
"""

import argparse
import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psutil
from tests.faults.running import RunningCity, running, until

from benchmarks.record import Result, record

PORT = 18432
SPEED = "50"
_STATE = b"event: state\n"


@dataclass
class Live:
    """What one live client has seen."""

    states: int = 0
    taken: int = 0
    longest_s: float = 0.0
    newest: float = 0.0

    def see(self, data: bytes) -> None:
        """Count the states in what arrived."""
        now = time.perf_counter()
        self.taken += len(data)
        found = data.count(_STATE)
        if found:
            self.longest_s = max(self.longest_s, now - self.newest) if self.states else 0.0
            self.states, self.newest = self.states + found, now


async def opened(path: str, room: int | None = None) -> socket.socket:
    """A socket on which the stream was asked for; ``room``: bytes that the kernel keeps for it."""
    connection = socket.socket()
    if room:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    connection.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(connection, ("127.0.0.1", PORT))
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{PORT}\r\n\r\n"
    await loop.sock_sendall(connection, request.encode())
    return connection


async def live(seen: Live, path: str) -> None:
    connection = await opened(path)
    with connection:
        while data := await asyncio.get_running_loop().sock_recv(connection, 1 << 18):
            seen.see(data)


async def slow() -> None:
    connection = await opened("/api/stream", room=4096)
    with connection:
        # Nothing is waited for: this is how slow it is.
        while await asyncio.get_running_loop().sock_recv(connection, 1024):  # noqa: ASYNC110
            await asyncio.sleep(1)


async def dead() -> None:
    connection = await opened("/api/stream", room=4096)
    with connection:
        await asyncio.Event().wait()


@asynccontextmanager
async def clients(count: int) -> AsyncIterator[list[Live]]:
    """``count`` live clients, one in ten of them with vehicles; a slow one and a dead one."""
    seen = [Live() for _ in range(count)]
    work = [
        live(one, "/api/stream" + ("?vehicles=1" if i % 10 == 0 else ""))
        for i, one in enumerate(seen)
    ]
    tasks = [asyncio.create_task(one) for one in (*work, slow(), dead())]
    try:
        yield seen
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(frozen=True)
class Phase:
    """What the hub said at the end of a phase, and the CPU that processes took in it."""

    p50_ms: float
    p99_ms: float
    hub_cpu_s: float
    web_cpu_s: float


async def phase(city: RunningCity, seconds: float) -> Phase:
    pids = city.pids()

    def cpu_s(name: str) -> float:
        times = psutil.Process(pids[name]).cpu_times()
        return times.user + times.system

    before = cpu_s("hub"), cpu_s("web")
    await asyncio.sleep(seconds)
    state = await asyncio.to_thread(city.get, "/api/state")
    said = state["counters"]
    spent = cpu_s("hub") - before[0], cpu_s("web") - before[1]
    return Phase(said["loop_latency_p50_ms"], said["loop_latency_p99_ms"], *spent)


def caught_up(city: RunningCity, since: int) -> tuple[int, float, bool]:
    """How many decisions a client that knows ``since`` is told, in how many seconds, and whether
    every one of them came in order."""
    newest = city.get("/api/decisions?limit=1")[0]["number"]
    numbers: list[int] = []
    name, began = "", time.perf_counter()
    with city.client.stream("GET", "/api/stream", headers={"Last-Event-ID": str(since)}) as answer:
        for line in answer.iter_lines():
            name = line.removeprefix("event: ") if line.startswith("event: ") else name
            if name == "decisions" and line.startswith("data: "):
                rows = json.loads(line.removeprefix("data: "))
                numbers += [row["number"] for row in reversed(rows)]
                if numbers[-1] >= newest:
                    break
    whole = numbers == list(range(since + 1, numbers[-1] + 1))
    return len(numbers), time.perf_counter() - began, whole


async def measure(city: RunningCity, count: int, seconds: float) -> tuple[list[Phase], list[Live]]:
    first = await phase(city, seconds)
    async with clients(count) as seen:
        crowd = await phase(city, seconds)
    return [first, crowd, await phase(city, seconds)], seen


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--phase-s", type=float, default=90)
    parser.add_argument("--away-s", type=float, default=600)
    asked = parser.parse_args()
    with TemporaryDirectory() as folder, running(Path(folder), PORT, "--speed", SPEED) as city:
        until("a decision", lambda: city.get("/api/decisions?limit=1") or None)
        left, known = time.monotonic(), city.get("/api/decisions?limit=1")[0]["number"]
        phases, seen = asyncio.run(measure(city, asked.clients, asked.phase_s))
        time.sleep(max(0.0, left + asked.away_s - time.monotonic()))
        told, took_s, whole = caught_up(city, known)
        away_s = time.monotonic() - left
        with suppress(httpx.HTTPError):
            city.stop()
    assert whole, "a decision is missing or out of order"
    before, crowd, after = phases
    p50, p99 = (before.p50_ms + after.p50_ms) / 2, (before.p99_ms + after.p99_ms) / 2
    hub_s, web_s = (
        (before.hub_cpu_s + after.hub_cpu_s) / 2,
        (before.web_cpu_s + after.web_cpu_s) / 2,
    )
    name = f"with {asked.clients} live, 1 slow, 1 dead client"
    record(
        "stream",
        Result(f"loop latency p50 {name}", crowd.p50_ms, "ms", p50, crowd.p50_ms / p50),
        Result(f"loop latency p99 {name}", crowd.p99_ms, "ms", p99, crowd.p99_ms / p99),
        Result(f"CPU of the hub in {asked.phase_s:g} s {name}", crowd.hub_cpu_s, "s", hub_s),
        Result(f"CPU of the web in {asked.phase_s:g} s {name}", crowd.web_cpu_s, "s", web_s),
        Result(
            "states a second, of the worst client",
            min(s.states for s in seen) / asked.phase_s,
            "1/s",
        ),
        Result("longest wait for a state, of any client", max(s.longest_s for s in seen), "s"),
        Result(f"decisions told in order after {away_s:.0f} s away", told, "decisions"),
        Result("until all of them were told", took_s, "s"),
    )


if __name__ == "__main__":
    main()
