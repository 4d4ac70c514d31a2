"""What the NGSI-LD broker takes and gives over HTTP, durable, beside the bare disk and server.

    python -m benchmarks.broker [--growth ENTITIES] [--store postgresql]

A broker in a process of its own on an empty store; entities of about 550 bytes with five
attributes. ``cpu`` is what the broker's processes took, in seconds per 1,000 entities or requests:
on a busy machine only it tells. Batches are beside appending and ``fdatasync`` of the same bytes,
one by one, and what is done behind their answers counts; reads beside a bare Starlette handler that
answers the same bytes on the same server.
``--growth`` fills the store and measures CPU per upsert when it holds 10,000 and when it is full,
and how long a restart after kill -9 takes then. With ``--store postgresql`` the tables lie in a
PostgreSQL on the same machine, whose processes' CPU counts too.
"""

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from scripts.servers.postgres import Postgres, postgres

from benchmarks.record import Result, record

PORT = 18947
API = "/ngsi-ld/v1"
CLIENTS = 8
SECONDS = 6.0
KNOWN = 10_000
IDLE_CPU_S, SETTLED_S = 0.05, 3.0
"""A broker is idle that takes less CPU than the one within the other, its followers included."""
WINDOW = 40_000
"""Upserts whose CPU is measured while the store grows: what follows behind them is among it."""

_TAIL = (
    '","type":"Vehicle","brandName":{"type":"Property","value":"Mercedes-Benz Sprinter"},'
    '"speed":{"type":"Property","value":57.25,"unitCode":"KMH",'
    '"observedAt":"2026-01-15T10:30:00.000Z"},'
    '"fuelLevel":{"type":"Property","value":73,"unitCode":"P1",'
    '"observedAt":"2026-01-15T10:30:00.000Z"},"location":{"type":"GeoProperty",'
    '"value":{"type":"Point","coordinates":[13.4049540,52.5200066]}},'
    '"isParked":{"type":"Relationship","object":"urn:ngsi-ld:OffStreetParking:Downtown1-Level2",'
    '"observedAt":"2026-01-15T10:30:00.000Z"}}'
)

BARE = """
import sys
from pathlib import Path
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
body = Path(sys.argv[2]).read_bytes()
async def answer(request): return Response(body, media_type="application/json")
app = Starlette(routes=[Route("/{rest:path}", answer)])
uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False)
"""


def batch(start: int, size: int) -> bytes:
    """``size`` entities from number ``start`` on."""
    each = (
        '{"id":"urn:ngsi-ld:Vehicle:' + str(number) + _TAIL for number in range(start, start + size)
    )
    return ("[" + ",".join(each) + "]").encode()


def post(body: bytes) -> bytes:
    """The bytes of an upsert."""
    head = f"POST {API}/entityOperations/upsert HTTP/1.1\r\nHost: b\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def get(path: str) -> bytes:
    """The bytes of a read."""
    return f"GET {API}{path} HTTP/1.1\r\nHost: b\r\n\r\n".encode()


class Client:
    """One connection, kept; the load generator must not be what is measured."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def ask(self, request: bytes) -> bytes:
        """The body of the answer; raises SystemExit for an error."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        at = head.lower().find(b"content-length:")
        size = int(head[at + 15 : head.index(b"\r\n", at)]) if at > 0 else 0
        body = await self._reader.readexactly(size)
        if head[9:10] != b"2":
            raise SystemExit(f"{head.decode()}{body.decode()[:500]}")
        return body


async def client() -> Client:
    return Client(*await asyncio.open_connection("127.0.0.1", PORT, limit=1 << 24))


class Server:
    """A server in a process of its own; ready when the block begins. ``beside``: another process
    whose CPU counts, too."""

    def __init__(self, *command: str, beside: int | None = None) -> None:
        self._command = command
        self._beside = beside
        self.start()

    def start(self) -> None:
        """Start it and wait until it listens."""
        self.process = subprocess.Popen([sys.executable, *self._command], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not self._listens():
            if time.monotonic() > deadline:
                raise SystemExit("the server does not come up")
            time.sleep(0.02)

    def _listens(self) -> bool:
        return any(
            each.laddr.port == PORT and each.status == psutil.CONN_LISTEN
            for each in psutil.Process(self.process.pid).net_connections()
        )

    def cpu_s(self) -> float:
        """CPU seconds of its process so far, and of those that it started."""
        pids = [self.process.pid] if self._beside is None else [self.process.pid, self._beside]
        trees = [(each, *each.children(recursive=True)) for each in map(psutil.Process, pids)]
        return sum(sum(each.cpu_times()[:2]) for tree in trees for each in tree)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it and wait."""
        self.process.send_signal(number)
        self.process.wait(60)


@contextmanager
def server(*command: str, beside: int | None = None) -> Iterator[Server]:
    running = Server(*command, beside=beside)
    try:
        yield running
    finally:
        running.stop()


@contextmanager
def broker(folder: Path, database: Postgres | None) -> Iterator[Server]:
    options = ["--port", str(PORT), "--no-fetch"]
    if database is None:
        options += ["--store", str(folder)]
    else:
        url = database.create(folder.name, postgis=database.has_postgis)
        options += ["--store", url, "--data", str(folder)]
    beside = database.pid if database else None
    with server("-m", "cityloop", "broker", *options, beside=beside) as running:
        yield running


async def load(
    running: Server, request: Callable[[int], bytes], unit: int, seconds: float = SECONDS
) -> tuple[float, float]:
    """Units a second, and CPU seconds of the server per 1,000 of them."""
    numbers = iter(range(1 << 40))
    end = time.monotonic() + seconds

    async def drive(each: Client) -> int:
        done = 0
        while time.monotonic() < end:
            await each.ask(request(next(numbers)))
            done += unit
        return done

    clients = [await client() for _ in range(CLIENTS)]
    cpu, began = running.cpu_s(), time.monotonic()
    done = sum(await asyncio.gather(*map(drive, clients)))
    return done / (time.monotonic() - began), (running.cpu_s() - cpu) / done * 1_000


def raw_append(folder: Path, body: bytes, unit: int, seconds: float = SECONDS) -> float:
    """Units a second that appending and fdatasync of ``body`` carry."""
    with (folder / "raw").open("ab", buffering=0) as file:
        began, done = time.monotonic(), 0
        while time.monotonic() - began < seconds:
            file.write(body)
            os.fdatasync(file.fileno())
            done += unit
        return done / (time.monotonic() - began)


def settled_cpu_s(running: Server) -> float:
    """CPU seconds of a server once it does nothing any more: what follows a write is part of it."""
    before, now = -1.0, running.cpu_s()
    while now - before > IDLE_CPU_S:
        time.sleep(SETTLED_S)
        before, now = now, running.cpu_s()
    return now


def upserts(folder: Path, database: Postgres | None) -> list[Result]:
    """Batches of new and of known entities, each kind into a store of its own."""
    results = []
    for size in (100, 1_000):
        raw = raw_append(folder, batch(0, size), size)
        for kind, modulo in (("new", 1 << 40), ("known", KNOWN)):
            with broker(folder / f"{kind}_{size}", database) as running:
                rate, cpu = _upserts(running, size, modulo)
            name = f"upsert {kind} batch={size}"
            results.append(
                Result(f"{name} rate", round(rate), "1/s", round(raw), round(rate / raw, 3))
            )
            results.append(Result(f"{name} cpu", round(cpu, 4), "s/1000"))
    return results


def _upserts(running: Server, size: int, modulo: int) -> tuple[float, float]:
    """Entities a second, and CPU seconds per 1,000 until all that follows is done."""

    async def fill() -> None:
        each = await client()
        for start in range(0, KNOWN, 1_000):
            await each.ask(post(batch(start, 1_000)))

    if modulo == KNOWN:
        asyncio.run(fill())
    before = settled_cpu_s(running)
    sent = 0

    def request(number: int) -> bytes:
        nonlocal sent
        sent += size
        return post(batch(number * size % modulo, size))

    rate, _ = asyncio.run(load(running, request, size))
    return rate, (settled_cpu_s(running) - before) / sent * 1_000


async def reads(running: Server) -> tuple[list[tuple[str, float, float]], dict[str, bytes]]:
    """Rate and CPU of reads, and the bodies they were answered with."""
    first = await client()
    await first.ask(post(batch(0, 100)))
    paths = {
        "get by id": "/entities/urn:ngsi-ld:Vehicle:7",
        "query": "/entities?type=Vehicle&limit=20",
    }
    # First all bodies: a connection that is idle while another one is measured is closed.
    bodies = {name: await first.ask(get(path)) for name, path in paths.items()}
    measured = []
    for name, path in paths.items():
        asked = get(path)
        measured.append((name, *await load(running, lambda _, asked=asked: asked, 1)))  # type: ignore[misc]
    return measured, bodies


def beside_bare(
    folder: Path, measured: list[tuple[str, float, float]], bodies: dict[str, bytes]
) -> list[Result]:
    """What was measured, beside a bare handler with the same bodies."""
    results = []
    for name, rate, cpu in measured:
        file = folder / "body"
        file.write_bytes(bodies[name])
        with server("-c", BARE, str(PORT), str(file)) as running:
            bare, bare_cpu = asyncio.run(load(running, lambda _: get("/x"), 1))
        results.append(
            Result(f"{name} rate", round(rate), "1/s", round(bare), round(rate / bare, 3))
        )
        ratio = round(bare_cpu / cpu, 3)
        results.append(Result(f"{name} cpu", round(cpu, 4), "s/1000", round(bare_cpu, 4), ratio))
    return results


def growth(folder: Path, entities: int, database: Postgres | None) -> list[Result]:
    """CPU per upsert with few entities and with ``entities``, memory, restart after kill -9."""

    async def fill(running: Server, start: int, count: int) -> float:
        each, cpu = await client(), running.cpu_s()
        for first in range(start, start + count, 1_000):
            await each.ask(post(batch(first, 1_000)))
        return (running.cpu_s() - cpu) / count * 1_000

    with broker(folder, database) as running:
        asyncio.run(fill(running, 0, 10_000))
        few = asyncio.run(fill(running, 10_000, WINDOW))
        asyncio.run(fill(running, 10_000 + WINDOW, entities - 10_000 - 2 * WINDOW))
        many = asyncio.run(fill(running, entities - WINDOW, WINDOW))
        memory = psutil.Process(running.process.pid).memory_info().rss / 1e6
        running.stop(signal.SIGKILL)
        began = time.monotonic()
        running.start()
        again_s = time.monotonic() - began
    name = f"at {entities} entities"
    return [
        Result(f"upsert {name} cpu", round(many, 4), "s/1000", round(few, 4), round(many / few, 2)),
        Result(f"memory {name}", round(memory), "MB"),
        Result(f"restart after kill -9 {name}", round(again_s, 2), "s"),
    ]


def measure(folder: Path, most: int, database: Postgres | None) -> list[Result]:
    """All there is to measure, of a broker whose tables lie in ``database`` where there is one."""
    with broker(folder / "reads", database) as running:
        measured, bodies = asyncio.run(reads(running))
    results = beside_bare(folder, measured, bodies)
    results += upserts(folder, database)
    return results + (growth(folder / "growth", most, database) if most else [])


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--growth", type=int, default=0, metavar="ENTITIES")
    options.add_argument("--store", choices=["sqlite", "postgresql"], default="sqlite")
    asked = options.parse_args()
    with TemporaryDirectory() as temporary, ExitStack() as opened:
        folder, database = Path(temporary), None
        if asked.store == "postgresql":
            database = opened.enter_context(postgres(folder / "server"))
            os.environ.update(database.environment)
        results = measure(folder, asked.growth, database)
    record("broker" if database is None else "broker_postgresql", *results)


if __name__ == "__main__":
    main()
