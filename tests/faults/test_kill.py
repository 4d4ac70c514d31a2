"""kill -9 at any moment: nothing acknowledged is missing, nothing is done twice."""

import random
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil
import pytest
from tests.faults.memory import memory_differs
from tests.faults.running import HANGZHOU, TENANT, running, until

from cityloop.city.clock import wall_time
from cityloop.city.memory import CHECKPOINT
from cityloop.interconnection.tenant import Tenant, open_tenant
from cityloop.kernel.ports import Position


@pytest.fixture(scope="module")
def killed(unused_port: int, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of a city whose hub and twin were killed again and again, then stopped."""
    data = tmp_path_factory.mktemp("killed")
    kill_often(data, unused_port, hub_kills=3, twin_kills=2)
    return data


def kill_often(data: Path, port: int, *, hub_kills: int, twin_kills: int) -> None:
    names = ["hub"] * hub_kills + ["twin"] * twin_kills
    random.Random(7).shuffle(names)
    with running(data, port, *FAST) as city:
        made = 0
        for name in names:
            made = city.wait_decisions(made)["decisions_total"] + 40
            made = city.wait_decisions(made)["decisions_total"]
            city.wait_reborn(name, city.kill(name))
        city.wait_decisions(made + 40)
        city.stop()


FAST = ("--speed", "max", "--no-baseline")


@pytest.fixture
def tenant(killed: Path) -> Tenant:
    return open_tenant(killed, TENANT, wall_time)


def test_every_acknowledged_tick_is_in_the_log_exactly_once(tenant: Tenant) -> None:
    assert ticks_are_whole(tenant) >= 3


def ticks_are_whole(tenant: Tenant) -> int:
    """How many runs the log holds; each without a gap or a repeat."""
    sequences = defaultdict(list)
    for commit in tenant.log.read(Position(0)):
        if commit.batch.source == "twin":
            sequences[commit.batch.run].append(commit.batch.sequence)
    for run, seen in sequences.items():
        assert seen == list(range(1, len(seen) + 1)), f"run {run} has gaps or repeats"
    return len(sequences)


def test_no_decision_is_recorded_or_carried_out_twice(tenant: Tenant) -> None:
    nothing_is_done_twice(tenant)


def nothing_is_done_twice(tenant: Tenant) -> None:
    decided: list[str] = []
    carried_out: dict[str, list[np.ndarray]] = defaultdict(list)
    for commit in tenant.log.read(Position(0)):
        for part in commit.batch.frames:
            if part.type == "Decision":
                decided.extend(part.ids)
            if part.type == "SignalController":
                carried_out[part.run].append(part["lastOrderAt"])
    assert len(decided) == len(set(decided))
    for taken in carried_out.values():
        assert all((after >= before).all() for before, after in pairwise(taken))


def test_memory_equals_that_of_an_unbroken_run(killed: Path, tenant: Tenant) -> None:
    assert tenant.context.checkpoint(CHECKPOINT) is not None
    assert memory_differs(HANGZHOU, killed) == []


def test_context_equals_a_fold_of_the_whole_log(tenant: Tenant) -> None:
    newest = {}
    for commit in tenant.log.read(Position(0)):
        for part in commit.batch.frames:
            newest[part.type] = part
    for type_ in ("LaneDetector", "SignalController"):
        attribute = next(iter(newest[type_].columns))
        table = tenant.context.table(type_, (attribute,))
        assert set(table.ids) == set(newest[type_].ids)
        row = table.ids.index[newest[type_].ids.names[0]]
        assert table[attribute][row] == newest[type_][attribute][0]


def test_ctrl_c_ends_everything_in_three_seconds(tmp_path: Path, free_port: int) -> None:
    with running(tmp_path, free_port) as city:
        city.wait_decisions(0)
        family = [psutil.Process(pid) for pid in city.pids().values()]
        assert city.stop() < 3.0
        assert not [process for process in family if process.is_running()]
        assert city.process.returncode == 0


def test_without_the_supervisor_nobody_stays(tmp_path: Path, free_port: int) -> None:
    with running(tmp_path, free_port, *FAST) as city:
        city.wait_decisions(0)
        family = [psutil.Process(pid) for pid in city.pids().values()]
        city.process.kill()
        until("no orphans", lambda: True if not any(map(_alive, family)) else None, 10.0)


def _alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_without_the_hub_junctions_turn_to_their_local_plans(
    tmp_path: Path, free_port: int
) -> None:
    with running(tmp_path, free_port, *FAST) as city:
        city.wait_decisions(20)
        city.wait_reborn("hub", city.kill("hub"))
        before = city.wait_decisions(0)
        city.wait_decisions(before["decisions_total"] + 20)
        city.stop()
    assert _longest_silence_in_charge_s(tmp_path) <= 6.0


def _longest_silence_in_charge_s(data: Path) -> float:
    """How long after the last order carried out a cabinet still said the centre is in charge."""
    tenant = open_tenant(data, TENANT, wall_time)
    worst, fell_back = 0.0, False
    for commit in tenant.log.read(Position(0)):
        for part in commit.batch.frames:
            if part.type == "SignalController":
                by_centre = part["inCharge"] == 1
                fell_back = fell_back or bool((part["inCharge"] == 0).all())
                silence = (part.observed_at - part["lastOrderAt"])[by_centre] / 1000
                worst = max(worst, float(silence.max(initial=0)))
    assert fell_back, "the hub was killed, yet no junction ever ran its local plan"
    return worst


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_forty_kills_lose_nothing(tmp_path: Path, free_port: int) -> None:
    kill_often(tmp_path, free_port, hub_kills=30, twin_kills=10)
    tenant = open_tenant(tmp_path, TENANT, wall_time)
    assert ticks_are_whole(tenant) >= 11
    nothing_is_done_twice(tenant)
