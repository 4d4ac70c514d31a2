"""One city of 1,723 signals, all processes: what a second of it costs, and how that grows.

    python -m benchmarks.fleet [--signals 108 431 1723] [--seconds 60]

A made-up grid in mesoscopic SUMO, its loop in act, at real time: gate, log, context, loop and guard
in the hub, all cabinets in the twin, one client on the event stream. CPU seconds are read from the
processes after ``WARM_UP_S``, so other load on the machine does not count.
"""

import argparse
import threading
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psutil
from tests.faults.running import RunningCity, running, until
from tests.twins.grid import write_grid_city

from benchmarks.record import Result, record

PORT = 18437
WARM_UP_S = 30.0
VEHICLES_PER_SIGNAL = 20


def measure(signals: int, seconds: float) -> list[Result]:
    """Figures of a city of ``signals``."""
    with TemporaryDirectory() as name:
        city = Path(name) / "grid"
        city.mkdir()
        write_grid_city(city, signals, signals * VEHICLES_PER_SIGNAL)
        options = ("--speed", "1", "--no-baseline")
        with running(Path(name) / "data", PORT, *options, city=city) as up:
            until("the first decisions", lambda: _deciding(up), deadline_s=300.0, pause_s=0.5)
            threading.Thread(target=_read_stream, daemon=True).start()
            time.sleep(WARM_UP_S)
            before, first = _cpu_s(up), up.get("/api/summary")
            time.sleep(seconds)
            after, last = _cpu_s(up), up.get("/api/summary")
            moments = [datetime.fromisoformat(seen["city_time"]) for seen in (first, last)]
            city_s = (moments[1] - moments[0]).total_seconds()
            spent = {part: 1000 * (after[part] - before[part]) / city_s for part in before}
            hub_mb = psutil.Process(up.pids()["hub"]).memory_info().rss / 1e6
            disk = sum(path.stat().st_size for path in up.folder.rglob("*") if path.is_file())
            up.stop()
    told = f"{signals} signals"
    seen = (last["observations_total"] - first["observations_total"]) / city_s
    return [
        Result(f"{told}: observations a second", seen, "1/s"),
        Result(f"{told}: city seconds a second", city_s / seconds, "s/s"),
        *(Result(f"{told}: CPU of a second, {part}", ms, "ms") for part, ms in spent.items()),
        Result(f"{told}: hub's share of a core", spent["hub"] / 1000, "", 1.0, spent["hub"] / 1000),
        Result(f"{told}: frame to orders p50", last["loop_latency_p50_ms"], "ms"),
        Result(f"{told}: frame to orders p99", last["loop_latency_p99_ms"], "ms"),
        Result(f"{told}: hub's memory", hub_mb, "MB"),
        Result(f"{told}: on disk so far", disk / 1e6, "MB"),
        Result(f"{told}: rejected, refused, fallen back", _lost(last), "1"),
    ]


def _deciding(city: RunningCity) -> dict[str, Any] | None:
    summary: dict[str, Any] | None = city.get("/api/summary")
    return summary if summary and summary["decisions_total"] else None


def _lost(summary: dict[str, Any]) -> int:
    kinds = ("rejected_total", "refused_total", "fallbacks_total")
    return sum(int(summary[kind]) for kind in kinds)


def _read_stream() -> None:
    with (
        suppress(httpx.TransportError),
        httpx.stream("GET", f"http://127.0.0.1:{PORT}/api/stream", timeout=60) as answer,
    ):
        for _ in answer.iter_raw():
            pass


def _cpu_s(city: RunningCity) -> dict[str, float]:
    spent = {}
    for part, pid in city.pids().items():
        with suppress(psutil.NoSuchProcess):
            times = psutil.Process(pid).cpu_times()
            spent[part] = times.user + times.system
    return spent


def main() -> None:
    """Cities of growing size, one after the other."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--signals", type=int, nargs="+", default=[108, 431, 1723])
    parser.add_argument("--seconds", type=float, default=60.0)
    wanted = parser.parse_args()
    results = [row for signals in wanted.signals for row in measure(signals, wanted.seconds)]
    hub = [row.value for row in results if row.name.endswith("hub's share of a core")]
    per_signal = [share / signals for share, signals in zip(hub, wanted.signals, strict=True)]
    growth = per_signal[-1] / per_signal[0]
    record("fleet", *results, Result("hub per signal, largest to smallest city", growth, ""))


if __name__ == "__main__":
    main()
