"""How many of the notifications that are due arrive, and when.

    python -m benchmarks.notify [--rate 500] [--seconds 60] [--subscriptions 10000] [--kill]
    python -m benchmarks.notify --backlog 1000000

A broker with 10,000 subscriptions, 4 in 10 by type, 3 by id, 3 by type and q; each write of an
attribute concerns 10 of them. One subscriber takes 0.2 s to answer, one is down until the load has
ended. ``--kill``: the notifier is killed after a third of the time, the broker after two thirds
(kill -9); writes that the broker did not acknowledge then are sent again. Latency is from the
sending of the write to the arrival at a subscriber that is neither slow nor down.

``--backlog``: so many notifications wait for 1,000 subscriptions of one subscriber that is down;
what that does to the memory of broker and notifier and to writes, and how soon all arrives then.
"""

import argparse
import asyncio
import json
import multiprocessing as mp
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import numpy as np
import psutil

from benchmarks.record import Result, record

FANOUT = 10
LONGEST_DRAIN_S = 120.0
SLOW_S = 0.2
WRITERS = 64
JSON = {"Content-Type": "application/json"}
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


# the subscribers, a process of their own


class Subscriber(asyncio.Protocol):
    """Takes notifications; as little work as can be."""

    def __init__(self, heard: dict[tuple[str, int], float], delay_s: float) -> None:
        self._heard = heard
        self._delay_s = delay_s
        self._data = b""

    def connection_made(self, transport: Any) -> None:
        """Keep the way back."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take what is whole, answer after the delay."""
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end].lower()
            at = head.index(b"content-length:") + 15
            stop = end + 4 + int(head[at : at + 20].split(b"\r\n")[0])
            if len(self._data) < stop:
                return
            self._take(json.loads(self._data[end + 4 : stop]))
            self._data = self._data[stop:]
            asyncio.get_running_loop().call_later(self._delay_s, self._transport.write, _ANSWER)

    def _take(self, notification: dict[str, Any]) -> None:
        now = time.time()
        for entity in notification["data"]:
            key = (notification["subscriptionId"], entity["level"]["value"])
            self._heard.setdefault(key, now)


def subscribers(pipe: Connection, down_port: int) -> None:
    """Listen until told to stop; "up" opens the port of the one that is down."""

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        heard: dict[tuple[str, int], float] = {}

        async def listen(delay_s: float, port: int) -> int:
            server = await loop.create_server(
                lambda: Subscriber(heard, delay_s), "127.0.0.1", port, backlog=2_000
            )
            return int(server.sockets[0].getsockname()[1])

        pipe.send((await listen(0, 0), await listen(SLOW_S, 0)))
        while True:
            await asyncio.sleep(0.05)
            while pipe.poll():
                asked = pipe.recv()
                if asked == "up":
                    await listen(0, down_port)
                elif asked == "count":
                    pipe.send(len(heard))
                else:
                    pipe.send(heard)
                    return

    asyncio.run(serve())


# the broker


class Broker:
    """A broker in a process of its own, and what it took of the processor, its children's too."""

    def __init__(self, folder: Path, port: int) -> None:
        self._command = [
            *(sys.executable, "-m", "cityloop", "broker", "--port", str(port)),
            *("--store", str(folder), "--no-fetch"),
        ]
        self.url = f"http://127.0.0.1:{port}/ngsi-ld/v1"
        self._spent = {"broker": 0.0, "notifier": 0.0}
        self.start()

    def start(self) -> None:
        """Start it and wait until it listens."""
        self.process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        assert "is up" in self.process.stdout.readline()

    def _notifier(self) -> psutil.Process:
        children = psutil.Process(self.process.pid).children()
        return next(child for child in children if "notifier_process" in " ".join(child.cmdline()))

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds so far of those that run, and of those that were killed."""
        now = {"broker": psutil.Process(self.process.pid), "notifier": self._notifier()}
        taken = {name: sum(process.cpu_times()[:2]) for name, process in now.items()}
        return {name: self._spent[name] + spent for name, spent in taken.items()}

    def memory_mb(self) -> dict[str, float]:
        """Memory in use."""
        now = {"broker": psutil.Process(self.process.pid), "notifier": self._notifier()}
        return {name: process.memory_info().rss / 2**20 for name, process in now.items()}

    def kill_notifier(self) -> None:
        """Kill -9 its notifier; it starts another."""
        self._spent["notifier"] = self.cpu_s()["notifier"]
        os.kill(self._notifier().pid, signal.SIGKILL)

    def kill(self) -> None:
        """Kill -9, and start it again."""
        self._spent = self.cpu_s()
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.start()

    def stop(self) -> None:
        """Ask it to end."""
        self.process.terminate()
        self.process.wait(30)


@contextmanager
def broker(folder: Path, port: int) -> Iterator[Broker]:
    running = Broker(folder, port)
    try:
        yield running
    finally:
        running.stop()


# the load


def subscription(number: int, kinds: int, url: str, way: int | None) -> dict[str, Any]:
    kind, way = number % kinds, number // kinds if way is None else way
    selector: dict[str, Any] = {"type": f"Kind{kind}"}
    body: dict[str, Any] = {
        "id": f"urn:ngsi-ld:Subscription:{number}",
        "type": "Subscription",
        "entities": [selector],
        "notification": {"endpoint": {"uri": url}},
    }
    if 4 <= way < 7:
        selector["id"] = f"urn:ngsi-ld:Kind{kind}:1"
    elif way >= 7:
        body["q"] = f"level>{way};name==%22entity%22"
    return body


async def each(jobs: list[Any], do: Any) -> None:
    """``do`` every job, some at once."""
    waiting = iter(jobs)

    async def work() -> None:
        for job in waiting:
            await do(job)

    await asyncio.gather(*(work() for _ in range(WRITERS)))


async def prepare(
    session: aiohttp.ClientSession, kinds: int, urls: list[str], way: int | None = None
) -> None:
    """Entities and subscriptions; ``way``: how these select, by default each in its turn."""

    async def post(path: str, body: Any) -> None:
        async with session.post(path, json=body, headers=JSON) as answer:
            assert answer.status in (201, 204), await answer.text()

    entities = [
        {
            "id": f"urn:ngsi-ld:Kind{kind}:1",
            "type": f"Kind{kind}",
            "name": {"type": "Property", "value": "entity"},
            "level": {"type": "Property", "value": 0},
        }
        for kind in range(kinds)
    ]
    await post("entityOperations/upsert", entities)
    bodies = [subscription(number, kinds, url, way) for number, url in enumerate(urls)]
    await each(bodies, lambda body: post("subscriptions", body))


async def write(session: aiohttp.ClientSession, kind: int, stamp: int) -> None:
    """Until it is acknowledged."""
    body = {"level": {"type": "Property", "value": stamp}}
    while True:
        try:
            async with session.patch(f"entities/urn:ngsi-ld:Kind{kind}:1/attrs", json=body) as told:
                if told.status == 204:
                    return
        except aiohttp.ClientError:
            await asyncio.sleep(0.05)


async def load(
    session: aiohttp.ClientSession, kinds: int, rate: float, seconds: float, events: dict[int, Any]
) -> dict[int, tuple[int, float]]:
    """Writes at a fixed rate, however long each takes; stamp → (kind, when it was sent).

    ``events``: what is done in a thread before the write of a number.
    """
    begun, sent, tasks = time.time(), {}, set()
    for number in range(int(rate * seconds)):
        if number in events:
            tasks.add(asyncio.create_task(asyncio.to_thread(events[number])))
        await asyncio.sleep(max(0.0, begun + number / rate - time.time()))
        kind, stamp = number * 7919 % kinds, 1_000 + number
        sent[stamp] = (kind, time.time())
        task = asyncio.create_task(write(session, kind, stamp))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    return sent


async def drained(pipe: Connection, wanted: int) -> float:
    """Seconds until all have arrived, or none comes any more."""
    begun = time.time()
    while time.time() - begun < LONGEST_DRAIN_S:
        pipe.send("count")
        if pipe.recv() >= wanted:
            break
        await asyncio.sleep(0.1)
    return time.time() - begun


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


async def measure(given: argparse.Namespace, running: Broker, pipe: Connection, down: int) -> None:
    fast, slow = pipe.recv()
    kinds = given.subscriptions // FANOUT
    urls = [f"http://127.0.0.1:{fast}/n"] * given.subscriptions
    urls[0], urls[1] = f"http://127.0.0.1:{slow}/n", f"http://127.0.0.1:{down}/n"
    total = int(given.rate * given.seconds)
    kills = {total // 3: running.kill_notifier, 2 * total // 3: running.kill}
    connector = aiohttp.TCPConnector(limit=WRITERS)
    async with aiohttp.ClientSession(running.url + "/", connector=connector) as session:
        await prepare(session, kinds, urls)
        before = running.cpu_s()
        begun = time.time()
        sent = await load(session, kinds, given.rate, given.seconds, kills if given.kill else {})
        wrote_s = time.time() - begun
        pipe.send("up")
        wanted = {
            (f"urn:ngsi-ld:Subscription:{way * kinds + kind}", stamp)
            for stamp, (kind, _) in sent.items()
            for way in range(FANOUT)
        }
        drain_s = await drained(pipe, len(wanted))
        after = running.cpu_s()
    pipe.send("stop")
    heard: dict[tuple[str, int], float] = pipe.recv()
    late = {f"urn:ngsi-ld:Subscription:{number}" for number in (0, 1)}
    delays = [heard[key] - sent[key[1]][1] for key in heard if key[0] not in late]
    p50, p99 = np.percentile(delays, (50, 99))
    name = f"{given.subscriptions} subscriptions, {given.rate:g} writes/s"
    name += ", notifier and broker killed" if given.kill else ""
    rows = [
        Result(f"{name}: delivered", 100 * len(wanted & heard.keys()) / len(wanted), "%"),
        Result(f"{name}: never due", float(len(heard.keys() - wanted)), "notifications"),
        Result(f"{name}: writes acknowledged", len(sent) / wrote_s, "1/s"),
        Result(f"{name}: drained after the load", drain_s, "s"),
        Result(f"{name}: latency p50", p50, "s"),
        Result(f"{name}: latency p99", p99, "s"),
        *(
            Result(f"{name}: CPU of the {part}, per notification", 1e6 * spent / len(heard), "µs")
            for part, spent in ((part, after[part] - before[part]) for part in after)
        ),
    ]
    record("notify-kill" if given.kill else f"notify-{given.rate:g}", *rows)


BACKLOGGED = 1_000


async def measure_backlog(
    given: argparse.Namespace, running: Broker, pipe: Connection, down: int
) -> None:
    pipe.recv()
    connector = aiohttp.TCPConnector(limit=WRITERS)
    async with aiohttp.ClientSession(running.url + "/", connector=connector) as session:
        # All by type: one kind, and every write concerns each of them.
        await prepare(session, 1, [f"http://127.0.0.1:{down}/n"] * BACKLOGGED, way=0)
        begun, took = running.memory_mb(), []
        stamps = range(1_000, 1_000 + given.backlog // BACKLOGGED)
        for stamp in stamps:
            before = time.time()
            await write(session, 0, stamp)
            took.append(time.time() - before)
        held = running.memory_mb()
        pipe.send("up")
        drain_s = await drained(pipe, BACKLOGGED * len(stamps))
        after = running.memory_mb()
    pipe.send("stop")
    heard: dict[tuple[str, int], float] = pipe.recv()
    name = f"{given.backlog} wait for a subscriber that is down"
    p50, p99 = np.percentile(took, (50, 99))
    most = {part: max(held[part], after[part]) - begun[part] for part in begun}
    record(
        "notify-backlog",
        Result(f"{name}: delivered", 100 * len(heard) / (BACKLOGGED * len(stamps)), "%"),
        Result(f"{name}: drained after it is up", drain_s, "s"),
        Result(f"{name}: a write that concerns {BACKLOGGED}, p50", 1e3 * p50, "ms"),
        Result(f"{name}: a write that concerns {BACKLOGGED}, p99", 1e3 * p99, "ms"),
        *(
            Result(f"{name}: more memory of the {part}", grown, "MiB")
            for part, grown in most.items()
        ),
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, default=500)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--subscriptions", type=int, default=10_000)
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--backlog", type=int)
    given = parser.parse_args()
    here, there = mp.get_context("spawn").Pipe()
    down = free_port()
    process = mp.get_context("spawn").Process(target=subscribers, args=(there, down), daemon=True)
    process.start()
    with TemporaryDirectory() as folder, broker(Path(folder) / "store", free_port()) as running:
        work = measure if given.backlog is None else measure_backlog
        asyncio.run(work(given, running, here, down))


if __name__ == "__main__":
    main()
