"""The past of entities: the last 100 points of one, hourly means of all, beside DuckDB.

    python -m benchmarks.temporal [--entities 1000] [--points 10000] [--folder FOLDER]

A broker in a process of its own. Points go in by its API, durable: an entity's points of some
hours a request, one entity after the other, the next hours then; so each file of the history holds
all entities for some time, as sensors would have it. Points of an entity lie evenly over a day.

Then ``lastN=100`` of single entities, with and without ``attrs``; and the hourly mean of all over
the day, beside the same query in DuckDB on the same Parquet, both with all cores, the best of some.
``--folder`` keeps the store for another run: what is there is not loaded again.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import duckdb
import numpy as np
import psutil

from benchmarks.broker import API, Client, Server, broker, client, get
from benchmarks.record import Result, record
from cityloop.interconnection.broker.history import open_history
from cityloop.interconnection.sqlite import rows

DAY = datetime(2026, 1, 15, tzinfo=UTC)
POINTS_A_REQUEST = 2_500
BEST_OF = 7
LOOKED_AT = 200
HOURLY = (
    f"{API}/temporal/entities?type=Sensor&limit=1000&options=aggregatedValues&aggrMethods=avg"
    "&aggrPeriodDuration=PT1H&timerel=between&timeAt=2026-01-15T00:00:00Z"
    "&endTimeAt=2026-01-16T00:00:00Z"
).removeprefix(API)
IN_DUCKDB = """
SELECT id, time_bucket(INTERVAL 1 HOUR, time) AS hour, avg(value) AS mean FROM read_parquet(?)
WHERE time >= TIMESTAMPTZ '2026-01-15 00:00:00Z' AND time < TIMESTAMPTZ '2026-01-16 00:00:00Z'
GROUP BY id, hour
"""


def name(number: int) -> str:
    return f"urn:ngsi-ld:Sensor:{number:05d}"


def bodies(entities: int, points: int) -> Iterator[tuple[bytes, int]]:
    """What is sent, request by request, and how many points are in it."""
    step = timedelta(days=1) / points
    for start in range(0, points, POINTS_A_REQUEST):
        some = range(start, min(start + POINTS_A_REQUEST, points))
        tails = [
            f',"observedAt":"{(DAY + step * point):%Y-%m-%dT%H:%M:%S}.'
            f'{(DAY + step * point).microsecond // 1000:03d}Z"}}'
            for point in some
        ]
        for number in range(entities):
            values = np.random.default_rng(number * points + start).normal(20, 5, len(some))
            told = ",".join(
                f'{{"type":"Property","unitCode":"CEL","value":{value:.2f}{tail}'
                for value, tail in zip(values.tolist(), tails, strict=True)
            )
            head = f'{{"id":"{name(number)}","type":"Sensor","temperature":['
            yield f"{head}{told}]}}".encode(), len(some)


def post(body: bytes) -> bytes:
    head = f"POST {API}/temporal/entities HTTP/1.1\r\nHost: b\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def cpu_s(running: Server) -> float:
    """CPU seconds of the broker and of the processes that work for it."""
    broker_ = psutil.Process(running.process.pid)
    return sum(sum(each.cpu_times()[:2]) for each in (broker_, *broker_.children()))


async def load(running: Server, entities: int, points: int) -> Result:
    """Send everything; the files are to follow by themselves."""
    each, done, cpu, began = await client(), 0, cpu_s(running), time.monotonic()
    for body, count in bodies(entities, points):
        await each.ask(post(body))
        done += count
    rate = done / (time.monotonic() - began)
    spent = (cpu_s(running) - cpu) / done * 1e6
    print(f"loaded {done} points, {spent:.1f} us CPU each", flush=True)
    return Result("load", round(rate), "points/s")


async def asked_ms(each: Client, paths: list[str]) -> list[float]:
    """How long each answer takes."""
    took = []
    for path in paths:
        began = time.perf_counter()
        await each.ask(get(path))
        took.append((time.perf_counter() - began) * 1000)
    return took


async def last_hundred(entities: int) -> list[Result]:
    """Of single entities all over the store, each asked for the first time."""
    each, results = await client(), []
    numbers = np.random.default_rng(1).permutation(entities)[:LOOKED_AT].tolist()
    for kind, more in (("attrs", "&attrs=temperature"), ("no attrs", "")):
        paths = [f"/temporal/entities/{name(number)}?lastN=100{more}" for number in numbers]
        took = await asked_ms(each, paths)
        results += [
            Result(f"lastN=100, {kind}, p50", round(median(took), 2), "ms"),
            Result(f"lastN=100, {kind}, p99", round(float(np.percentile(took, 99)), 2), "ms"),
        ]
    return results


def in_duckdb(folder: Path) -> tuple[float, dict[str, float]]:
    """The best time [ms] of the same query on the same files, and means by entity and hour."""
    connection = open_history(folder, readonly=True)
    names = [f"{each}.parquet" for (each,) in rows(connection, "SELECT name FROM segments")]
    connection.close()
    database = duckdb.connect()
    database.execute("SET TimeZone = 'UTC'")
    took = []
    for _ in range(BEST_OF):
        began = time.perf_counter()
        found = database.execute(IN_DUCKDB, [[str(folder / each) for each in names]]).fetchnumpy()
        took.append((time.perf_counter() - began) * 1000)
    hours = found["hour"].astype("datetime64[h]").astype(str)
    keys = [f"{id_} {hour}" for id_, hour in zip(found["id"], hours, strict=True)]
    return min(took), dict(zip(keys, found["mean"].tolist(), strict=True))


async def hourly() -> tuple[float, dict[str, float]]:
    """The same of the broker, over HTTP."""
    each = await client()
    told = json.loads(await each.ask(get(HOURLY)))
    means = {
        f"{entity['id']} {begin[:13]}": mean
        for entity in told
        for mean, begin, _ in entity["temperature"]["avg"]
    }
    return min(await asked_ms(each, [HOURLY] * BEST_OF)), means


def compared(folder: Path) -> Result:
    """The hourly mean of all, beside DuckDB; raises SystemExit where the two differ."""
    ours, means = asyncio.run(hourly())
    theirs, expected = in_duckdb(folder)
    if means.keys() != expected.keys() or not np.allclose(
        [means[key] for key in expected], list(expected.values())
    ):
        raise SystemExit(f"means differ: {len(means)} beside {len(expected)}")
    ratio = round(ours / theirs, 3)
    return Result(f"hourly means, {len(means)}", round(ours, 1), "ms", round(theirs, 1), ratio)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--entities", type=int, default=1_000)
    options.add_argument("--points", type=int, default=10_000)
    options.add_argument("--folder", type=Path)
    asked = options.parse_args()
    with TemporaryDirectory() as temporary:
        folder = asked.folder or Path(temporary) / "store"
        is_new = not folder.exists()
        with broker(folder) as running:
            results = []
            if is_new:
                results.append(asyncio.run(load(running, asked.entities, asked.points)))
                began = time.monotonic()
                asyncio.run(hourly())
                behind = time.monotonic() - began
                results.append(Result("files caught up, first query", round(behind, 1), "s"))
            results += asyncio.run(last_hundred(asked.entities))
            history = folder / "default" / "history"
            results.append(compared(history))
            size = sum(file.stat().st_size for file in history.iterdir())
            points = asked.entities * asked.points
            results.append(Result("files", round(size / points, 2), "B/point"))
    record("temporal", *results)


if __name__ == "__main__":
    main()
