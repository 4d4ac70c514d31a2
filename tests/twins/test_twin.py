from collections.abc import Callable, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from cityloop.kernel.clock import CityTime, after
from cityloop.kernel.errors import BusyError, ConfigError
from cityloop.kernel.frame import Frame
from cityloop.kernel.loop import Orders, Priority
from cityloop.standards.network import RoadNetwork
from cityloop.twins.sumo.network import read_network
from cityloop.twins.sumo.scenario import SumoScenario
from cityloop.twins.sumo.twin import SumoTwin

START = CityTime(1_523_844_000_000)
Launch = Callable[..., SumoTwin]


@pytest.fixture(scope="module")
def network(crossing: SumoScenario) -> RoadNetwork:
    return read_network(crossing.net)


def order(at: CityTime, action: int) -> Orders:
    rows, actions = np.array([0]), np.array([action])
    return Orders(at, after(at, 5.0), 1, Priority.OPTIMISATION, rows, actions)


def readings(frames: Sequence[Frame]) -> list[list[object]]:
    return [c.values.tolist() for frame in frames for c in frame.columns.values()]


def test_a_second_simulation_in_the_process_is_refused(
    crossing: SumoScenario, network: RoadNetwork, launch: Launch
) -> None:
    launch(crossing, network)
    with pytest.raises(BusyError, match="in its own"):
        launch(crossing, network)


def test_what_sumo_cannot_start_is_told(
    crossing: SumoScenario, network: RoadNetwork, tmp_path: Path, launch: Launch
) -> None:
    bad = tmp_path / "bad.add.xml"
    bad.write_text('<additional><busStop id="s" lane="nowhere_0"/></additional>', encoding="utf-8")
    with pytest.raises(ConfigError, match="nowhere_0"):
        launch(crossing.with_additional(bad), network)


def test_each_step_gives_all_four_frames_at_the_new_second(
    crossing: SumoScenario, network: RoadNetwork, launch: Launch
) -> None:
    frames = launch(crossing, network).step()
    types = ["LaneDetector", "StopLineDetector", "EntryQueue", "SignalController"]
    assert [frame.type for frame in frames] == types
    assert {(frame.run, frame.observed_at) for frame in frames} == {("r1", after(START, 1))}


def test_the_same_seed_and_orders_give_the_same_readings(
    crossing: SumoScenario, network: RoadNetwork, launch: Launch
) -> None:
    runs = []
    for _ in range(2):
        twin = launch(crossing, network, seed=3)
        runs.append([readings(twin.step([order(twin.now, 1)])) for _ in range(150)])
        twin.close()
    assert runs[0] == runs[1]


def test_every_vehicle_that_arrived_was_counted_at_its_stop_line(
    crossing: SumoScenario, network: RoadNetwork, launch: Launch
) -> None:
    twin = launch(crossing, network)
    counted = sum(int(twin.step()[1]["vehicleCount"].sum()) for _ in range(600))
    assert len(twin.truth().arrived) == len(twin.planned_departures_s) == counted


def test_speed_is_null_where_nobody_drives(
    crossing: SumoScenario, network: RoadNetwork, launch: Launch
) -> None:
    lanes = launch(crossing, network).sense()[0]
    assert lanes.columns["meanSpeed"].null.all()


def test_those_who_cannot_enter_wait_in_the_entry_queue(
    crossing: SumoScenario, network: RoadNetwork, tmp_path: Path, launch: Launch
) -> None:
    routes = tmp_path / "crowd.rou.xml"
    flow = '<flow id="f" begin="0" end="60" period="0.5"><route edges="down gone"/></flow>'
    routes.write_text(f"<routes>{flow}</routes>", encoding="utf-8")
    twin = launch(SumoScenario(crossing.net, (routes,), (), 0.0, 300.0), network)
    for _ in range(60):
        frames = twin.step()
    assert frames[2].ids.names == ("urn:ngsi-ld:EntryQueue:down",)
    assert frames[2]["vehicleCount"][0] == twin.truth().waiting > 0


def test_an_order_changes_the_phase_through_its_clearance(
    crossing: SumoScenario, network: RoadNetwork, launch: Launch
) -> None:
    twin = launch(crossing, network)
    for _ in range(10):
        (*_, before) = twin.step([order(twin.now, 0)])
    stages = []
    for _ in range(12):
        (*_, signals) = twin.step([order(twin.now, 1)])
        stages.append(int(signals["stage"][0]))
    assert int(before["phase"][0]) == 0
    assert stages[0] == 1
    assert (stages[-1], int(signals["phase"][0]), int(signals["inCharge"][0])) == (0, 1, 1)


def test_without_orders_the_local_plan_serves_every_approach(
    crossing: SumoScenario, network: RoadNetwork, launch: Launch
) -> None:
    twin = launch(crossing, network)
    greens = {
        (int(f["phase"][0]), int(f["stage"][0])) for *_, f in (twin.step() for _ in range(150))
    }
    assert {(0, 0), (1, 0)} <= greens


def test_arrivals_agree_with_the_trip_records_of_sumo(
    crossing: SumoScenario, network: RoadNetwork, tmp_path: Path, launch: Launch
) -> None:
    twin = launch(crossing, network, tripinfo=tmp_path / "trips.xml")
    for _ in range(200):
        twin.step()
    truth = twin.truth()
    told = dict(zip((twin.vehicle_ids[r] for r in truth.arrived), truth.arrival_s, strict=True))
    twin.close()
    trips = ET.parse(tmp_path / "trips.xml").getroot()
    arrived = {t.get("id"): float(t.get("arrival")) for t in trips if float(t.get("arrival")) >= 0}
    assert told == arrived


def test_no_vehicle_arrives_much_sooner_than_on_an_empty_road(
    crossing: SumoScenario, network: RoadNetwork, launch: Launch
) -> None:
    twin = launch(crossing, network)
    free_s = twin.free_flow_s()
    for _ in range(200):
        twin.step()
    truth = twin.truth()
    travel_s = truth.arrival_s - twin.planned_departures_s[truth.arrived]
    assert len(travel_s) > 0
    assert (travel_s > 0.8 * free_s[truth.arrived]).all()  # some drive faster than the limit


def test_positions_are_those_of_the_vehicles_that_drive(
    crossing: SumoScenario, network: RoadNetwork, launch: Launch
) -> None:
    twin = launch(crossing, network)
    for _ in range(30):
        twin.step()
    positions = twin.positions()
    assert len(positions.ids) == twin.truth().vehicles > 0
    assert len(positions.x) == len(positions.speed) == len(positions.ids)


def test_hangzhou_runs_without_a_collision_on_its_local_plan(
    hangzhou: SumoScenario, gudang: RoadNetwork, launch: Launch
) -> None:
    twin = launch(hangzhou, gudang)
    for _ in range(400):
        twin.step()
    truth = twin.truth()
    assert (truth.collisions, truth.emergency_stops) == (0, 0)
    assert truth.vehicles > 100
