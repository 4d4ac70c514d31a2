from pathlib import Path

import pytest

from cityloop.standards.network import RoadNetwork
from cityloop.standards.signals import Junction, Link, Phase
from cityloop.twins.sumo.network import read_network
from cityloop.twins.sumo.programs import Kind, clearance, shipped_plans, write_programs
from cityloop.twins.sumo.scenario import SumoScenario


def junction(*states: str, yellow_s: tuple[float, ...], crossing_m: float = 0.0) -> Junction:
    none: frozenset[int] = frozenset()
    links = [Link("a_0", "b_0", "", "s", 13.9, none, none) for _ in yellow_s]
    links[-1] = Link("w_0", "c_0", "", "s", 1.0, none, none, crossing_m=crossing_m)
    phases = tuple(Phase(state, 20.0) for state in states)
    return Junction("x", 0, 0, tuple(links), phases, (7.0,) * len(phases), yellow_s, all_red_s=2.0)


def test_each_link_shows_its_own_yellow_then_all_red() -> None:
    crossroads = junction("GGr", "rrG", yellow_s=(3.0, 5.0, 3.0))
    assert list(clearance(crossroads, 0, 1)) == [("yyr", 3.0), ("ryr", 2.0), ("rrr", 2.0)]


def test_a_link_green_on_both_sides_stays_green_and_yields() -> None:
    crossroads = junction("GGr", "grG", yellow_s=(3.0, 3.0, 3.0))
    assert list(clearance(crossroads, 0, 1)) == [("gyr", 3.0), ("grr", 2.0)]


def test_nothing_that_ends_needs_no_clearance() -> None:
    assert list(clearance(junction("Grr", "GGr", yellow_s=(3.0, 3.0, 3.0)), 0, 1)) == []


def test_a_crossing_turns_red_at_once_and_is_given_time_to_clear() -> None:
    crossroads = junction("rrG", "GGr", yellow_s=(3.0, 3.0, 0.0), crossing_m=12.0)
    assert list(clearance(crossroads, 0, 1)) == [("rrr", 10.0)]


@pytest.mark.parametrize("kind", ["static", "actuated", "delay_based"])
def test_sumo_runs_the_programs(
    crossing: SumoScenario, tmp_path: Path, launch: object, kind: Kind
) -> None:
    network = read_network(crossing.net)
    programs = write_programs(
        network.bank, shipped_plans(network.bank), tmp_path / "p.add.xml", kind=kind
    )
    twin = launch(crossing.with_additional(programs), network, guarded=False)
    stages = {int(twin.step()[3]["stage"][0]) for _ in range(120)}
    assert {0, 1} <= stages


def test_a_junction_without_a_plan_is_named(gudang: RoadNetwork, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="J11 has no phase"):
        write_programs(gudang.bank, [[]] * 16, tmp_path / "p.add.xml")
