"""What HTTP push carries, durable: posts of 1,000 rows as Arrow streams and as JSON.

    python -m benchmarks.push

A real hub and intake process; the client is a process of its own that sends requests made before
over several connections, each with one post under way. Every rate stands beside appending the very
same bodies to a file with one fdatasync a body, half of it before and half after, in the same run.
``CPU`` is what a post costs each process. Answers are timed at half of the rate.
"""

import asyncio
import json
import multiprocessing as mp
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.intake import DEVICES, TYPE, Doors, doors, observed_at, payload
from benchmarks.record import Result, record
from cityloop.perception.payload import AnyPayload, MappingPayload, NgsiLdPayload
from cityloop.perception.sources.push import PushSettings
from cityloop.standards.arrow_rows import MEDIA_TYPE

PORT = 18932
ROWS, CONNECTIONS = 1000, 32
NUMBERS = ("intensity", "occupancy", "averageVehicleSpeed", "averageHeadwayTime", "laneId")
COMPACT = MappingPayload(
    type=TYPE,
    entity=f"urn:ngsi-ld:{TYPE}:{{[0]}}",
    each="rows",
    time="[1]",
    attributes={name: f"[{2 + place}]" for place, name in enumerate(NUMBERS)},
)
ENTITIES = NgsiLdPayload()


@dataclass(frozen=True)
class Form:
    """A way to write a post: ``body(post, now_ms)``."""

    name: str
    media: str
    body: Callable[[int, int], bytes]
    posts: int
    payload: AnyPayload = ENTITIES


def _columns(post: int, now_ms: int) -> tuple[list[str], list[int], list[list[float]]]:
    """Ids, times, and five numbers of each row of a post."""
    rows = range(post * ROWS, (post + 1) * ROWS)
    number = np.array(rows)
    numbers: list[Any] = [
        (number % 200).astype(np.float64),
        number % 97 / 100,
        20 + number % 331 / 10,
        1 + number % 53 / 10,
        np.ones(ROWS, np.int64),
    ]
    times = [observed_at(n, now_ms) for n in rows]
    return [f"d{n % DEVICES:05d}" for n in rows], times, [each.tolist() for each in numbers]


def arrow(post: int, now_ms: int) -> bytes:
    """An Arrow stream as pyarrow writes it."""
    ids, times, numbers = _columns(post, now_ms)
    columns: dict[str, Any] = {
        "id": [f"urn:ngsi-ld:{TYPE}:{name}" for name in ids],
        "observedAt": pa.array(times, pa.timestamp("ms", "UTC")),
        **dict(zip(NUMBERS, numbers, strict=True)),
    }
    table = pa.table(columns, metadata={"type": TYPE})
    into = pa.BufferOutputStream()
    with pa.ipc.new_stream(into, table.schema) as stream:
        stream.write_table(table)
    return into.getvalue().to_pybytes()


def compact(post: int, now_ms: int) -> bytes:
    """The same rows as lists in JSON, for ``COMPACT``."""
    ids, times, numbers = _columns(post, now_ms)
    rows = list(zip(ids, times, *numbers, strict=True))
    return json.dumps({"rows": rows}, separators=(",", ":")).encode()


def entities(post: int, now_ms: int) -> bytes:
    """Entities of 300 bytes, as Smart Data Models write them; with a flag, and words in them."""
    rows = range(post * ROWS, (post + 1) * ROWS)
    return b"[" + b",".join(payload(n, observed_at(n, now_ms)) for n in rows) + b"]"


JSON = "application/json"
FORMS = (
    Form("Arrow", MEDIA_TYPE, arrow, 1500),
    Form("compact JSON", JSON, compact, 400, COMPACT),
    Form("entities of 300 bytes", JSON, entities, 250),
)


async def post_all(requests: list[bytes], begin: float, every_s: float) -> list[float]:
    """One client on one connection: how long each answer took; posts at their turns."""
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    times = []
    for number, request in enumerate(requests):
        if every_s:
            await asyncio.sleep(max(0.0, begin + number * every_s - time.monotonic()))
        started = time.monotonic()
        writer.write(request)
        answer = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in answer, answer
        length = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        told = await reader.readexactly(length)
        assert b'"rejected":0' in told, told
        times.append(time.monotonic() - started)
    writer.close()
    return times


def _client(requests: list[bytes], every_s: float, told: "Connection[Any, Any]") -> None:
    async def go() -> list[float]:
        begin = time.monotonic()
        work = (
            post_all(requests[i::CONNECTIONS], begin + i * every_s, every_s * CONNECTIONS)
            for i in range(CONNECTIONS)
        )
        return [took for times in await asyncio.gather(*work) for took in times]

    started, cpu = time.monotonic(), time.process_time()
    times = asyncio.run(go())
    told.send((time.monotonic() - started, time.process_time() - cpu, times))


def posted(requests: list[bytes], every_s: float = 0.0) -> tuple[float, float, list[float]]:
    """Wall and CPU seconds of the client, and each answer's."""
    ours, theirs = mp.Pipe()
    process = mp.get_context("fork").Process(target=_client, args=(requests, every_s, theirs))
    process.start()
    theirs.close()
    found: tuple[float, float, list[float]] = ours.recv()
    process.join()
    return found


def raw_append(folder: Path, posts: list[bytes]) -> float:
    """Seconds to append the same bytes with one fdatasync a post."""
    started = time.monotonic()
    with (folder / "raw").open("wb", buffering=0) as file:
        for body in posts:
            file.write(body)
            os.fdatasync(file.fileno())
    return time.monotonic() - started


def requests(form: Form, bodies: list[bytes]) -> list[bytes]:
    """Bodies as they go over the line."""
    head = f"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: {form.media}\r\nContent-Length: "
    return [head.encode() + b"%d\r\n\r\n" % len(body) + body for body in bodies]


def measured(form: Form) -> list[Result]:
    """A form at its highest rate against raw appends; then its answers at half of that rate."""
    devices = {TYPE: f"urn:ngsi-ld:{TYPE}:*"}
    push = PushSettings(port=PORT, devices=devices, payload=form.payload)
    now_ms, half = int(time.time() * 1000) - 600_000, form.posts // 2
    bodies = [form.body(post, now_ms) for post in range(form.posts)]
    warm, later = bodies[: form.posts // 10], bodies[form.posts // 10 :]
    with TemporaryDirectory() as folder, doors(push=push) as running:
        posted(requests(form, warm))
        raw_s = raw_append(Path(folder), later[:half])
        used = _used(running, form, later)
        raw_s += raw_append(Path(folder), later[half:])
        took_s, cpus, _ = used
        more = [form.body(post, now_ms) for post in range(form.posts, form.posts + half)]
        _, _, times = posted(requests(form, more), 2 * took_s / len(later))
        row = running.sources()["push"]
    assert row["accepted_total"] == ROWS * (form.posts + half), row
    rows = ROWS * len(later)
    name = f"{form.name}, {len(later[0])} bytes a post of {ROWS} rows"
    p99 = float(np.percentile(times, 99)) * 1000
    return [
        Result(f"{name}: durable rows", rows / took_s, "1/s", rows / raw_s, raw_s / took_s),
        *(
            Result(f"{form.name}: CPU of the {who}", cpu * 1000 / len(later), "ms a post")
            for who, cpu in zip(("hub", "intake", "client"), cpus, strict=True)
        ),
        Result(f"{form.name}: p99 of answers at half of that rate", p99, "ms"),
    ]


def _used(
    running: Doors, form: Form, bodies: list[bytes]
) -> tuple[float, tuple[float, ...], list[float]]:
    """Wall seconds for all bodies; CPU seconds of hub, intake and client; each answer's time."""
    before = running.cpu_s()
    took_s, client_s, times = posted(requests(form, bodies))
    used = (after - was for after, was in zip(running.cpu_s(), before, strict=True))
    return took_s, (*used, client_s), times


if __name__ == "__main__":
    record("push", *(result for form in FORMS for result in measured(form)))
