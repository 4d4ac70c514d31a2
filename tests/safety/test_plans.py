"""Time-of-day plans in the cabinets: taken up at the end of a cycle, never against a limit."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.safety.crossroads import Street, crossroads
from tests.safety.test_cabinet_properties import (
    CENTRE,
    Give,
    check_always,
    check_fair,
    drive,
    hostile,
)

from cityloop.kernel.clock import CityTime, city_time
from cityloop.kernel.errors import RefusedError
from cityloop.safety.cabinet import CabinetBank, LocalSensing
from cityloop.safety.envelope import Limits
from cityloop.safety.plan_checks import check_plans
from cityloop.safety.timing import Timing
from cityloop.standards.plans import (
    Calendar,
    CalendarEntry,
    Green,
    JunctionPlan,
    Schedule,
    TimePlan,
)
from cityloop.standards.signals import SignalBank

ALL_WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def schedule(
    *greens: tuple[int, float],
    offset_s: float | None = None,
    begins: str = "00:00",
    ends: str = "24:00",
    zone: str = "UTC",
) -> Schedule:
    plan = TimePlan("am", [JunctionPlan("x", [Green(*g) for g in greens], offset_s)])
    calendar = Calendar([CalendarEntry("am", ALL_WEEK, begins, ends)])  # type: ignore[arg-type]
    return Schedule(zone, [plan], calendar)


def greens(shown: list[str]) -> list[tuple[str, int, int]]:
    """(letters, first second, seconds) of each spell of the same letters."""
    spells: list[tuple[str, int, int]] = []
    for second, letters in enumerate(shown, 1):
        if spells and spells[-1][0] == letters:
            spells[-1] = (letters, spells[-1][1], spells[-1][2] + 1)
        else:
            spells.append((letters, second, 1))
    return [spell for spell in spells if "y" not in spell[0] and set(spell[0]) - {"r", "s"}]


NORTH_SOUTH, EAST_WEST, WALK = "GrrG", "rGrs", "rrGr"


def test_a_plan_takes_over_where_the_cycle_ends() -> None:
    street = Street()
    before = street.run(30)
    street.cabinets.plan(schedule((1, 30), (2, 12), (0, 40)))
    after = greens(before + street.run(200))
    # 20, 15 and 10 s of the plan it was built with to their end; then 30, 12 and 40.
    assert [spell[2] for spell in after[1:6]] == [15, 10, 30, 12, 40]


def test_a_junction_under_orders_goes_by_the_new_plan_at_once() -> None:
    street = Street()
    street.run(10, action=0)
    street.cabinets.plan(schedule((0, 40), (1, 30), (2, 12)))
    street.run(2, action=0)
    shown = greens(street.run(200))
    assert [spell[2] for spell in shown[1:4]] == [30, 12, 40]


def test_a_plan_ends_when_the_calendar_says_so() -> None:
    street = Street()
    street.cabinets.plan(schedule((0, 30), (1, 30), (2, 30), ends="00:05"))
    shown = greens(street.run(800))
    early = [s for s in shown[3:] if s[1] < 300]
    late = [s for s in shown[:-1] if s[1] > 420]
    assert {spell[2] for spell in early} == {30}
    assert {spell[2] for spell in late} == {20, 15, 10}


@pytest.mark.parametrize("offset_s", [0, 17, 60])
def test_a_cycle_comes_to_stand_by_its_offset_and_stays(offset_s: int) -> None:
    street = Street()
    plan = schedule((0, 25), (1, 20), (2, 15), offset_s=offset_s)
    street.cabinets.plan(plan)
    shown = greens(street.run(1500))
    # The crossing's clearance takes 5 s, like each of the other two: a cycle of 75 s.
    starts = [second for letters, second, _ in shown if letters[0] == "G"]
    assert {(second - offset_s) % 75 for second in starts[8:]} == {0}


def test_a_phase_that_a_plan_leaves_out_gets_no_green() -> None:
    bank_of_two = crossroads()
    street = Street(bank_of_two)
    with pytest.raises(RefusedError, match="no phase serves link 2"):
        street.cabinets.plan(schedule((0, 20), (1, 20)))


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        (((0, 5), (1, 10), (2, 10)), "phase 0: green 5 s is below its minimum 6 s"),
        (((0, 20), (3, 10)), "phase 3 does not exist; there are 0 to 2"),
        (((0, 20), (1, 20), (0, 20), (2, 10)), "twice"),
        (((0, 90), (1, 20), (2, 10)), "link 2 would stay red for 125 s"),
    ],
)
def test_a_plan_against_a_limit_is_refused_with_junction_and_limit(
    steps: tuple[tuple[int, float], ...], why: str
) -> None:
    timing = Timing(SignalBank((crossroads(),)), Limits(max_red_s=110))
    with pytest.raises(RefusedError, match=f"plan am, junction x: .*{why}"):
        check_plans(timing, schedule(*steps))


def test_a_fixed_order_stays_fixed() -> None:
    timing = Timing(SignalBank((crossroads(fixed_order=True),)), Limits())
    check_plans(timing, schedule((1, 20), (2, 20), (0, 20)))
    with pytest.raises(RefusedError, match="fixed order"):
        check_plans(timing, schedule((1, 20), (0, 20), (2, 20)))


def test_a_calendar_that_calls_a_plan_which_is_not_there_is_refused() -> None:
    timing = Timing(SignalBank((crossroads(),)), Limits())
    calendar = Calendar([CalendarEntry("pm", ["mon"], "07:00", "09:00")])
    with pytest.raises(RefusedError, match="entry 1 calls plan pm; there are: none"):
        check_plans(timing, Schedule("UTC", [], calendar))


def test_a_refused_plan_leaves_the_old_one_in_force() -> None:
    street = Street()
    street.cabinets.plan(schedule((0, 30), (1, 30), (2, 30)))
    with pytest.raises(RefusedError):
        street.cabinets.plan(schedule((0, 1), (1, 30), (2, 30)))
    assert {spell[2] for spell in greens(street.run(600))[4:-1]} == {30}


def test_the_hour_that_comes_twice_runs_its_plan_twice() -> None:
    """02:00 to 03:00 in Berlin on 25 October 2026 lasts from 00:00 to 02:00 UTC."""
    start = city_time(datetime(2026, 10, 24, 23, 50, tzinfo=UTC))
    plan = schedule((0, 30), (1, 30), (2, 30), begins="02:00", ends="03:00", zone="Europe/Berlin")
    cabinets = CabinetBank(SignalBank((crossroads(),)), Limits(), start, plan)
    shown = []
    for second in range(1, 3 * 3600):
        cabinets.step(CityTime(start + second * 1000), (), LocalSensing())
        shown.append(cabinets.letters(0))
    lasting = [(s[1], s[2]) for s in greens(shown)]
    assert {length for at, length in lasting if 900 < at < 7500} == {30}
    assert {length for at, length in lasting[1:] if at < 400} == {20, 15, 10}
    assert {length for at, length in lasting[:-1] if at > 8200} == {20, 15, 10}


def random_schedule(rng: np.random.Generator, bank: SignalBank, limits: Limits) -> Schedule:
    """Random order, greens and offset for those random junctions whose limits allow them."""
    timing, parts = Timing(bank, limits), []
    calendar = Calendar([CalendarEntry("am", ["thu"], "00:01", "00:04")])
    for row, junction in enumerate(bank.junctions):
        count = len(junction.phases)
        order = [int(phase) for phase in rng.permutation(count)]
        if junction.fixed_order:
            order = [(order[0] + k) % count for k in range(count)]
        least_s = timing.min_green_ms[row] / 1000
        steps = [Green(p, float(least_s[p] + rng.integers(1, 20))) for p in order]
        offset_s = float(rng.integers(0, 90)) if rng.random() < 0.7 else None
        part = JunctionPlan(junction.id, steps, offset_s)
        try:
            check_plans(timing, Schedule("UTC", [TimePlan("am", [part])], calendar))
        except RefusedError:
            continue
        parts.append(part)
    return Schedule("UTC", [TimePlan("am", parts)], calendar)


@settings(max_examples=6)
@given(st.integers(0, 2**32 - 1), st.sampled_from([hostile(CENTRE), lambda *_: []]))
def test_no_plan_and_no_change_of_plan_makes_a_junction_unsafe(seed: int, give: Give) -> None:
    record = drive(seed, give, plan=random_schedule)
    check_always(record)
    check_fair(record)
