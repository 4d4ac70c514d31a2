import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.analysis.crossing import EAST, EAST_WEST, NORTH_LEFT, NORTH_SOUTH, SOUTH, crossing

from cityloop.analysis.approaches import approaches
from cityloop.analysis.max_pressure import (
    DISCHARGE_S,
    FOLLOW_UP_S,
    gap_capacity,
    gap_weights,
    lane_pressures,
    link_pressures,
)

LANES = approaches(crossing())
NONE, FREE = np.zeros(5), np.ones(5)


def at(lane: int, vehicles: float) -> np.ndarray:
    out = np.zeros(5)
    out[lane] = vehicles
    return out


def test_the_textbook_pressure_is_vehicles_before_less_vehicles_behind() -> None:
    green = np.array([[[True, True, False], [False, False, True]]])
    pressure = link_pressures(green, np.array([[5.0, 3.0, 4.0]]), np.array([[1.0, 0.0, 6.0]]))
    assert pressure.tolist() == [[7.0, -2.0]]


def test_approaching_vehicles_press_by_their_weight() -> None:
    pressure = lane_pressures(LANES, at(EAST, 4), at(EAST, 6), FREE, approaching_weight=0.5)
    assert pressure.tolist() == [[0.0, 7.0]]


def test_a_full_exit_presses_not() -> None:
    assert lane_pressures(LANES, at(EAST, 9), NONE, FREE - at(EAST, 1))[0, EAST_WEST] == 0.0


def test_a_turn_against_a_standing_queue_presses_less_than_one_with_the_road_free() -> None:
    alone = lane_pressures(LANES, at(NORTH_LEFT, 5), NONE, FREE)[0, NORTH_SOUTH]
    opposed = lane_pressures(LANES, at(NORTH_LEFT, 5) + at(SOUTH, 10), NONE, FREE)[0, NORTH_SOUTH]
    assert alone == pytest.approx(5 * DISCHARGE_S / FOLLOW_UP_S, rel=1e-4)
    assert opposed - 10 < 0.5 * alone


@given(flow=st.floats(0, 3), more=st.floats(0.01, 1))
def test_gap_capacity_falls_as_the_opposing_flow_grows(flow: float, more: float) -> None:
    less, least = gap_capacity(np.array([flow, flow + more]))
    assert 0.0 <= least < less <= 1.0 / FOLLOW_UP_S


def test_no_gap_while_the_opposing_queue_needs_all_the_time() -> None:
    assert gap_weights(LANES.opposing, 1, at(SOUTH, 15), NONE).tolist() == [0.0]
