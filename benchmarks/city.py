"""The whole city against the bare simulator, in one run: speed, latencies, memory.

    python -m benchmarks.city [--rounds 3]

Bare: the same hour, network, demand, seed and second-by-second stepping, no sensors, no cabinets;
on the baseline's plans, and on the recording's own, which keep more vehicles waiting. City:
``cityloop up`` with the baseline off, as fast as it goes, with one client on the event stream that
reads and draws nothing.
"""

import argparse
import multiprocessing as mp
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psutil
from tests.faults.running import HANGZHOU, RunningCity, running, until

from benchmarks.record import Result, record
from cityloop.city.build import build_site
from cityloop.twins.sumo.scenario import SumoScenario

PORT = 18431
LAST_S = 3400
CLOCK = re.compile(r'"city_time":"[^T]*T[0-9]{2}:([0-9]{2}):([0-9]{2})')


def bare_s(scenario: SumoScenario) -> float:
    """Seconds that SUMO alone needs for the hour, in a process of its own."""
    context = mp.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_bare, args=(scenario, theirs))
    process.start()
    seconds: float = ours.recv()
    process.join()
    return seconds


def _bare(scenario: SumoScenario, pipe: Any) -> None:
    import libsumo

    files = ",".join(map(str, scenario.additional))
    libsumo.start(
        [
            *("sumo", "--net-file", str(scenario.net)),
            *("--route-files", ",".join(map(str, scenario.routes))),
            *(("--additional-files", files) if files else ()),
            *("--step-length", "1", "--seed", "1", "--time-to-teleport", "-1"),
            *("--no-step-log", "--no-warnings"),
        ]
    )
    started = time.perf_counter()
    for _ in range(3600):
        libsumo.simulationStep()
    pipe.send(time.perf_counter() - started)
    libsumo.close()


def city_s(folder: Path) -> tuple[float, dict[str, float]]:
    """Seconds that the city needs for the same hour, and what it says of itself at the end.

    The stream client is the only one, and its events are the clock: asking would cost the city.
    """
    with running(folder, PORT, "--speed", "max", "--no-baseline", "--runs", "2") as city:
        until("the web", lambda: city.get("/api/summary"), pause_s=0.5)
        moments = _moments(city)
        began, first = next(moments)
        before = _cpu_s(city)
        *_, (ended, last) = moments
        said = {
            f"{name}_cpu_ms": (spent - before[name]) * 1000 / (last - first)
            for name, spent in _cpu_s(city).items()
            if name in before
        } | {
            "hub_mb": psutil.Process(city.pids()["hub"]).memory_info().rss / 1e6,
            "p99_ms": city.get("/api/summary")["loop_latency_p99_ms"],
            "act_p99_ms": city.get("/api/state")["counters"]["act_latency_p99_ms"],
        }
        city.stop()
    return (ended - began) * 3600 / (last - first), said


def _cpu_s(city: RunningCity) -> dict[str, float]:
    """CPU seconds that each process has used so far; without those that ended meanwhile."""
    spent = {}
    for name, pid in city.pids().items():
        with suppress(psutil.NoSuchProcess):
            times = psutil.Process(pid).cpu_times()
            spent[name] = times.user + times.system
    return spent


def _moments(city: RunningCity) -> Iterator[tuple[float, int]]:
    """Wall time and second of the first run, at each event of the stream, to its last minutes."""
    client = httpx.stream("GET", f"http://127.0.0.1:{city.port}/api/stream", timeout=60)
    with client as answer:
        for line in answer.iter_lines():
            found = CLOCK.search(line)
            if found is None:
                continue
            second = 60 * int(found[1]) + int(found[2])
            if second > 0 and '-1"' in line:
                yield time.perf_counter(), second
            if second >= LAST_S:
                return


def _speed(name: str, bare: list[float], city: list[float]) -> Result:
    """Median of the rounds: how fast the city is, as a share of the bare simulator."""
    ratio = median(b / c for b, c in zip(bare, city, strict=True))
    return Result(name, median(city), "s an hour", median(bare), ratio)


def main() -> None:
    """Run rounds of bare and city in turn; keep the medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with TemporaryDirectory() as folder:
        twin = build_site(HANGZHOU, Path(folder) / "site").twin
        assert twin is not None
        bare, shipped, city = [], [], []
        said: dict[str, float] = {}
        for number in range(rounds):
            bare.append(bare_s(twin.baseline))
            shipped.append(bare_s(twin.scenario))
            seconds, said = city_s(Path(folder) / f"round{number}")
            city.append(seconds)
            print(f"bare {bare[-1]:.2f} and {shipped[-1]:.2f} s, city {seconds:.2f} s, {said}")
    record(
        "city",
        _speed("city_speed_of_bare_sumo", bare, city),
        _speed("city_speed_of_bare_sumo_on_the_shipped_plan", shipped, city),
        Result("hub_memory_after_an_hour", said["hub_mb"], "MB"),
        *(
            Result(f"{name}_cpu_of_a_second", said[f"{name}_cpu_ms"], "ms")
            for name in ("twin", "hub", "worker", "web")
        ),
        Result("frame_to_orders_p99", said["p99_ms"], "ms"),
        Result("act_latency_p99", said["act_p99_ms"], "ms"),
    )


if __name__ == "__main__":
    main()
