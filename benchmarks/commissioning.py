"""What the commissioning check finds of planted faults, and what it makes up.

    python -m benchmarks.commissioning [CITY]

An hour of a city's twin (examples/harbour when none is named) is recorded; then 24 faults of each
kind are planted in copies of it, one at a time: in stop lines and lane pieces by turns, drawn by a
seed among those that at least ``BUSY`` vehicles passed, from a second drawn in the first half of
the hour. A fault is found when it is named with its kind and its device. Whatever else is named is
a false alarm; so is all that is named of the record as it is.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.record import Result, record
from cityloop.analysis.commissioning import Fault, faults
from cityloop.analysis.tally import Ints, Layout, tally
from cityloop.city.build import build_site
from cityloop.city.commissioning import layout_of
from cityloop.kernel.clock import CityTime
from cityloop.safety.cabinet import CabinetBank
from cityloop.twins.sumo.twin import SumoTwin

EXAMPLES = Path(__file__).parent.parent / "examples"
HOUR_S, STRETCH_S = 3600, 150
PLANTED, BUSY = 24, 60
MISSED_AT_END = 0.5
"""The share that a drifting detector misses in the last second; none in the first."""
Named = tuple[str, str, tuple[int, ...]]
"""Kind, role, rows."""


@dataclass(frozen=True)
class Hour:
    """Second by second: vehicles over the stop lines, on the lane pieces, and the signals."""

    layout: Layout
    passed: Ints
    present: Ints
    phase: Ints
    stage: Ints

    def named(self) -> set[Named]:
        """What the check says, but for what nobody drove over."""
        columns = (self.passed, self.present, self.phase, self.stage)
        tallies = [
            tally(*(column[at : at + STRETCH_S] for column in columns), self.layout)
            for at in range(0, HOUR_S, STRETCH_S)
        ]
        found = faults(tallies, self.layout)
        return {name for fault in found if fault.kind != "unproven" for name in _names(fault)}

    def lines(self) -> list[int]:
        """Stop lines that many passed, with a lane piece before them."""
        busy = (self.passed.sum(axis=0) >= BUSY) & (self.layout.tail >= 0)
        return np.flatnonzero(busy).tolist()


def _names(fault: Fault) -> list[Named]:
    """Of a swap that may be of the lines or of the pieces both."""
    either = [(fault.kind, "lane", fault.or_pieces)] if fault.or_pieces else []
    return [(fault.kind, fault.role, fault.rows), *either]


def record_hour(city: Path) -> Hour:
    """An hour of the city's twin with its own plans."""
    rows: dict[str, list[Ints]] = {"passed": [], "present": [], "phase": [], "stage": []}
    start = CityTime(0)
    with TemporaryDirectory() as folder:
        site = build_site(city, Path(folder))
        assert site.twin is not None, f"{city} has no twin"
        cabinets = CabinetBank(site.network.bank, site.limits, start)
        twin = SumoTwin(
            site.twin.scenario, site.network, run="a", seed=1, start=start, cabinets=cabinets
        )
        for _ in range(HOUR_S):
            frames = {frame.type: frame for frame in twin.step()}
            rows["passed"].append(frames["StopLineDetector"]["vehicleCount"])
            rows["present"].append(frames["LaneDetector"]["vehicleCount"])
            rows["phase"].append(frames["SignalController"]["phase"])
            rows["stage"].append(frames["SignalController"]["stage"])
        twin.close()
    columns = {name: np.array(values, dtype=np.int64) for name, values in rows.items()}
    return Hour(layout_of(site.network), **columns)


Plant = Callable[[Hour, np.random.Generator, bool], tuple[Hour, Named]]
"""Spoils a stop line (or, where the flag says so, the piece before one) in a copy of an hour."""


def _pick(hour: Hour, chance: np.random.Generator, piece: bool) -> tuple[Ints, str, int]:
    """A copy of the column, the role, and the row to spoil."""
    line = int(chance.choice(hour.lines()))
    if piece:
        return hour.present.copy(), "lane", int(hour.layout.tail[line])
    return hour.passed.copy(), "stop line", line


def _spoilt(hour: Hour, role: str, values: Ints) -> Hour:
    return replace(hour, **{"present" if role == "lane" else "passed": values})


def dead(hour: Hour, chance: np.random.Generator, piece: bool) -> tuple[Hour, Named]:
    """Counts nothing from some second on."""
    values, role, row = _pick(hour, chance, piece)
    values[int(chance.integers(0, HOUR_S // 2)) :, row] = 0
    return _spoilt(hour, role, values), ("dead", role, (row,))


def stuck(hour: Hour, chance: np.random.Generator, piece: bool) -> tuple[Hour, Named]:
    """A piece that says the same number for ever, a line that counts every second."""
    values, role, row = _pick(hour, chance, piece)
    told = int(chance.integers(1, 9)) if piece else 1
    values[int(chance.integers(0, HOUR_S // 2)) :, row] = told
    return _spoilt(hour, role, values), ("stuck", role, (row,))


def swapped(hour: Hour, chance: np.random.Generator, piece: bool) -> tuple[Hour, Named]:
    """Two that count for each other, anywhere in the city."""
    values, role, a = _pick(hour, chance, piece)
    b = a
    while b == a:
        b = _pick(hour, chance, piece)[2]
    values[:, [a, b]] = values[:, [b, a]]
    return _spoilt(hour, role, values), ("swapped", role, (a, b))


def drifting(hour: Hour, chance: np.random.Generator, piece: bool) -> tuple[Hour, Named]:
    """A stop line that misses more and more vehicles."""
    del piece  # what a piece misses is no vehicle that passes
    values, role, row = _pick(hour, chance, piece=False)
    missed = chance.random(HOUR_S) < np.linspace(0.0, MISSED_AT_END, HOUR_S)
    values[missed, row] = 0
    return _spoilt(hour, role, values), ("drifting", role, (row,))


def _same(name: Named) -> Named:
    """A swap has no first and second."""
    return name[0], name[1], tuple(sorted(name[2]))


def trials(hour: Hour, plant: Plant) -> tuple[int, int]:
    """How many of the planted faults are found, and how many others are named."""
    chance = np.random.default_rng(1)
    found = made_up = 0
    for number in range(PLANTED):
        bad, planted = plant(hour, chance, number % 2 == 1)
        named = {_same(name) for name in bad.named()}
        hit = _same(planted) in named
        found += hit
        # The other way to read a swap stands in the same sentence.
        kin = {name for name in named if hit and name[0] == planted[0] == "swapped"}
        made_up += len(named - kin - {_same(planted)})
    return found, made_up


def main() -> None:
    city = Path(sys.argv[1]) if len(sys.argv) > 1 else EXAMPLES / "harbour"
    hour = record_hour(city)
    results = [Result(f"{city.name}: named of the sound record", len(hour.named()), "faults")]
    began = time.process_time()
    for plant in (dead, stuck, swapped, drifting):
        found, made_up = trials(hour, plant)
        results.append(
            Result(f"{plant.__name__}: found", found, "faults", PLANTED, found / PLANTED)
        )
        results.append(Result(f"{plant.__name__}: false alarms", made_up, "faults"))
    took_ms = (time.process_time() - began) * 1000 / (4 * PLANTED)
    results.append(Result("CPU of one check of an hour", took_ms, "ms"))
    record(f"commissioning-{city.name}", *results)


if __name__ == "__main__":
    main()
