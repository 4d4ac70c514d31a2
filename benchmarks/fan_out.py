"""How many loops one core turns: 10,000 entities, watched by 50 loops, once a second.

    python -m benchmarks.fan_out

Every second of city time one frame of 10,000 entities comes, every loop takes it up, keeps an EWMA
and a variance of each, proposes where a reading is odd, and is judged by the guard: the path of the
hub, in shadow, without the log. One core carries it at 1 Hz where a city second costs less than one
CPU second. "Without loops" folds the same frames into one loop's table alone.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.record import Result, record
from cityloop.kernel.clock import CityTime
from cityloop.kernel.cycle import Cycle
from cityloop.kernel.frame import EntityIds, Frame, frame
from cityloop.kernel.loop import Ints, Latest, Loop, Mode, Priority, Proposals, Score
from cityloop.kernel.ports import Batch
from cityloop.kernel.reasons import Wording
from cityloop.kernel.runner import Runner
from cityloop.kernel.view import Memory, View

ENTITIES, LOOPS, SECONDS = 10_000, 50, 60
TYPE, ATTRIBUTE = "AirQualityObserved", "pm25"
IDS = EntityIds([f"urn:ngsi-ld:{TYPE}:{n:05d}" for n in range(ENTITIES)])
ODD = Wording("odd_reading", "It is {sigmas:.1f} standard deviations off.")


@dataclass(frozen=True)
class Stations:
    """What the loops know."""

    ids: EntityIds = IDS


class Passing:
    """A guard that lets everything pass."""

    reasons = ("",)

    def judge(self, rows: Ints, actions: Ints, priority: Priority, view: View) -> Ints:
        """No refusal."""
        return np.zeros(len(rows), dtype=np.int64)


def start(_: Mapping[str, Any]) -> Memory:
    """Nothing seen yet."""
    return {"mean": np.full(ENTITIES, 30.0), "variance": np.full(ENTITIES, 100.0)}


def analyse(view: View, memory: Memory, _now: CityTime) -> tuple[Any, Memory]:
    """How many standard deviations each reading is off its moving mean."""
    off = view["stations"][ATTRIBUTE] - memory["mean"]
    mean = memory["mean"] + 0.05 * off
    variance = 0.95 * (memory["variance"] + 0.05 * off * off)
    return off / np.sqrt(memory["variance"]), {"mean": mean, "variance": variance}


def respond(sigmas: Any) -> Proposals:
    """Look at those that are more than four off."""
    rows = np.flatnonzero(np.abs(sigmas) > 4.0)
    actions = np.ones(len(rows), dtype=np.int64)
    return Proposals(IDS, rows, actions, lambda i: ODD(sigmas=float(sigmas[rows[i]])))


def loop(number: int) -> Loop:
    """One of the fifty."""
    return Loop(
        name=f"benchmark/odd_{number}",
        version="1",
        watches={"stations": Latest(TYPE, (ATTRIBUTE,), "stations.ids")},
        every_s=1.0,
        start=start,
        analyse=analyse,
        respond=respond,
        score=Score("readings", "1", lower_is_better=True),
        knows=("stations",),
        wordings=(ODD,),
    )


def second(at: int, rng: np.random.Generator) -> Frame:
    """One second's readings."""
    values = rng.normal(30.0, 10.0, ENTITIES)
    return frame(TYPE, "bench", CityTime(at * 1000), IDS, **{ATTRIBUTE: values})


def cpu_s_per_second(frames: list[Frame]) -> tuple[float, float]:
    """CPU and wall seconds that one second of all loops costs."""
    runner = Runner([loop(n) for n in range(LOOPS)], {"stations": Stations()}, Passing(), IDS)
    modes = np.full(ENTITIES, Mode.SHADOW, dtype=np.int64)
    runner.turn(Batch("bench", "bench", 1, (frames[0],)), lambda _: modes)
    cpu, wall = time.process_time(), time.perf_counter()
    for sequence, part in enumerate(frames[1:], 2):
        _, passes = runner.turn(Batch("bench", "bench", sequence, (part,)), lambda _: modes)
        assert len(passes) == LOOPS
        assert not any(done.failure for done in passes)
    turned = len(frames) - 1
    return (time.process_time() - cpu) / turned, (time.perf_counter() - wall) / turned


def folding_s(frames: list[Frame]) -> float:
    """CPU seconds that the frames alone cost."""
    cycle = Cycle(loop(0), {"stations": Stations()}, Passing(), IDS, run="bench", epoch=1)
    cpu = time.process_time()
    for part in frames:
        cycle.see([part])
    return (time.process_time() - cpu) / len(frames)


def main() -> None:
    """Measure and record."""
    rng = np.random.default_rng(1)
    frames = [second(at, rng) for at in range(1, SECONDS + 2)]
    cpu_s, wall_s = cpu_s_per_second(frames)
    alone_s = folding_s(frames)
    record(
        "fan_out",
        Result("CPU s per city second, 10,000 entities x 50 loops", cpu_s, "s", 1.0, 1.0 / cpu_s),
        Result("wall s per city second", wall_s, "s"),
        Result("CPU s per city second, one table and no loop", alone_s, "s"),
        Result("entities x loops per CPU second", ENTITIES * LOOPS / cpu_s, "1/s"),
    )


if __name__ == "__main__":
    main()
