import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.analysis.crossing import EAST, EAST_WEST, NORTH, NORTH_SOUTH, SOUTH, WEST, crossing

from cityloop.analysis.webster import CYCLE_S, LOST_AT_START_S, SATURATION_VPH, Plan, plans

NETWORK = crossing()


def flows(**vph: float) -> np.ndarray:
    rows = {"north": NORTH, "south": SOUTH, "east": EAST, "west": WEST}
    out = np.zeros(5)
    for name, flow in vph.items():
        out[rows[name]] = flow
    return out


def plan(flow: np.ndarray) -> Plan:
    return plans(NETWORK.bank, NETWORK.stop_line_of, flow)[0]


def test_the_cycle_is_websters() -> None:
    seen = plan(flows(north=540, south=360, east=720, west=100))
    lost = 2 * (3.0 + LOST_AT_START_S)
    load = (540 + 720) / SATURATION_VPH
    assert seen.cycle_s == pytest.approx((1.5 * lost + 5) / (1 - load), abs=1.0)


def test_green_is_shared_by_critical_flow_ratio() -> None:
    seen = plan(flows(north=300, east=900))
    green = dict(zip(seen.phases, seen.greens_s, strict=True))
    assert green[EAST_WEST] == pytest.approx(3 * green[NORTH_SOUTH], abs=2.0)


@given(st.lists(st.floats(0, 3000), min_size=5, max_size=5))
def test_every_plan_serves_every_lane_for_its_minimum_green(flow: list[float]) -> None:
    seen = plan(np.array(flow))
    assert sorted(seen.phases) == [NORTH_SOUTH, EAST_WEST]
    assert min(seen.greens_s) >= 7.0
    assert seen.cycle_s <= CYCLE_S[1] + 2 * 7.0
    assert seen.cycle_s == pytest.approx(sum(seen.greens_s) + 6.0)
