"""A detector is matched to the lane it stands on, and who is not sure says so."""

from math import cos, nan, sin

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cityloop.analysis.lane_match import Lanes, Match, match_lanes

# Two roads side by side, 12 m apart, one each way; the first has two lanes, 3.2 m wide.
LANES = Lanes(
    start=np.array([[0.0, 0.0], [100.0, 0.0], [0.0, 3.2], [200.0, 12.0]]),
    end=np.array([[100.0, 0.0], [200.0, 0.0], [200.0, 3.2], [0.0, 12.0]]),
    lane=np.array([0, 0, 1, 2]),
    along_m=np.array([0.0, 100.0, 0.0, 0.0]),
    road=np.array([0, 0, 1]),
    index=np.array([0, 1, 0]),
)


def match(x: float, y: float, bearing: float = nan, wanted: int = -1) -> Match:
    places = np.array([[x, y]])
    return match_lanes(places, np.array([bearing]), np.array([wanted]), LANES)[0]


@given(
    st.floats(5, 195), st.sampled_from([(0, 0.0, 90.0, 0), (1, 3.2, 90.0, 1), (2, 12.0, 270.0, 0)]),
    st.floats(0, 2.5), st.floats(0, 6.28), st.floats(-20, 20),
)  # fmt: skip
def test_who_tells_bearing_and_lane_is_matched_within_metres(
    x: float, lane: tuple[int, float, float, int], off_m: float, way: float, turned: float
) -> None:
    row, y, bearing, index = lane
    found = match(x + off_m * cos(way), y + off_m * sin(way), bearing + turned, index)
    assert (found.lane, found.doubt) == (row, "")
    along = found.along_m if row < 2 else 200 - found.along_m
    assert abs(along - x) <= 2.51
    assert found.confidence > 0.5


def test_the_bearing_tells_the_carriageway() -> None:
    assert match(50, 7.0, 90.0).lane in (0, 1)
    assert match(50, 7.0, 270.0).lane == 2


def test_between_two_roads_without_a_bearing_is_doubtful() -> None:
    found = match(50, 7.6)
    assert found.doubt == "another road is as near"
    assert found.confidence < 0.5


def test_between_two_lanes_is_doubtful() -> None:
    assert match(50, 1.6, 90.0).doubt == "the lane is a guess"


def test_a_lane_that_the_road_has_not_is_doubtful() -> None:
    assert match(50, 12.0, 270.0, wanted=3).doubt == "the road has no lane 3"


def test_far_from_any_lane_nothing_is_matched() -> None:
    found = match(50, 400.0)
    assert (found.lane, found.doubt, found.distance_m) == (-1, "no lane is near", 388.0)
