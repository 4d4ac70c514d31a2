import numpy as np
from tests.analysis.crossing import NORTH, NORTH_LEFT, SOUTH, crossing

from cityloop.analysis.approaches import approaches


def test_a_yielding_link_knows_the_protected_lane_it_yields_to() -> None:
    lanes = approaches(crossing())
    assert lanes.permissive.columns.tolist() == [NORTH_LEFT]
    assert lanes.opposing.columns.tolist() == [SOUTH]


def test_a_shared_detector_divides_its_vehicles_as_they_are_counted() -> None:
    lanes = approaches(crossing(shared_detector=True))
    flow = np.array([3.0, 1.0, 1.0, 1.0, 1.0])
    weights = lanes.learned_weights(flow)
    by_lane = dict(zip(lanes.feeds.rows.tolist(), weights.tolist(), strict=True))
    assert by_lane[NORTH] == 0.75
    assert by_lane[NORTH_LEFT] == 0.25


def test_an_exit_is_free_until_half_full_of_standing_vehicles_and_closed_when_full() -> None:
    network = crossing()
    lanes = approaches(network)
    standing = np.zeros(10)
    standing[5:8] = 13.0, 19.5, 26.0
    free = lanes.exits_free(standing, network.exit_room)
    np.testing.assert_allclose(free, [1.0, 0.5, 0.0, 1.0, 1.0])
