from pathlib import Path

import numpy as np
import pytest

from cityloop.evaluation.harness import Case, Trial, run_trial
from cityloop.evaluation.metrics import figures, read_trips
from cityloop.kernel.clock import CityTime
from cityloop.twins.sumo.network import read_network
from cityloop.twins.sumo.scenario import SumoScenario
from cityloop.twins.sumo.twin import SumoTwin

TRIPINFO = """<tripinfos>
    <tripinfo id="arrived" depart="110.00" departDelay="10.00" arrival="160.00" timeLoss="20.00"
        waitingCount="2"/>
    <tripinfo id="driving" depart="150.00" departDelay="0.00" arrival="-1.00" timeLoss="30.00"
        waitingCount="1"/>
    <tripinfo id="waiting" depart="-1" departDelay="60.00" arrival="-1.00" timeLoss="0.00"
        waitingCount="0"/>
</tripinfos>"""


@pytest.fixture
def tripinfo(tmp_path: Path) -> Path:
    path = tmp_path / "tripinfo.xml"
    path.write_text(TRIPINFO)
    return path


def test_travel_time_runs_from_planned_departure_to_arrival_or_the_horizon(tripinfo: Path) -> None:
    seen = read_trips(tripinfo, 200.0)
    assert dict(zip(seen.ids, seen.travel_s.tolist(), strict=True)) == {
        "arrived": 60.0,
        "driving": 50.0,
        "waiting": 60.0,
    }
    assert figures(seen).att_all_s == pytest.approx(170 / 3)


def test_delay_is_time_loss_and_departure_delay_never_inserted_vehicles_included(
    tripinfo: Path,
) -> None:
    assert figures(read_trips(tripinfo, 200.0)).resco_delay_s == pytest.approx((30 + 30 + 60) / 3)


def test_finished_departed_and_never_inserted_are_counted_apart(tripinfo: Path) -> None:
    seen = figures(read_trips(tripinfo, 200.0))
    assert (seen.finished, seen.departed, seen.never_inserted) == (1, 2, 1)
    assert seen.stops_per_vehicle == 1.0


def test_att_all_agrees_with_departures_planned_and_arrivals_watched(quarter: SumoScenario) -> None:
    trial = Trial(Case("quarter", quarter), "plan", 3)
    told = run_trial(trial, {}).figures
    twin = SumoTwin(
        quarter,
        read_network(quarter.net),
        run="watched",
        seed=3,
        start=CityTime(0),
        cabinets=None,
    )
    try:
        for _ in range(900):
            twin.step()
        truth, planned = twin.truth(), twin.planned_departures_s
    finally:
        twin.close()
    ended = np.full(len(planned), 900.0)
    ended[truth.arrived] = truth.arrival_s
    assert told.finished == len(truth.arrived)
    assert told.departed + told.never_inserted == len(planned)
    assert told.att_all_s == pytest.approx((ended - planned).mean(), abs=1.0)
