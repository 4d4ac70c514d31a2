"""How fast a recording passes: one month of 10,000 sensors from Parquet into a loop.

    python -m benchmarks.replay [DAYS]

A reading every quarter of an hour: 28.8 million observations (30 days; another DAYS gives an
excerpt). "Without the log": file, columns, gate, loop. "With the log": every batch is also
committed, durable, in order, by the writer that the hub uses. The loop is EWMA anomaly detection
over all sensors. CPU seconds stand beside the wall's; the rates of the first and the last third say
whether the rate is steady.
"""

import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from benchmarks.record import Result, record
from cityloop.city.clock import wall_time
from cityloop.interconnection.sqlite_log import SqliteLog
from cityloop.interconnection.writer import LogWriter
from cityloop.kernel.clock import CityTime
from cityloop.kernel.frame import EntityIds
from cityloop.kernel.loop import Ints, Latest, Loop, Mode, Priority, Proposals, Score
from cityloop.kernel.ports import Batch, Position
from cityloop.kernel.reasons import Wording
from cityloop.kernel.runner import Runner
from cityloop.kernel.view import Memory, View
from cityloop.perception.gate import DeviceSource, Gate
from cityloop.perception.sources.recording import Recording, frames_in_order
from cityloop.standards.attributes import declared
from cityloop.standards.feeds.tables import TableMap
from cityloop.standards.readings import Faults

SENSORS, STEP_MS, DAYS = 10_000, 900_000, 30
TYPE, ATTRIBUTE = "AirQualityObserved", "pm25"
STEPS_PER_GROUP = 96
SOURCE, RUN = "recording", "replay"
IDS = EntityIds([f"urn:ngsi-ld:{TYPE}:{n:05d}" for n in range(SENSORS)])
ODD = Wording("odd_reading", "It is odd.")
_MOST_WAITING = 64


@dataclass(frozen=True)
class Stations:
    """What the loop knows."""

    ids: EntityIds = IDS


class Nobody:
    """A guard without actuators."""

    reasons = ("",)

    def judge(self, rows: Ints, actions: Ints, priority: Priority, view: View) -> Ints:
        """Lets all pass."""
        return np.zeros(len(rows), np.int64)


def analyse(view: View, memory: Memory, _now: CityTime) -> tuple[Any, Memory]:
    """Exponentially weighted mean and variance of every sensor; which are off by four sigma."""
    value = view["stations"][ATTRIBUTE]
    off = value - memory["mean"]
    odd = np.flatnonzero(off**2 > 16 * memory["variance"])
    mean = memory["mean"] + 0.05 * off
    return odd, {"mean": mean, "variance": 0.95 * (memory["variance"] + 0.05 * off**2)}


def respond(_odd: Any) -> Proposals:
    nothing = np.zeros(0, np.int64)
    return Proposals(EntityIds(()), nothing, nothing, lambda _: ODD())


LOOP = Loop(
    name="benchmark/odd_readings",
    version="1",
    watches={"stations": Latest(TYPE, (ATTRIBUTE,), "stations.ids")},
    every_s=STEP_MS / 1000,
    start=lambda _: {"mean": np.full(SENSORS, 20.0), "variance": np.full(SENSORS, 25.0)},
    analyse=analyse,
    respond=respond,
    score=Score("odd readings", "1", lower_is_better=True),
    knows=("stations",),
)


def write_month(path: Path, days: int) -> int:
    """The recording, as a data logger would write it: a row group a day; how many observations."""
    random = np.random.default_rng(1)
    level = random.uniform(5, 80, SENSORS)
    names = pa.array([name.rpartition(":")[2] for name in IDS])
    schema = pa.schema(
        {"station": pa.string(), "time": pa.timestamp("ms", "UTC"), ATTRIBUTE: pa.float64()}
    )
    begin = 1_767_225_600_000
    with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as file:
        for day in range(days):
            steps = np.arange(STEPS_PER_GROUP) + day * STEPS_PER_GROUP
            noise = random.normal(0, 3, (STEPS_PER_GROUP, SENSORS)).round(1)
            values = np.clip(level + noise, 0, None).ravel()
            times = np.repeat(begin + steps * STEP_MS, SENSORS)
            table = pa.table(
                [
                    pa.concat_arrays([names] * STEPS_PER_GROUP),
                    pa.array(times, pa.timestamp("ms", "UTC")),
                    pa.array(values),
                ],
                schema=schema,
            )
            file.write_table(table, row_group_size=STEPS_PER_GROUP * SENSORS)
    return days * STEPS_PER_GROUP * SENSORS


def batches(path: Path) -> Iterator[Batch]:
    """The recording as a source's batches, admitted by a gate."""
    gate = Gate(
        [DeviceSource(SOURCE, {TYPE: IDS}, tick_s=STEP_MS / 1000)],
        declared(),
        refuse=lambda _: None,
        committed=lambda *_: 0,
    )
    recording = Recording(path, TableMap(TYPE, "station", "time"))
    frames = frames_in_order(recording.readings(Faults()), RUN)
    for sequence, part in enumerate(frames, 1):
        batch = Batch(SOURCE, RUN, sequence, (part,))
        assert gate.admit(batch) is batch
        yield batch


class Pace:
    """When how much had passed."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._marks = [(0, time.perf_counter())]
        self._cpu = time.process_time()

    def mark(self, done: int) -> None:
        """So much has passed."""
        self._marks.append((done, time.perf_counter()))

    def results(self, name: str, bound: float) -> list[Result]:
        """The rate as a whole, of the first and of the last third, and per CPU second."""
        whole = self._rate(0, 1)
        cpu_s = time.process_time() - self._cpu
        return [
            Result(f"{name}, observations/s", round(whole), "1/s", bound, round(whole / bound, 2)),
            Result(f"{name}, first third", round(self._rate(0, 1 / 3)), "1/s"),
            Result(f"{name}, last third", round(self._rate(2 / 3, 1)), "1/s"),
            Result(f"{name}, observations per CPU second", round(self._total / cpu_s), "1/s"),
        ]

    def _rate(self, begin: float, end: float) -> float:
        first = next(m for m in self._marks if m[0] >= begin * self._total)
        last = next(m for m in self._marks if m[0] >= end * self._total)
        return (last[0] - first[0]) / (last[1] - first[1])


def turn(runner: Runner, modes: Mapping[str, Any], batch: Batch) -> Batch:
    covered, passes = runner.turn(batch, lambda _: modes[LOOP.name])
    assert all(not p.failure for p in passes), passes
    return covered


def without_log(path: Path, total: int) -> list[Result]:
    runner = Runner([LOOP], {"stations": Stations()}, Nobody(), EntityIds(()))
    modes = {LOOP.name: np.array([Mode.OBSERVE], np.int64)}
    pace, done = Pace(total), 0
    for batch in batches(path):
        turn(runner, modes, batch)
        done += SENSORS
        pace.mark(done)
    assert done == total
    return pace.results("without the log", 1_000_000)


def with_log(path: Path, total: int, folder: Path) -> list[Result]:
    """As the hub does it: the loop goes on while the writer commits; what waits is bounded."""
    runner = Runner([LOOP], {"stations": Stations()}, Nobody(), EntityIds(()))
    modes = {LOOP.name: np.array([Mode.OBSERVE], np.int64)}
    log = SqliteLog(folder, wall_time)
    writer = LogWriter(log, wall_time, max_waiting=2 * _MOST_WAITING, max_rows=20_000)
    waiting: deque[Future[Position]] = deque()
    pace, done = Pace(total), 0
    for batch in batches(path):
        waiting.append(writer.submit(turn(runner, modes, batch)))
        while len(waiting) > _MOST_WAITING:
            waiting.popleft().result()
            done += SENSORS
            pace.mark(done)
    for left in waiting:
        left.result()
        done += SENSORS
        pace.mark(done)
    writer.close()
    assert log.sequence(SOURCE, RUN) == total // SENSORS
    log.close()
    return pace.results("with the log", 300_000)


def main() -> None:
    days = int(sys.argv[1]) if len(sys.argv) > 1 else DAYS
    with TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "month.parquet"
        total = write_month(path, days)
        (folder / "log").mkdir()
        record(
            "replay",
            Result("days of 10,000 sensors", days, "d"),
            Result("file", round(path.stat().st_size / 1e6, 1), "MB"),
            *without_log(path, total),
            *with_log(path, total, folder / "log"),
        )


if __name__ == "__main__":
    main()
