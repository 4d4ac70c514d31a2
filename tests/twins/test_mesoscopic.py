from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import libsumo
import numpy as np
import pytest

from cityloop.kernel.clock import CityTime, after
from cityloop.kernel.frame import Frame
from cityloop.kernel.loop import Orders, Priority
from cityloop.standards.network import RoadNetwork
from cityloop.twins.sumo.network import read_network
from cityloop.twins.sumo.scenario import SumoScenario, read_scenario
from cityloop.twins.sumo.twin import SumoTwin

Launch = Callable[..., SumoTwin]


@pytest.fixture(scope="module")
def queues(crossing: SumoScenario) -> SumoScenario:
    return replace(crossing, mesoscopic=True)


@pytest.fixture(scope="module")
def network(queues: SumoScenario) -> RoadNetwork:
    return read_network(queues.net, segment_m=queues.segment_m)


def of(frames: Sequence[Frame], type_: str) -> Frame:
    return next(frame for frame in frames if frame.type == type_)


def hold(at: CityTime, phase: int) -> Orders:
    rows, actions = np.array([0]), np.array([phase])
    return Orders(at, after(at, 5.0), 1, Priority.OPTIMISATION, rows, actions)


def test_a_configuration_that_says_so_is_mesoscopic(crossing: SumoScenario, tmp_path: Path) -> None:
    config = tmp_path / "x.sumocfg"
    config.write_text(
        f'<configuration><net-file value="{crossing.net}"/><route-files '
        f'value="{crossing.routes[0]}"/><mesosim value="true"/></configuration>',
        encoding="utf-8",
    )
    assert read_scenario(str(config)).mesoscopic
    assert not read_scenario(f"{crossing.net},{crossing.routes[0]}").mesoscopic


def test_detectors_see_whole_segments(network: RoadNetwork) -> None:
    pieces = network.detectors
    seen = {
        lane: (pieces.start_m[row], pieces.end_m[row])
        for row, lane in enumerate(pieces.lanes)
        if np.isfinite(pieces.distance_m[row])
    }
    # 300 m are three segments, of which two are about the 200 m that detectors reach.
    start, end = seen["down_0"]
    assert start == pytest.approx(end / 3, abs=0.1)


def test_every_vehicle_within_reach_is_counted_where_it_is(
    queues: SumoScenario, network: RoadNetwork, launch: Launch
) -> None:
    twin = launch(queues, network)
    down = network.detectors.lanes.index("down_0")
    for _ in range(120):
        frames = twin.step()
        segments = [
            libsumo.vehicle.getSegmentIndex(vehicle)
            for vehicle in libsumo.edge.getLastStepVehicleIDs("down")
        ]
        assert segments == sorted(segments)  # what spares asking those between
        counted = of(frames, "LaneDetector")["vehicleCount"][down]
        assert counted == sum(segment >= 1 for segment in segments)


def test_nobody_passes_a_red_light_and_a_queue_forms(
    queues: SumoScenario, network: RoadNetwork, launch: Launch
) -> None:
    twin = launch(queues, network)
    line, down = (
        names.index("down_0") for names in (network.stop_lines.lanes, network.detectors.lanes)
    )
    red = _red_for(network, "down_0")
    seen = [twin.step([hold(twin.now, red)]) for _ in range(80)]
    passed = [int(of(frames, "StopLineDetector")["vehicleCount"][line]) for frames in seen]
    held = [of(frames, "SignalController")["stageAge"][0] for frames in seen]
    assert sum(count for count, age in zip(passed, held, strict=True) if age >= 5) == 0
    assert of(seen[-1], "LaneDetector")["queueLength"][down] > 5


def test_every_vehicle_that_arrived_was_counted_at_its_stop_line(
    queues: SumoScenario, network: RoadNetwork, launch: Launch
) -> None:
    twin = launch(queues, network)
    counted = sum(
        int(of(twin.step(), "StopLineDetector")["vehicleCount"].sum()) for _ in range(600)
    )
    assert len(twin.truth().arrived) == len(twin.planned_departures_s) == counted


def _red_for(network: RoadNetwork, lane: str) -> int:
    """The phase that shows red to ``lane``."""
    (junction,) = network.bank.junctions
    link = next(k for k, link in enumerate(junction.links) if link.from_lane == lane)
    return next(p for p, phase in enumerate(junction.phases) if phase.state[link] == "r")


def test_the_same_orders_give_the_same_run(
    queues: SumoScenario, network: RoadNetwork, launch: Launch
) -> None:
    def run() -> list[object]:
        twin = launch(queues, network)
        told = [
            column.values.tolist()
            for _ in range(60)
            for frame in twin.step()
            for column in frame.columns.values()
        ]
        twin.close()
        return told

    assert run() == run()
