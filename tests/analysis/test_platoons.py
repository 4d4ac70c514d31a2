from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.analysis.crossing import (
    EAST,
    EAST_WEST,
    NORTH_LEFT,
    NORTH_SOUTH,
    SOUTH,
    WEST,
    crossing,
)

from cityloop.analysis.approaches import approaches
from cityloop.analysis.arrivals import GRID_S
from cityloop.analysis.platoons import (
    FOLLOW_UP_S,
    HEADWAY_S,
    departures,
    gap_capacity,
    green_now,
    intergreens,
    may_follow,
    service_rates,
)
from cityloop.standards.signals import SignalBank

NETWORK = crossing()
LANES = approaches(NETWORK)
SATURATION = 1.0 / HEADWAY_S
FREE, AT_ONCE = np.ones(5), np.zeros((1, 2))


def waiting(**queues: float) -> np.ndarray:
    """Arrivals of vehicles that all wait now. Shape (S, K)."""
    rows = {"south": SOUTH, "east": EAST, "west": WEST, "left": NORTH_LEFT}
    out = np.zeros((5, len(GRID_S)))
    for name, queue in queues.items():
        out[rows[name]] = queue
    return out


cumulative = arrays(np.float64, (3, len(GRID_S)), elements=st.floats(0, 50)).map(
    lambda steps: np.cumsum(steps, axis=1)
)


@given(arrived=cumulative, capacity=cumulative)
def test_nobody_departs_before_arriving_nor_faster_than_capacity_allows(
    arrived: np.ndarray, capacity: np.ndarray
) -> None:
    served = departures(arrived, capacity)
    assert (served <= arrived + 1e-9).all()
    assert (np.diff(served, axis=1) <= np.diff(capacity, axis=1) + 1e-9).all()
    assert (np.diff(served, axis=1) >= -1e-9).all()


def test_a_long_queue_is_served_at_saturation() -> None:
    rates = service_rates(LANES, waiting(east=99, west=99), FREE, np.zeros(5), AT_ONCE)
    np.testing.assert_allclose(rates[0, EAST_WEST], 2 * SATURATION)


def test_changing_over_costs_its_time() -> None:
    arrived = waiting(east=4)
    kept = service_rates(LANES, arrived, FREE, np.zeros(5), AT_ONCE)
    changed = service_rates(LANES, arrived, FREE, np.full(5, 5.0), np.array([[0.0, 10.0]]))
    assert changed[0, EAST_WEST] < kept[0, EAST_WEST]
    assert changed[0, EAST_WEST] == pytest.approx((12 - 5) * SATURATION / 12)


def test_a_full_exit_serves_nobody() -> None:
    room = FREE.copy()
    room[EAST] = 0.0
    rates = service_rates(LANES, waiting(east=99), room, np.zeros(5), AT_ONCE)
    assert rates[0, EAST_WEST] == 0.0


def test_a_yielding_turn_waits_for_the_opposing_queue() -> None:
    alone = service_rates(LANES, waiting(left=5), FREE, np.zeros(5), AT_ONCE)
    opposed = service_rates(LANES, waiting(left=5, south=99), FREE, np.zeros(5), AT_ONCE)
    straight = service_rates(LANES, waiting(south=99), FREE, np.zeros(5), AT_ONCE)
    assert alone[0, NORTH_SOUTH] > 0.3
    assert opposed[0, NORTH_SOUTH] - straight[0, NORTH_SOUTH] < 0.2 * alone[0, NORTH_SOUTH]


def test_yielding_lanes_count_as_green_now() -> None:
    assert green_now(LANES, np.array([NORTH_SOUTH])).tolist() == [True, True, True, False, False]


def test_a_fixed_order_lets_only_the_next_phase_follow() -> None:
    crossing_ = NETWORK.bank.junctions[0]
    three = replace(crossing_, phases=(*crossing_.phases, crossing_.phases[0]), fixed_order=True)
    follow = may_follow(SignalBank((crossing_, three)))
    assert follow[0].tolist() == [[True, True, False], [True, True, False], [False] * 3]
    assert follow[1].tolist() == [[True, True, False], [False, True, True], [True, False, True]]


def test_the_intergreen_is_the_longest_yellow_that_ends_and_all_red() -> None:
    assert intergreens(NETWORK.bank)[0].tolist() == [[0.0, 3.0], [3.0, 0.0]]


@given(flow=st.floats(0, 3), more=st.floats(0.01, 1))
def test_gap_capacity_falls_as_the_opposing_flow_grows(flow: float, more: float) -> None:
    less, least = gap_capacity(flow), gap_capacity(flow + more)
    assert 0.0 <= least < less <= 1.0 / FOLLOW_UP_S
