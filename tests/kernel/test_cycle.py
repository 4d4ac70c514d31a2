"""One pass: what a loop sees, what becomes of what it wants, and what is recorded."""

from typing import Any

import numpy as np
import pytest
from tests.kernel.lamps import KNOWS, LAMPS, LOOP, Fuse, lux

from cityloop.kernel.clock import CityTime
from cityloop.kernel.cycle import Cycle
from cityloop.kernel.loop import Mode

ACT = np.full(3, Mode.ACT)


@pytest.fixture
def cycle() -> Cycle:
    return Cycle(LOOP, KNOWS, Fuse(), LAMPS, run="a", epoch=7)


def tick(cycle: Cycle, second: int, *values: float, modes: Any = ACT) -> Any:
    cycle.see([lux(second, *values)])
    return cycle.tick(CityTime(second * 1000), modes)


def test_what_the_guard_lets_pass_is_ordered(cycle: Cycle) -> None:
    orders = tick(cycle, 1, -1000, 50, -1000).orders
    assert orders.rows.tolist() == [0, 1]
    assert orders.actions.tolist() == [1, 0]
    assert (orders.epoch, orders.issued_at, orders.expires_at) == (7, 1000, 6000)


def test_what_the_guard_refuses_is_recorded_with_both_reasons(cycle: Cycle) -> None:
    decisions = tick(cycle, 1, 50, 50, -1000).decisions
    assert decisions["verdict"].tolist() == [0, 0, 1]
    assert decisions["reason"][2].endswith("Refused: the last lamp has no power")


def test_a_decision_is_recorded_once_per_change_of_mind(cycle: Cycle) -> None:
    first = tick(cycle, 1, 50, 50, 50).decisions
    assert len(first) == 3
    assert tick(cycle, 2, 50, 50, 50).decisions is None
    changed = tick(cycle, 3, -1000, 50, 50).decisions
    assert changed["actuator"].tolist() == [LAMPS.names[0]]


@pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.SHADOW, Mode.ADVISE])
def test_only_act_orders(cycle: Cycle, mode: Mode) -> None:
    turned = tick(cycle, 1, -1000, 50, 50, modes=np.full(3, mode))
    assert turned.orders is None
    assert (turned.decisions is None) == (mode == Mode.OBSERVE)


def test_a_mode_holds_for_its_own_actuators(cycle: Cycle) -> None:
    orders = tick(cycle, 1, -1000, 50, 50, modes=np.array([Mode.SHADOW, Mode.ACT, Mode.ACT])).orders
    assert orders.rows.tolist() == [1, 2]


def test_a_loop_that_raises_orders_nothing_and_keeps_its_memory(cycle: Cycle) -> None:
    tick(cycle, 1, 50, 50, 50)
    before = cycle.save()
    failed = tick(cycle, 2, 1e9, 50, 50)
    assert failed.orders is None
    assert failed.failure == "ArithmeticError: no lamp is that bright"
    np.testing.assert_array_equal(cycle.save()["memory/mean"], before["memory/mean"])


def test_a_view_stays_as_it_was_when_the_city_goes_on(cycle: Cycle) -> None:
    cycle.see([lux(1, 1, 2, 3)])
    seen = cycle.tables["lamps"]
    cycle.see([lux(2, 4, 5, 6)])
    assert seen["illuminanceLevel"].tolist() == [1, 2, 3]
    assert cycle.tables["lamps"]["illuminanceLevel"].tolist() == [4, 5, 6]
