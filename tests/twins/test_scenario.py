from pathlib import Path

import pytest

from cityloop.kernel.errors import ConfigError
from cityloop.twins.sumo.additional import silence_outputs
from cityloop.twins.sumo.demand import Demand, read_demand
from cityloop.twins.sumo.scenario import SumoScenario, read_scenario

VEHICLE = '<vehicle id="v" depart="{}"><route edges="a b"/></vehicle>'


def files(folder: Path, *items: str) -> tuple[Path, Path]:
    net, routes = folder / "x.net.xml", folder / "x.rou.xml"
    net.write_text("<net/>", encoding="utf-8")
    routes.write_text(f"<routes>{''.join(items)}</routes>", encoding="utf-8")
    return net, routes


def demand(folder: Path, *items: str) -> Demand:
    net, routes = files(folder, *items)
    return read_demand(SumoScenario(net, (routes,)))


def test_a_pair_of_files_runs_an_hour_from_the_first_departure(tmp_path: Path) -> None:
    net, routes = files(tmp_path, VEHICLE.format("25200.50"))
    scenario = read_scenario(f"{net},{routes}")
    assert (scenario.begin_s, scenario.end_s) == (25200.0, 28800.5)


def test_a_third_file_is_an_additional_one(tmp_path: Path) -> None:
    net, routes = files(tmp_path, VEHICLE.format("0"))
    more = tmp_path / "x.add.xml"
    more.write_text("<additional/>", encoding="utf-8")
    assert read_scenario(f"{net},{routes},{more}").additional == (more,)


def test_a_configuration_gives_files_beside_it_and_its_hour(tmp_path: Path) -> None:
    files(tmp_path, VEHICLE.format("0"))
    config = tmp_path / "x.sumocfg"
    config.write_text(
        '<configuration><input><net-file value="x.net.xml"/>'
        '<route-files value="x.rou.xml"/></input><time><begin value="07:00:00"/>'
        '<end value="28800"/></time></configuration>',
        encoding="utf-8",
    )
    scenario = read_scenario(str(config))
    assert scenario.routes == (tmp_path / "x.rou.xml",)
    assert (scenario.begin_s, scenario.end_s) == (25200.0, 28800.0)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    net, _ = files(tmp_path)
    with pytest.raises(ConfigError, match=r"gone\.rou\.xml does not exist"):
        read_scenario(f"{net},{tmp_path}/gone.rou.xml")


def test_vehicles_stand_in_order_of_departure(tmp_path: Path) -> None:
    found = demand(tmp_path, VEHICLE.format("9"), VEHICLE.format("3").replace('"v"', '"w"'))
    assert (found.ids, found.depart_s.tolist()) == (("w", "v"), [3.0, 9.0])


@pytest.mark.parametrize(
    ("rate", "departures"),
    [
        ('period="8"', [3, 11, 19, 27]),
        ('number="3"', [3, 12, 21]),
        ('vehsPerHour="400"', [3, 12, 21]),
    ],
)
def test_a_regular_flow_departs_evenly(tmp_path: Path, rate: str, departures: list[float]) -> None:
    flow = f'<flow id="f" begin="3" end="30" {rate}><route edges="a b"/></flow>'
    assert demand(tmp_path, flow).depart_s.tolist() == departures


def test_trips_are_routed_on_the_network(crossing: SumoScenario, tmp_path: Path) -> None:
    routes = tmp_path / "t.rou.xml"
    routes.write_text(
        '<routes><trip id="t" depart="5" from="long" to="out"/></routes>', encoding="utf-8"
    )
    found = read_demand(SumoScenario(crossing.net, (routes,)))
    assert found.routes == (("long", "stub", "out"),)


def test_a_vehicle_without_a_route_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="vehicle v has no route"):
        demand(tmp_path, '<vehicle id="v" depart="1"/>')


def test_detectors_of_others_write_nothing(tmp_path: Path) -> None:
    path = tmp_path / "d.add.xml"
    path.write_text('<a><e1Detector id="e" lane="l" pos="1" file="out.xml"/></a>', encoding="utf-8")
    copies = tmp_path / "copies"
    copies.mkdir()
    assert "out.xml" not in silence_outputs(path, copies).read_text(encoding="utf-8")
