"""How long the past takes to answer: an hour-long run, its segments cold and warm.

    python -m benchmarks.lookback [--data FOLDER]

A city runs its hour as fast as it goes (or FOLDER holds one that did). Then seconds all over the
run are asked for, each of a reader that has read nothing yet (the disk's cache is warm) and of one
that has: a moment, five minutes of a junction, and the measures of the run.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from tests.faults.running import HANGZHOU, running, until

from benchmarks.record import Result, record
from cityloop.city.build import build_site
from cityloop.city.lookback import LookBack, look_back

PORT = 18433
ASKED = 40
Ask = Callable[[LookBack, datetime], Awaitable[object]]


def run_an_hour(data: Path) -> None:
    """One whole run on record, and a little of the next."""
    with running(data, PORT, "--speed", "max", "--runs", "3") as city:
        until("the second run", lambda: (city.get("/api/history/runs") or [])[1:] or None, 600, 1.0)
        city.post("/api/drive", {"action": "pause"})
        until("its end to be compacted", lambda: segments(data) >= 6 or None, 120, 1.0)
        city.stop()


def segments(data: Path) -> int:
    return len(list((data / "hangzhou").glob("segments/*-*")))


async def answers_ms(fresh: Callable[[], LookBack], ask: Ask, times: list[datetime]) -> list[float]:
    """How long each of ``times`` took, of what ``fresh`` gives for it."""
    took = []
    for at in times:
        past = fresh()
        await past.runs()  # who asks for a moment has asked for the runs before
        began = time.perf_counter()
        await ask(past, at)
        took.append((time.perf_counter() - began) * 1000)
    return took


async def measure(data: Path) -> list[Result]:
    site = build_site(HANGZHOU, data)
    junction = site.map_data().junctions[0].id
    warm = look_back(site)
    run = (await warm.runs())[0]
    begins, ends = (datetime.fromisoformat(text) for text in (run.begins, run.ends))
    step = (ends - begins) / ASKED
    times = [begins + timedelta(seconds=round((step * i).total_seconds())) for i in range(ASKED)]
    asks: dict[str, Ask] = {
        "moment": lambda past, at: past.moment(run.run, at),
        "timeline of 5 min": lambda past, at: past.timeline(junction, 5, run.run, at),
        "trend": lambda past, _: past.trend(run.run),
    }
    results = []
    for name, ask in asks.items():
        for state, fresh in (("cold", lambda: look_back(site)), ("warm", lambda: warm)):
            took = await answers_ms(fresh, ask, times)
            results.append(Result(f"{name}, {state}, p50", median(took), "ms"))
            results.append(Result(f"{name}, {state}, p99", float(np.percentile(took, 99)), "ms"))
    return results


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path)
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        data = asked.data or Path(folder)
        if not (data / "hangzhou").exists():
            run_an_hour(data)
        record("lookback", *asyncio.run(measure(data)))


if __name__ == "__main__":
    main()
