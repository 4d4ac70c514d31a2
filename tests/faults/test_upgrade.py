"""Data that earlier versions wrote opens, says the same, and can be written on."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from scripts.faults.release_data import DATA, IN_SEGMENTS, MEMORY, TENANT, TICKS
from tests.interconnection.conftest import tick

from cityloop.city.clock import wall_time
from cityloop.interconnection.backup import restore
from cityloop.interconnection.tenant import open_tenant
from cityloop.kernel.ports import Position
from cityloop.standards.arrow import write_batch


@pytest.mark.parametrize("file", sorted(DATA.glob("*.tar")), ids=lambda file: file.stem)
def test_what_an_earlier_version_wrote_opens_and_goes_on(file: Path, tmp_path: Path) -> None:
    restore(file, tmp_path / TENANT)
    with closing(open_tenant(tmp_path, TENANT, wall_time)) as tenant:
        held = [write_batch(commit.batch) for commit in tenant.log.read(Position(0))]
        assert held == [write_batch(tick(number)) for number in range(1, TICKS + 1)]
        assert tenant.log.compacted() == IN_SEGMENTS
        kept = tenant.context.checkpoint("hub")
        assert kept is not None
        np.testing.assert_array_equal(kept[1]["greens"], MEMORY["greens"])
        lanes = tenant.context.table("LaneDetector", ("vehicleCount",))
        newest = tick(TICKS).frames[0]
        np.testing.assert_array_equal(lanes["vehicleCount"], newest["vehicleCount"])
        again, fresh = tick(TICKS), tick(TICKS + 1)
        assert tenant.log.append([again, fresh]) == TICKS + 1
