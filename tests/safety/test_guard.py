"""What the guard at the centre refuses before an order leaves."""

import numpy as np
import pytest
from tests.safety.crossroads import EAST_WEST, NORTH_SOUTH, WALK, crossroads

from cityloop.kernel.clock import CityTime
from cityloop.kernel.loop import Priority
from cityloop.kernel.view import Table, View
from cityloop.safety.envelope import FLASH, RELEASE, Limits, Refusal, Stage
from cityloop.safety.guard import SignalGuard
from cityloop.standards.signals import SignalBank

NOW = CityTime(100_000)
BANK = SignalBank((crossroads(), crossroads("fixed", fixed_order=True)))


def judge(
    action: int,
    priority: Priority = Priority.OPTIMISATION,
    row: int = 0,
    unheard_s: float = 0,
    **shown: float,
) -> int:
    values = {"phase": NORTH_SOUTH, "stage": Stage.GREEN, "stageAge": 30.0, "inCharge": 1} | shown
    columns = {name: np.full(2, float(value)) for name, value in values.items()}
    table = Table(BANK.ids, columns, np.full(2, NOW - round(unheard_s * 1000)))
    view = View("run", NOW, {"signals": table})
    rows, actions = np.array([row]), np.array([action])
    return int(SignalGuard(BANK, Limits()).judge(rows, actions, priority, view)[0])


def test_a_change_after_the_minimum_green_passes() -> None:
    assert judge(EAST_WEST) == Refusal.NONE


def test_the_minimum_green_is_judged_for_the_second_the_order_arrives() -> None:
    assert judge(EAST_WEST, stageAge=5) == Refusal.NONE
    assert judge(EAST_WEST, stageAge=4) == Refusal.MINIMUM_GREEN


def test_staying_passes_at_any_age() -> None:
    assert judge(NORTH_SOUTH, stageAge=0) == Refusal.NONE


def test_what_is_coming_may_be_confirmed_in_clearance_and_nothing_else() -> None:
    assert judge(WALK, stage=Stage.YELLOW, phase=WALK) == Refusal.NONE
    assert judge(EAST_WEST, stage=Stage.ALL_RED, phase=WALK) == Refusal.IN_CLEARANCE


def test_a_fixed_order_is_kept() -> None:
    assert judge(WALK, row=1) == Refusal.FIXED_ORDER
    assert judge(EAST_WEST, row=1) == Refusal.NONE


@pytest.mark.parametrize("action", [3, 99, -4])
def test_an_unknown_phase_is_refused(action: int) -> None:
    assert judge(action, Priority.MANUAL) == Refusal.UNKNOWN_PHASE


def test_flash_and_release_are_an_operators_alone() -> None:
    assert judge(FLASH) == judge(RELEASE, Priority.EMERGENCY) == Refusal.OPERATORS_ONLY
    assert judge(FLASH, Priority.MANUAL) == judge(RELEASE, Priority.MANUAL) == Refusal.NONE


def test_an_operators_junction_is_left_to_the_operator() -> None:
    assert judge(EAST_WEST, inCharge=2) == Refusal.LEASE_HELD
    assert judge(EAST_WEST, Priority.MANUAL, inCharge=2) == Refusal.NONE


def test_a_flashing_junction_may_be_called_back() -> None:
    assert judge(EAST_WEST, Priority.MANUAL, stage=Stage.FLASH, phase=-2) == Refusal.NONE


def test_a_controller_that_was_never_or_not_lately_heard_gets_no_order() -> None:
    assert judge(NORTH_SOUTH, stage=np.nan) == Refusal.UNOBSERVED
    assert judge(NORTH_SOUTH, unheard_s=11) == Refusal.UNOBSERVED


@pytest.mark.parametrize("phase", [3, 4, 99, -1, -7, 1e18])
def test_a_controller_that_tells_of_a_phase_it_does_not_have_gets_no_order(phase: float) -> None:
    assert judge(NORTH_SOUTH, phase=phase) == Refusal.UNOBSERVED
