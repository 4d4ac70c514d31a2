"""The decent baseline: Webster's plans for the demand that a scenario plans."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from cityloop.analysis.webster import Plan, plans
from cityloop.standards.network import RoadNetwork
from cityloop.twins.sumo.demand import Demand, read_demand
from cityloop.twins.sumo.scenario import SumoScenario

Floats = npt.NDArray[np.float64]


def webster_plans(scenario: SumoScenario, network: RoadNetwork) -> tuple[Plan, ...]:
    """One fixed-time plan per junction, from the very demand that will be driven.

    It knows the hour in advance, which no plan in a street does: a baseline that flatters itself.
    """
    flows = movement_flows(read_demand(scenario), scenario, network)
    return plans(network.bank, network.stop_line_of, flows)


def movement_flows(demand: Demand, scenario: SumoScenario, network: RoadNetwork) -> Floats:
    """Vehicles per hour of each movement, (J * L,), those of a turn split over its lanes evenly.

    Counted by planned route over the hours of the scenario, however late a vehicle would come.
    """
    due = (demand.depart_s >= scenario.begin_s) & (demand.depart_s < scenario.end_s)
    turns: dict[tuple[str, str], int] = {}
    for row in due.nonzero()[0].tolist():
        route = demand.routes[row]
        for turn in pairwise(route):
            turns[turn] = turns.get(turn, 0) + 1
    hours = (scenario.end_s - scenario.begin_s) / 3600.0
    _, _, width = network.bank.shape
    flow = np.zeros(len(network.bank.junctions) * width)
    for j, junction in enumerate(network.bank.junctions):
        roads = [(_road(link.from_lane), _road(link.to_lane)) for link in junction.links]
        for k, turn in enumerate(roads):
            flow[j * width + k] = turns.get(turn, 0) / roads.count(turn) / hours
    return flow


def _road(lane: str) -> str:
    return lane.rpartition("_")[0]
