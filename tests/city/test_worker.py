"""The worker's retention: by the rules in force, and never what a crash would replay."""

from pathlib import Path

import numpy as np
import pytest
from tests.faults.running import TENANT
from tests.interconnection.conftest import tick

from cityloop.city.clock import wall_time
from cityloop.city.memory import CHECKPOINT
from cityloop.city.worker_process import Tidy
from cityloop.interconnection.compaction import compact
from cityloop.interconnection.tenant import Tenant, open_tenant
from cityloop.kernel.clock import CityTime, WallTime
from cityloop.kernel.ports import Position


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    """40 batches in two segments, committed in 1970; the context knows them all."""
    old = open_tenant(tmp_path, TENANT, lambda: WallTime(0))
    old.log.append([tick(sequence) for sequence in range(1, 41)])
    compact(old.log, 20)
    old.context.store()
    old.close()
    return open_tenant(tmp_path, TENANT, wall_time)


def lanes(tenant: Tenant) -> list[int]:
    found = tenant.history.frames("LaneDetector", "r1", CityTime(0), CityTime(10**9))
    return [part.observed_at // 1000 for part in found]


def hub_has_reached(tenant: Tenant, position: int) -> None:
    tenant.context.save_checkpoint(CHECKPOINT, Position(position), {"a": np.zeros(1)})


def test_what_the_hub_would_replay_after_a_crash_stays_whole(tenant: Tenant) -> None:
    tidy = Tidy(tenant)
    assert not tidy.due(0.0)
    assert len(lanes(tenant)) == 40
    hub_has_reached(tenant, 30)
    tenant.context.store()
    assert tidy.due(1.0)
    assert lanes(tenant) == list(range(21, 41))


def test_a_minute_passes_between_two_looks_that_find_nothing(tenant: Tenant) -> None:
    tidy = Tidy(tenant)
    hub_has_reached(tenant, 20)
    tenant.context.store()
    assert tidy.due(0.0)
    assert not tidy.due(1.0)
    hub_has_reached(tenant, 40)
    assert not tidy.due(60.0)
    assert tidy.due(61.0)
    assert lanes(tenant) == []
