from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cityloop.domains.mobility import signal_timing
from cityloop.evaluation.baseline import movement_flows, webster_plans
from cityloop.evaluation.harness import (
    GUARDED_MAX_PRESSURE,
    MAX_PRESSURE,
    PROGRAM_KINDS,
    Case,
    Failure,
    Result,
    Trial,
    run_trial,
    run_trials,
)
from cityloop.kernel.errors import ConfigError
from cityloop.twins.sumo.demand import read_demand
from cityloop.twins.sumo.network import read_network
from cityloop.twins.sumo.scenario import SumoScenario

LOOPS = {"cityloop": signal_timing.loop}


@pytest.fixture
def minutes(quarter: SumoScenario) -> Case:
    return Case("minutes", replace(quarter, end_s=240.0))


@pytest.mark.parametrize(
    "controller", ["plan", *PROGRAM_KINDS, MAX_PRESSURE, GUARDED_MAX_PRESSURE, "cityloop"]
)
def test_every_controller_drives_everybody_without_a_collision(
    minutes: Case, controller: str
) -> None:
    seen = run_trial(Trial(minutes, controller, 1), LOOPS)
    due = (read_demand(minutes.scenario).depart_s < 240.0).sum()
    assert seen.figures.departed + seen.figures.never_inserted == due
    assert seen.collisions == 0


@pytest.mark.parametrize("controller", ["webster", "cityloop"])
def test_a_mesoscopic_case_is_tried_like_any_other(minutes: Case, controller: str) -> None:
    queues = replace(minutes, scenario=replace(minutes.scenario, mesoscopic=True))
    seen = run_trial(Trial(queues, controller, 1), LOOPS).figures
    due = (read_demand(queues.scenario).depart_s < 240.0).sum()
    assert seen.departed + seen.never_inserted == due
    assert seen.finished > 0


def test_who_counts_vehicles_of_lanes_is_refused_where_lanes_tell_nothing(minutes: Case) -> None:
    queues = replace(minutes, scenario=replace(minutes.scenario, mesoscopic=True))
    with pytest.raises(ConfigError, match="leave it out"):
        run_trial(Trial(queues, MAX_PRESSURE, 1), LOOPS)


def test_the_same_trial_gives_the_same_trips(minutes: Case) -> None:
    once, again = (run_trial(Trial(minutes, "cityloop", 1), LOOPS).trips for _ in range(2))
    np.testing.assert_array_equal(once.arrived_s, again.arrived_s)
    np.testing.assert_array_equal(once.time_loss_s, again.time_loss_s)


def test_a_trial_that_fails_is_told_and_ends_nothing_else(minutes: Case) -> None:
    lost = Case("lost", replace(minutes.scenario, net=Path("nowhere.net.xml")))
    heard: list[Result | Failure] = []
    trials = [Trial(lost, "plan", 1), Trial(minutes, "plan", 1)]
    good, bad = run_trials(trials, LOOPS, jobs=2, tell=heard.append)
    assert [result.trial for result in good] == trials[1:]
    assert [failure.trial for failure in bad] == trials[:1]
    assert "nowhere.net.xml" in bad[0].error
    assert len(heard) == 2


def test_flows_count_every_planned_turn_at_a_signal(quarter: SumoScenario) -> None:
    network, demand = read_network(quarter.net), read_demand(quarter)
    flows = movement_flows(demand, quarter, network)
    roads = {k.from_lane.rpartition("_")[0] for j in network.bank.junctions for k in j.links}
    due = demand.depart_s < quarter.end_s
    turns = sum(
        road in roads for row in due.nonzero()[0].tolist() for road in demand.routes[row][:-1]
    )
    assert flows.sum() == pytest.approx(turns * 3600 / 900)


def test_websters_plans_keep_minimum_greens_and_serve_all_that_is_used(
    quarter: SumoScenario,
) -> None:
    network = read_network(quarter.net, min_green_s=10.0)
    for junction, plan in zip(network.bank.junctions, webster_plans(quarter, network), strict=True):
        served = {
            k for p in plan.phases for k, c in enumerate(junction.phases[p].state) if c != "r"
        }
        assert min(plan.greens_s) >= 10.0
        assert served == set(range(len(junction.links)))
