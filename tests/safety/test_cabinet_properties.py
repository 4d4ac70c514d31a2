"""No sequence of orders and no lie of a detector makes a junction unsafe.

Random junctions are driven by hostile orders and sensing; an onlooker that sees the lamps alone
judges them. Every junction counts once per second it is stepped.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.safety import onlooker
from tests.safety.junctions import random_junction

from cityloop.kernel.clock import CityTime
from cityloop.kernel.loop import Orders, Priority
from cityloop.safety.cabinet import CabinetBank, LocalSensing
from cityloop.safety.envelope import Limits
from cityloop.safety.timing import Timing
from cityloop.standards.plans import Schedule
from cityloop.standards.signals import SignalBank

JUNCTIONS, SECONDS = 32, 400
CENTRE = (Priority.OPTIMISATION, Priority.TRANSIT, Priority.EMERGENCY)
Rng = np.random.Generator
Give = Callable[[Rng, int, SignalBank], list[Orders]]
Planned = Callable[[Rng, SignalBank, Limits], Schedule]


@dataclass(frozen=True)
class Record:
    """What was seen of one drive: lamps, calls, links told empty; all of shape (T, J, L)."""

    bank: SignalBank
    limits: Limits
    letters: onlooker.Letters
    calls: onlooker.Flags
    empty: onlooker.Flags


def random_bank(rng: Rng) -> tuple[SignalBank, Limits]:
    """Different junctions; or one many times over, with a maximum red it can only just keep."""
    tight = rng.random() < 0.5
    first = random_junction(rng, "j0")
    others = (first if tight else random_junction(rng, f"j{i}") for i in range(1, JUNCTIONS))
    bank = SignalBank((first, *others))
    reachable_s = float(Timing(bank, Limits()).reachable_red_ms.max() / 1000)
    max_red_s = reachable_s if tight else max(120.0, reachable_s)
    return bank, Limits(max_red_s=max_red_s, empty_red_s=max_red_s + int(rng.choice([0, 0, 80])))


def drive(
    seed: int,
    give: Give,
    seconds: int = SECONDS,
    limits: Limits | None = None,
    *,
    lies: bool = True,
    plan: Planned | None = None,
) -> Record:
    rng = np.random.default_rng(seed)
    bank, own_limits = random_bank(rng)
    limits = limits or own_limits
    cabinets = CabinetBank(bank, limits, CityTime(0))
    count, _, links = bank.shape
    lamps = np.full((seconds, count, links), "r", dtype="U1")
    calls = np.zeros((seconds, count, links), dtype=bool)
    empty = np.zeros((seconds, count, links), dtype=bool)
    temper = rng.random(5)
    for second in range(seconds):
        sensed = lying_sensing(rng, temper, bank) if lies else LocalSensing()
        if sensed.calls is not None and sensed.calls.shape == (count, links):
            calls[second] = sensed.calls > 0
        if sensed.waiting is not None and sensed.waiting.shape == (count, links):
            empty[second] = sensed.waiting == 0
        if plan is not None and second % 97 == 0:
            cabinets.plan(plan(rng, bank, limits))
        orders = give(rng, second, bank)
        report = cabinets.step(CityTime(second * 1000), orders, sensed)
        if second:
            lamps[second] = lamps[second - 1]
        for row in report.changed.tolist():
            state = report.letters(row)
            lamps[second, row, : len(state)] = list(state)
        row = int(rng.integers(count))
        state = cabinets.letters(row)
        assert "".join(lamps[second, row, : len(state)]) == state, f"change of {row} not reported"
    return Record(bank, limits, lamps, calls, empty)


def lying_sensing(rng: Rng, temper: np.ndarray, bank: SignalBank) -> LocalSensing:
    """Often true, sometimes always true, NaN, negative, of the wrong shape or kind, or silent."""
    count, _, links = bank.shape

    def lie(shape: tuple[int, ...], share: float) -> np.ndarray | None:
        kind = rng.integers(12)
        values = (rng.random(shape) < share).astype(np.float64)
        if kind == 0:
            return None
        if kind == 1:
            return values[:-1]
        if kind == 2:
            return np.array(["?"] * count, dtype=object)
        if kind == 3:
            values[rng.random(shape) < 0.5] = rng.choice([np.nan, np.inf, -np.inf, -7])
        return values

    per_link = (count, links)
    return LocalSensing(
        box_blocked=lie((count,), temper[0]),
        waiting=lie(per_link, temper[1]),
        discharged=lie(per_link, temper[2] * 0.2),
        blocked_ahead=lie(per_link, temper[3]),
        calls=lie(per_link, temper[4] * 0.1),
    )


def hostile(priorities: tuple[Priority, ...]) -> Give:
    """Bursts and silence; stale, future, repeated and reordered orders; absurd rows and actions."""
    past: list[Orders] = []

    def give(rng: Rng, second: int, bank: SignalBank) -> list[Orders]:
        if second == 0:
            past.clear()
        if rng.random() < 0.3:
            return []
        fresh = [one(rng, second, bank) for _ in range(int(rng.integers(1, 4)))]
        past.extend(fresh)
        old = [past[int(rng.integers(len(past)))] for _ in range(int(rng.integers(0, 3)))]
        orders = fresh + old
        rng.shuffle(orders)
        return orders

    def one(rng: Rng, second: int, bank: SignalBank) -> Orders:
        count, phases, _ = bank.shape
        rows = rng.integers(-2, count + 2, int(rng.integers(0, 2 * count)))
        odd = rng.random(len(rows)) < 0.2
        actions = np.where(
            odd, rng.integers(-6, phases + 4, len(rows)), rng.integers(0, phases, len(rows))
        )
        mangled = rng.integers(60)
        actions = actions[1:] if mangled == 0 else actions * 1.5 if mangled == 1 else actions
        issued = second * 1000 + int(rng.choice([0, 0, -1000, -1000, -9000, 1000, 10**9, -(10**9)]))
        return Orders(
            CityTime(issued),
            CityTime(issued + int(rng.choice([5000, 5000, 0, -5000, 10**12]))),
            int(rng.choice([7, 7, 7, 7, 6, 8 + second // 100])),
            priorities[int(rng.integers(len(priorities)))],
            rows,
            actions,
        )

    return give


def starving(rng: Rng, second: int, bank: SignalBank) -> list[Orders]:
    """A healthy-looking centre that holds most junctions for ever or swings between two phases."""
    count, _, _ = bank.shape
    rows = np.arange(count)
    actions = np.where(rows % 3 == 0, (second // 40) % 2, np.where(rows % 3 == 1, 0, second % 3))
    at = CityTime(second * 1000)
    return [Orders(at, CityTime(at + 5000), 1, Priority.OPTIMISATION, rows, actions)]


def check_always(record: Record) -> None:
    for row, junction in enumerate(record.bank.junctions):
        letters = record.letters[:, row, : len(junction.links)]
        onlooker.check_letters(junction, letters)
        onlooker.check_conflicts(junction, letters)
        onlooker.check_minimum_green(junction, letters)
        onlooker.check_clearance(junction, letters)
        onlooker.check_fixed_order(junction, letters)


def check_fair(record: Record) -> int:
    judged = 0
    for row, junction in enumerate(record.bank.junctions):
        letters = record.letters[:, row, : len(junction.links)]
        onlooker.check_maximum_red(junction, letters, record.empty[:, row], record.limits)
        judged += onlooker.check_calls(junction, letters, record.calls[:, row])
    return judged


def prove(examples: int) -> tuple[int, int]:
    """Drive ``examples`` banks in each of three ways; returns junction-steps and calls judged."""
    counts = [0, 0]

    @settings(max_examples=examples)
    @given(st.integers(0, 2**32 - 1), st.sampled_from(["operators", "centre", "starving"]))
    def property_(seed: int, manner: str) -> None:
        gives = {"operators": hostile(tuple(Priority)), "centre": hostile(CENTRE)}
        record = drive(seed, gives.get(manner, starving))
        check_always(record)
        if manner != "operators":
            counts[1] += check_fair(record)
        counts[0] += record.letters.shape[0] * record.letters.shape[1]

    property_()
    return counts[0], counts[1]


def tell(capsys: pytest.CaptureFixture[str], counts: tuple[int, int]) -> None:
    with capsys.disabled():
        sys.stdout.write(f" [{counts[0]:,} junction-steps, {counts[1]:,} calls judged] ")


@settings(max_examples=4)
@given(st.integers(0, 2**32 - 1))
def test_a_silent_centre_leaves_the_local_plan_within_one_cycle(seed: int) -> None:
    shout, silent_from, forgotten = hostile(CENTRE), 100, 130

    def give(rng: Rng, second: int, bank: SignalBank) -> list[Orders]:
        return shout(rng, second, bank) if second < silent_from else []

    # A maximum red beyond every cycle, so that the plan alone changes phases.
    limits = Limits(max_red_s=600, order_life_s=30)
    record = drive(seed, give, 1100, limits, lies=False)
    for row, junction in enumerate(record.bank.junctions):
        letters = record.letters[:, row, : len(junction.links)]
        cycle_s = onlooker.longest_cycle_s(junction)
        onlooker.check_local_plan(junction, letters, forgotten + cycle_s)


def test_no_hostile_centre_makes_a_junction_unsafe(capsys: pytest.CaptureFixture[str]) -> None:
    counts = prove(12)
    tell(capsys, counts)
    assert counts[0] >= 50_000


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_no_hostile_centre_makes_a_junction_unsafe_in_a_million_steps(
    capsys: pytest.CaptureFixture[str],
) -> None:
    counts = prove(100)
    tell(capsys, counts)
    assert counts[0] >= 1_000_000
