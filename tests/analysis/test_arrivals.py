import numpy as np
from tests.analysis.crossing import NORTH, crossing

from cityloop.analysis.approaches import approaches
from cityloop.analysis.arrivals import AGES, GRID_S, arrivals, entries, reach

NETWORK = crossing()
LANES = approaches(NETWORK)
SEEN = reach(NETWORK, LANES)
ONES = LANES.feeds.weights


def vehicles(north: float) -> np.ndarray:
    out = np.zeros(10)
    out[NORTH] = north
    return out


def by(seconds: float) -> int:
    return int(np.searchsorted(GRID_S, seconds))


def test_who_came_onto_the_piece_is_remembered_second_by_second() -> None:
    entered = np.zeros((5, AGES))
    entered = entries(SEEN, vehicles(0), vehicles(2), np.zeros(5), entered)
    entered = entries(SEEN, vehicles(2), vehicles(2), np.array([1.0, 0, 0, 0, 0]), entered)
    assert entered[NORTH, :3].tolist() == [1.0, 2.0, 0.0]


def test_a_vehicle_that_just_came_in_arrives_after_the_whole_reach() -> None:
    entered = np.zeros((5, AGES))
    entered[NORTH, 0] = 1.0
    curve = arrivals(SEEN, ONES, vehicles(0), vehicles(1), entered)[NORTH]
    assert curve[by(18.0)] == 0.0  # 200 m at 10 m/s
    assert curve[by(21.0)] == 1.0


def test_standing_vehicles_are_there_at_once() -> None:
    curve = arrivals(SEEN, ONES, vehicles(4), vehicles(0), np.zeros((5, AGES)))[NORTH]
    assert curve[0] == 4.0


def test_moving_vehicles_of_unknown_entry_may_be_anywhere_on_the_piece() -> None:
    curve = arrivals(SEEN, ONES, vehicles(0), vehicles(2), np.zeros((5, AGES)))[NORTH]
    assert curve[by(10.0)] == 1.0
    assert curve[-1] == 2.0
