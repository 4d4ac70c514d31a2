from pathlib import Path

import numpy as np
import pytest

from cityloop.kernel.errors import ConfigError
from cityloop.standards.network import RoadNetwork
from cityloop.twins.sumo.network import read_network
from cityloop.twins.sumo.scenario import SumoScenario


def test_detectors_reach_over_an_uncontrolled_node_and_the_lanes_inside_it(
    crossing: SumoScenario,
) -> None:
    detectors = read_network(crossing.net, reach_m=200.0).detectors
    approach = {
        lane: (start, end)
        for lane, start, end, distance in zip(
            detectors.lanes, detectors.start_m, detectors.end_m, detectors.distance_m, strict=True
        )
        if np.isfinite(distance)
    }
    assert {"stub_0", "long_0", "lane_0", "down_0"} <= approach.keys()
    assert any(lane.startswith(":side") for lane in approach)
    start, end = approach["down_0"]
    assert end - start == pytest.approx(200.0)


def test_the_reach_is_measured_along_the_path(crossing: SumoScenario) -> None:
    detectors = read_network(crossing.net, reach_m=200.0).detectors
    row = detectors.lanes.index("long_0")
    seen = detectors.distance_m[row] + detectors.end_m[row] - detectors.start_m[row]
    assert seen == pytest.approx(200.0)


def test_shares_of_a_detector_over_the_movements_of_a_junction_sum_to_one(
    gudang: RoadNetwork,
) -> None:
    movements, detectors, shares = gudang.feeds
    keys = movements // gudang.bank.shape[2] * len(gudang.detector_ids) + detectors
    totals = np.bincount(keys, shares)
    assert np.allclose(totals[totals > 0], 1.0)


def test_each_movement_onto_a_road_that_leads_on_is_seen_behind_the_junction(
    gudang: RoadNetwork,
) -> None:
    width = gudang.bank.shape[2]
    seen = set(gudang.leaves[0].tolist())
    for j, junction in enumerate(gudang.bank.junctions):
        for k, link in enumerate(junction.links):
            leads_on = "J" in link.to_lane.split("-")[1]
            assert (j * width + k in seen) == leads_on


def test_pieces_behind_a_junction_begin_where_the_lane_begins(gudang: RoadNetwork) -> None:
    behind = gudang.leaves[1]
    assert np.all(gudang.detectors.start_m[behind] == 0.0)


def test_every_movement_of_vehicles_has_a_stop_line(gudang: RoadNetwork) -> None:
    assert np.all(
        (gudang.stop_line_of >= 0).reshape(gudang.bank.has_link.shape) == gudang.bank.has_link
    )


def test_yellow_follows_the_speed_of_the_approach(crossing: SumoScenario) -> None:
    (junction,) = read_network(crossing.net).bank.junctions
    yellow = {
        link.from_lane: span for link, span in zip(junction.links, junction.yellow_s, strict=True)
    }
    assert yellow == {"stub_0": 3.0, "down_0": 5.0}


def test_the_shipped_intergreen_of_hangzhou_is_kept(gudang: RoadNetwork) -> None:
    for junction in gudang.bank.junctions:
        assert max(junction.yellow_s) + junction.all_red_s == 5.0


def test_no_two_crossing_links_are_both_protected(gudang: RoadNetwork) -> None:
    protected = gudang.bank.green == 2
    both = protected[:, :, :, None] & protected[:, :, None, :]
    assert not (both & gudang.bank.foes[:, None]).any()


def test_a_missing_network_is_named() -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.net\.xml"):
        read_network(Path("nowhere.net.xml"))


def test_a_file_that_is_no_network_is_refused(crossing: SumoScenario) -> None:
    with pytest.raises(ConfigError, match="its root is <routes>"):
        read_network(crossing.routes[0])


@pytest.mark.parametrize(
    "name",
    [
        "cologne1/cologne1",
        "cologne3/cologne3",
        "cologne8/cologne8",
        "ingolstadt1/ingolstadt1",
        "ingolstadt7/ingolstadt7",
        "jinan/jinan",
        "bologna/acosta/acosta_buslanes",
        "nanchang/nc3",
    ],
)
def test_recorded_networks_are_read_with_no_open_conflict(data_dir: Path, name: str) -> None:
    bank = read_network(data_dir / "traffic" / f"{name}.net.xml").bank
    green = bank.green > 0
    both = green[:, :, :, None] & green[:, :, None, :]
    settled = bank.yields | bank.yields.transpose(0, 2, 1)
    assert not (both & (bank.foes & ~settled)[:, None]).any()


def test_plans_of_an_additional_file_go_before_those_of_the_network(data_dir: Path) -> None:
    folder = data_dir / "traffic" / "bologna" / "acosta"
    network = read_network(
        folder / "acosta_buslanes.net.xml", additional=[folder / "acosta_tls.add.xml"]
    )
    junction = next(j for j in network.bank.junctions if j.id == "209")
    assert [phase.state for phase in junction.phases] == ["GrGGGGg", "rGrrrrr"]
