"""Gate → log → context in PostgreSQL, against a bare COPY of the same rows into the same server.

Rows of five observations in batches of 1,000, each batch committed before the next begins on either
side; both sides in turns, so that a noisy machine hurts them alike. ``CITYLOOP_ROWS``: of each.
"""

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import psycopg
from scripts.servers.postgres import postgres

from benchmarks.record import Result, record
from cityloop.city.clock import wall_time
from cityloop.interconnection.tenant import Place, open_context, open_log
from cityloop.kernel.changes import Reject
from cityloop.kernel.clock import CityTime
from cityloop.kernel.frame import Column, EntityIds
from cityloop.kernel.ports import Batch
from cityloop.kernel.rows import Rows
from cityloop.perception.devices import Declared
from cityloop.perception.live_gate import LiveGate, LiveSource
from cityloop.standards.attributes import declared

ROWS = int(os.environ.get("CITYLOOP_ROWS", "400000"))
BATCH, ENTITIES, TURNS = 1_000, 10_000, 4
STORE_EVERY = 100_000
"""Rows after which the context is written back; a city does so every ten seconds."""
TYPE, SOURCE, RUN = "AirQualityObserved", "air", "live"
ATTRIBUTES = ("temperature", "relativeHumidity", "pm25", "pm10", "no2")
IDS = EntityIds([f"urn:ngsi-ld:{TYPE}:{number}" for number in range(ENTITIES)])
TABLE = "CREATE TABLE bare(entity text, observed_at bigint, a float8, b float8, c float8, \
d float8, e float8)"
COPY = "COPY bare FROM STDIN (FORMAT BINARY)"
TYPES = ("text", "int8", *("float8",) * len(ATTRIBUTES))


def batches(count: int, first: int, now: int) -> Iterator[Batch]:
    """``count`` batches from number ``first`` on."""
    rng = np.random.default_rng(first)
    for number in range(first, first + count):
        entity = (np.arange(BATCH) + number * BATCH).astype(np.int32) % ENTITIES
        times = np.full(BATCH, now - 500_000 + number * 100, np.int64)
        columns = {name: Column((0.5 + rng.random(BATCH) / 100).round(4)) for name in ATTRIBUTES}
        yield Batch(SOURCE, RUN, number, rows=(Rows(TYPE, RUN, IDS, entity, times, columns),))


def table_rows(batch: Batch) -> list[tuple[object, ...]]:
    """What a bare table takes of it."""
    (part,) = batch.rows
    names = [IDS.names[row] for row in part.entity.tolist()]
    values = (part.columns[name].values.tolist() for name in ATTRIBUTES)
    return list(zip(names, part.observed_at.tolist(), *values, strict=True))


def copied(connection: psycopg.Connection, given: Sequence[list[tuple[object, ...]]]) -> float:
    """Seconds to COPY and commit them one by one."""
    started = time.perf_counter()
    for rows in given:
        with connection.transaction(), connection.cursor().copy(COPY) as copy:
            copy.set_types(TYPES)
            for row in rows:
                copy.write_row(row)
    return time.perf_counter() - started


class Way:
    """Gate, log and context of one tenant."""

    def __init__(self, place: Place) -> None:
        self.log = open_log(place, wall_time)
        self.context = open_context(place, self.log)
        source = LiveSource(SOURCE, Declared({TYPE: IDS}), 10_000.0, 10.0)
        self.rejects: list[Reject] = []
        self.gate = LiveGate([source], declared(), self.rejects.extend)

    def taken(self, given: Sequence[Batch]) -> float:
        """Seconds to admit, commit and fold them, the context written back at times."""
        started = time.perf_counter()
        for number, batch in enumerate(given, 1):
            self.log.append([self.gate.admit(batch, CityTime(wall_time()))])
            if number * BATCH % STORE_EVERY == 0 or number == len(given):
                self.context.store()
        return time.perf_counter() - started

    def close(self) -> None:
        """Let go of the connections."""
        self.context.close()
        self.log.close()


def main() -> None:
    each = ROWS // BATCH // TURNS
    now = wall_time()
    bare_s = way_s = cpu_s = 0.0
    with tempfile.TemporaryDirectory() as folder, postgres(Path(folder) / "server") as server:
        os.environ.update(server.environment)
        home = Path(folder) / "town"
        home.mkdir()
        with (
            psycopg.connect(server.create("bare"), autocommit=True) as connection,
            closing(Way(Place(home, server.create("city")))) as way,
        ):
            connection.execute(TABLE)
            way.taken(list(batches(2, 1, now)))
            for turn in range(TURNS):
                given = list(batches(each, 3 + turn * each, now))
                tables = [table_rows(batch) for batch in given]
                bare_s += copied(connection, tables)
                begun = time.process_time()
                way_s += way.taken(given)
                cpu_s += time.process_time() - begun
            assert not way.rejects, way.rejects[:3]
            assert way.context.types()[TYPE] == ENTITIES
            commit = way.log.fsync
    rows = each * TURNS * BATCH
    record(
        "store_postgres",
        Result(
            "gate, log and context in PostgreSQL",
            rows / way_s,
            "rows/s (5 observations each), against a bare COPY of the same rows",
            rows / bare_s,
            bare_s / way_s,
        ),
        Result("of that, COMMIT", commit.spread("commit").sum_s / way_s, "share of wall time"),
        Result("of that, this process", cpu_s / way_s, "CPU seconds a second"),
    )


if __name__ == "__main__":
    main()
