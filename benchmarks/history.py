"""What one hour of Hangzhou takes on disk, and what the way of its data costs.

    python -m benchmarks.history

The real twin, gate, loop and guard; every batch and decision goes through the log, the context
and compaction. The baseline of "bytes per observation" is the issue's bound, 8 bytes; that of the
log's rate is the same log with one fsync per batch. The same hour goes to Delta tables on this
disk, too, in chunks of a minute that become one; the baseline is the folder of segments.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.record import Result, record
from cityloop.city.build import build_site
from cityloop.city.build_hub import build_hub
from cityloop.city.clock import wall_time
from cityloop.city.wire import TWIN_SOURCE
from cityloop.interconnection.compaction import compact
from cityloop.interconnection.delta.cold import DeltaCold
from cityloop.interconnection.history import ParquetHistory
from cityloop.interconnection.retention import Retention
from cityloop.interconnection.sqlite_log import SqliteLog
from cityloop.interconnection.tenant import Tenant, open_tenant
from cityloop.interconnection.writer import LogWriter
from cityloop.kernel.clock import CityTime, city_time
from cityloop.kernel.ports import Batch, Position
from cityloop.perception.gate import DeviceSource, Gate
from cityloop.safety.cabinet import CabinetBank
from cityloop.standards.arrow import ids_of, read_batch, write_batch
from cityloop.standards.attributes import declared
from cityloop.twins.sumo.twin import SumoTwin

HANGZHOU = Path(__file__).parent.parent / "examples" / "hangzhou"
HOUR_S = 3600
BOUND_BYTES = 8.0


class Stopwatch:
    """Adds up the CPU seconds of each named part; with its fsyncs waited for, the wall's."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def time(self, part: str, clock: Callable[[], float] = time.process_time) -> Iterator[None]:
        """Add what the block takes to ``part``."""
        started = clock()
        yield
        self.seconds[part] = self.seconds.get(part, 0.0) + clock() - started


def hour(folder: Path) -> tuple[list[Batch], list[Batch], DeviceSource]:
    """An hour as the twin told it, as the hub committed it, and the source's declaration."""
    site = build_site(HANGZHOU, folder)
    tenant = open_tenant(folder, "scratch", wall_time)
    hub = build_hub(site, tenant, epoch=1)
    assert site.twin is not None
    begins = city_time(site.twin.settings.begins)
    cabinets = CabinetBank(site.network.bank, site.limits, begins)
    twin = SumoTwin(
        site.twin.scenario, site.network, run="1", seed=1, start=begins, cabinets=cabinets
    )
    told, committed = [], []
    frames = twin.sense()
    for sequence in range(1, HOUR_S + 1):
        told.append(Batch(TWIN_SOURCE, "1", sequence, frames))
        effects = hub.turn(told[-1], late=False)
        committed.extend(effects.batches)
        frames = twin.step(effects.orders)
    twin.close()
    tenant.close()
    return told, committed, DeviceSource(TWIN_SOURCE, site.devices)


def on_disk(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def queued(folder: Path, batches: list[Batch]) -> float:
    """Seconds to commit ``batches`` that all wait at once."""
    folder.mkdir()
    writer = LogWriter(
        SqliteLog(folder, wall_time), wall_time, max_waiting=len(batches), max_rows=20_000
    )
    started = time.perf_counter()
    for future in [writer.submit(batch) for batch in batches]:
        future.result()
    took = time.perf_counter() - started
    writer.close()
    return took


def in_tables(folder: Path, batches: list[Batch], watch: Stopwatch) -> tuple[int, int, int]:
    """Bytes of all tables with chunks of a minute, and with one of the hour; lane rows in them."""
    cold = DeltaCold((folder / "tables").as_uri(), {})
    (folder / "delta").mkdir()
    log = SqliteLog(folder / "delta", wall_time, cold=cold)
    log.append(batches)
    with watch.time("tables"):
        compact(log, 60 * len(batches) // HOUR_S)
    types = sorted({part.type for batch in batches for part in batch.frames})
    by_minute = cold.bytes(types)
    with watch.time("merge"):
        Retention(log, merge=2).apply({}, wall_time(), log.last())
    with watch.time("tables read"):
        found = ParquetHistory(log).frames("LaneDetector", "1", CityTime(0), CityTime(2**62))
        lanes = sum(len(part) for part in found)
    merged = cold.bytes(types)
    log.close()
    return by_minute, merged, lanes


def main() -> None:
    """Measure and record."""
    watch = Stopwatch()
    with TemporaryDirectory() as name:
        folder = Path(name)
        told, batches, source = hour(folder)
        observations = sum(part.observations for batch in batches for part in batch.frames)
        gate = Gate([source], declared(), list, lambda *_: 0)
        for batch in told:
            with watch.time("write"):
                body = write_batch(batch)
            with watch.time("read"):
                arrived = read_batch(body, ids_of(batch))
            with watch.time("gate"):
                gate.admit(arrived)
        tenant = open_tenant(folder, "measured", wall_time)
        for batch in batches:
            with watch.time("append", time.perf_counter):
                tenant.log.append([batch])
        hot = on_disk(folder / "measured")
        with watch.time("fold"):
            tenant.context.fold(tenant.log.read(Position(0)))
        with watch.time("store"):
            tenant.context.store()
        with watch.time("compact"):
            compact(tenant.log)
        cold = on_disk(folder / "measured")
        with watch.time("history"):
            lanes = sum(len(part) for part in _lanes(tenant))
        tenant.close()
        group_s = queued(folder / "queued", batches)
        by_minute, merged, found = in_tables(folder, batches, watch)
        tables = [
            _per("Delta tables, by the minute", by_minute / observations, cold / observations),
            _per("Delta tables, merged", merged / observations, cold / observations),
            Result(
                "compaction of a batch into Delta tables, CPU",
                round(watch.seconds["tables"] / len(told) * 1e6, 1),
                "us",
                round(watch.seconds["compact"] / len(told) * 1e6, 1),
                round(watch.seconds["tables"] / watch.seconds["compact"], 2),
            ),
            Result("small chunks of the hour made one, CPU", round(watch.seconds["merge"], 2), "s"),
            Result(
                "lane rows read back from Delta tables, CPU",
                round(found / watch.seconds["tables read"]),
                "rows/s",
                round(lanes / watch.seconds["history"]),
                round(found / watch.seconds["tables read"] / (lanes / watch.seconds["history"]), 2),
            ),
        ]

    def each_us(part: str) -> float:
        return round(watch.seconds[part] / len(told) * 1e6, 1)

    singly, grouped = len(batches) / watch.seconds["append"], len(batches) / group_s
    per = cold / observations
    record(
        "history",
        Result("observations in the hour", observations, "observations"),
        Result("bytes per observation", round(per, 2), "B", BOUND_BYTES, round(per / 8, 3)),
        Result("bytes per observation before compaction", round(hot / observations, 2), "B"),
        Result("batch to bytes, CPU", each_us("write"), "us"),
        Result("bytes to batch, CPU", each_us("read"), "us"),
        Result("gate, CPU", each_us("gate"), "us"),
        Result("append with fsync", each_us("append"), "us"),
        Result(
            "batches committed when queued",
            round(grouped),
            "1/s",
            round(singly),
            round(grouped / singly, 2),
        ),
        Result("fold into the context, log read included, CPU", each_us("fold"), "us"),
        Result("context written back, CPU", round(watch.seconds["store"] * 1000, 1), "ms"),
        Result("compaction of a batch, CPU", each_us("compact"), "us"),
        Result(
            "lane rows read back from history",
            round(lanes / watch.seconds["history"]),
            "rows/s",
        ),
        *tables,
    )


def _per(name: str, each: float, folder: float) -> Result:
    """Bytes per observation, beside those in the folder with its indexes and its context."""
    return Result(
        f"bytes per observation, {name}",
        round(each, 2),
        "B",
        round(folder, 2),
        round(each / folder, 2),
    )


def _lanes(tenant: Tenant) -> Iterator[object]:
    return tenant.history.frames("LaneDetector", "1", CityTime(0), CityTime(2**62))


if __name__ == "__main__":
    main()
