"""What the bus carries: gate → log → JetStream → a reader that decodes, all durable.

    python -m benchmarks.bus

A real nats-server with ``sync_interval: always``. Batches of 1,000 rows of 5 observations go
through the gate into the log (SQLite, fsync), the bus's own process hands them to the stream, a
reader in a process of its own decodes every column. The clock runs from the first batch at the gate
until the reader has the last. Beside it, in the same run: the bare publication of the very same
messages, with 64 under way.
"""

import asyncio
import multiprocessing as mp
import os
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import psutil
from scripts.servers.nats import NatsServer, nats_server

from benchmarks.record import Result, record
from cityloop.city import bus_process
from cityloop.city.clock import wall_time
from cityloop.city.config import BusRule
from cityloop.interconnection.bus.jetstream import JetStreamBus
from cityloop.interconnection.bus.server import credentials
from cityloop.interconnection.tenant import Place, open_tenant
from cityloop.interconnection.writer import LogWriter
from cityloop.kernel.clock import CityTime
from cityloop.kernel.errors import BusyError
from cityloop.kernel.frame import Column, EntityIds
from cityloop.kernel.ports import Batch, Letter, Log, Position
from cityloop.kernel.rows import Rows
from cityloop.perception.devices import Declared
from cityloop.perception.live_gate import LiveGate, LiveSource
from cityloop.standards.attributes import declared
from cityloop.standards.letters import Cut, read_letter, write_headers, write_letters

TYPE, TENANT, SOURCE = "TrafficFlowObserved", "bench", "street"
BATCHES, ROWS, DEVICES = 600, 1_000, 5_000
UNDER_WAY = 64
IDS = EntityIds([f"urn:ngsi-ld:{TYPE}:d{number:05d}" for number in range(DEVICES)])


def batches() -> Iterator[tuple[Batch, CityTime]]:
    """Each device speaks once in five batches, a second later each time."""
    began = int(time.time() * 1000) - BATCHES // 5 * 1000 - 5_000
    rng = np.random.default_rng(1)
    for number in range(BATCHES):
        first = number * ROWS % DEVICES
        entity = np.arange(first, first + ROWS, dtype=np.int32)
        at = np.full(ROWS, began + number // 5 * 1000, np.int64)
        columns = {
            "intensity": Column(rng.integers(0, 200, ROWS).astype(np.float64)),
            "occupancy": Column(rng.random(ROWS)),
            "averageVehicleSpeed": Column(20 + 30 * rng.random(ROWS)),
            "averageHeadwayTime": Column(1 + rng.random(ROWS)),
            "averageVehicleLength": Column(4 + rng.random(ROWS)),
        }
        rows = Rows(TYPE, "live", IDS, entity, at, columns)
        yield Batch(SOURCE, "live", number + 1, rows=(rows,)), CityTime(int(at[0]) + 1_000)


def fill(log: Log) -> None:
    """All batches through the gate and the log's writer; returns when all are durable."""
    source = LiveSource(SOURCE, Declared({}, {TYPE: f"urn:ngsi-ld:{TYPE}:*"}), 86_400.0, 60.0)
    gate = LiveGate([source], declared(), lambda _: None)
    writer = LogWriter(log, wall_time, max_rows=20_000)
    newest = None
    for batch, now in list(batches()):
        admitted = gate.admit(batch, now)
        assert len(admitted.rows[0]) == ROWS, gate.counts
        while True:
            try:
                newest = writer.submit(admitted)
                break
            except BusyError:
                time.sleep(0.005)
    assert newest is not None
    newest.result()
    writer.close()


def read_all(url: str, login: dict[str, Any], line: "Connection[Any, Any]") -> None:
    """Decode until all observations have come; says when it listens, and when it has them."""

    async def go() -> None:
        rule = bus_process.stream_rule(TENANT, BusRule())
        bus = await JetStreamBus.open(url, login, rule)
        reader = await bus.subscribe([f"cityloop.{TENANT}.>"], name="reader")
        line.send("listens")
        had, position = 0, 0
        while had < BATCHES * ROWS * 5:
            for one in await reader.next(UNDER_WAY, 5.0):
                assert isinstance(one, Letter)
                assert one.position == position + 1, "a position is missing"
                position = one.position
                content = read_letter(one)
                assert isinstance(content, Rows)
                had += content.observations
            await reader.done()
        line.send((time.monotonic(), time.process_time()))
        await bus.close()

    asyncio.run(go())


async def bare(server: NatsServer, letters: list[Letter]) -> float:
    """Seconds that publishing the same messages takes, with nothing around it."""
    import nats
    from nats.js.api import StorageType, StreamConfig

    client = await nats.connect(server.url, user=server.user, password=server.password)
    js = client.jetstream()
    await js.add_stream(StreamConfig(name="bare", subjects=["bare"], storage=StorageType.FILE))
    posts = [(one.body, write_headers(one, TENANT)) for one in letters]
    started = time.monotonic()
    waiting = []
    for body, headers in posts:
        waiting.append(await js.publish_async("bare", body, headers=headers))
        if len(waiting) == UNDER_WAY:
            await asyncio.gather(*waiting)
            waiting.clear()
    await asyncio.gather(*waiting)
    took = time.monotonic() - started
    await client.close()
    return took


def through(server: NatsServer, root: Path) -> tuple[float, float, float]:
    """Seconds from the first batch at the gate to the last decoded; CPU of bus and of reader."""
    spawn = mp.get_context("spawn")
    tenant = open_tenant(root, TENANT, wall_time)
    os.environ.update(server.environment)
    lines, processes = [], []
    spec = bus_process.BusSpec(server.url, BusRule(), Place(root / TENANT))
    login = credentials(server.environment)
    for main, told in ((bus_process.main, (spec,)), (read_all, (server.url, login))):
        ours, theirs = spawn.Pipe()
        process = spawn.Process(target=main, args=(*told, theirs))
        process.start()
        lines.append(ours)
        processes.append(process)
    lines[0].recv_bytes()
    assert lines[1].recv() == "listens"
    started = time.monotonic()
    fill(tenant.log)
    ended, reader_s = lines[1].recv()
    bus_s = sum(psutil.Process(processes[0].pid).cpu_times()[:2])
    for line, process in zip(lines, processes, strict=True):
        line.close()
        process.join(10)
    tenant.close()
    return ended - started, bus_s, reader_s


def main() -> None:
    count = BATCHES * ROWS * 5
    with TemporaryDirectory() as folder, nats_server(Path(folder) / "nats") as server:
        root = Path(folder)
        took, bus_s, reader_s = through(server, root)
        tenant = open_tenant(root, TENANT, wall_time, readonly=True)
        letters = [
            one
            for commit in tenant.log.read(Position(0))
            for one in write_letters(commit, TENANT, Cut())
        ]
        tenant.close()
        size = sum(len(one.body) for one in letters)
        bare_s = asyncio.run(bare(server, letters))
    rate, baseline = count / took, count / bare_s
    record(
        "bus",
        Result(
            "gate → log → JetStream (sync always) → decoded: observations a second",
            rate,
            "1/s",
            baseline,
            rate / baseline,
        ),
        Result("the same by CPU of the bus's process", count / bus_s, "1/s"),
        Result("the same by CPU of the reader", count / reader_s, "1/s"),
        Result("bytes of the bus for an observation", size / count, "B"),
    )


if __name__ == "__main__":
    main()
