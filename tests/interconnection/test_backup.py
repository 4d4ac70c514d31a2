"""A backup is the tenant as of one moment, whoever writes; a restore is that or nothing."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest

from cityloop.interconnection.backup import back_up, restore, verify
from cityloop.interconnection.compaction import compact
from cityloop.interconnection.tenant import Tenant, open_tenant
from cityloop.kernel.clock import Clock
from cityloop.kernel.errors import BusyError, ConfigError, CorruptError
from cityloop.kernel.ports import Batch, Position
from cityloop.standards.arrow import write_batch

Tick = Callable[..., Batch]


@pytest.fixture
def tenant(tmp_path: Path, clock: Clock, tick: Tick) -> Iterator[Tenant]:
    """A tenant with two segments, rows beyond them, a context and a checkpoint."""
    with closing(open_tenant(tmp_path / "data", "town", clock)) as tenant:
        tenant.log.append([tick(number) for number in range(1, 26)])
        assert compact(tenant.log, 10) == 2
        tenant.context.store()
        tenant.context.save_checkpoint("hub", Position(20), {"greens": np.arange(4)})
        yield tenant


def told(tenant: Tenant) -> list[tuple[int, int, bytes]]:
    """All that the log says."""
    return [
        (c.position, c.committed_at, write_batch(c.batch)) for c in tenant.log.read(Position(0))
    ]


def test_a_restored_tenant_is_at_the_same_position_with_the_same_log_context_and_memory(
    tenant: Tenant, tmp_path: Path, clock: Clock
) -> None:
    folder, file = tmp_path / "data" / "town", tmp_path / "town.tar"
    (folder / "epoch").write_text("7")
    (folder / "cache").mkdir()
    manifest = back_up(folder, file, clock, "1")
    assert manifest.position == tenant.log.last() == 25
    restore(file, tmp_path / "other" / "town")
    assert (tmp_path / "other" / "town" / "epoch").read_text() == "7"
    assert not (tmp_path / "other" / "town" / "cache").exists()
    with closing(open_tenant(tmp_path / "other", "town", clock)) as again:
        assert told(again) == told(tenant)
        assert again.log.compacted() == 20
        ours, theirs = (t.context.table("LaneDetector", ("meanSpeed",)) for t in (again, tenant))
        np.testing.assert_array_equal(ours["meanSpeed"], theirs["meanSpeed"])
        kept = again.context.checkpoint("hub")
        assert kept is not None
        assert kept[0] == 20


def test_a_backup_taken_while_others_write_and_compact_is_a_log_without_a_gap(
    tenant: Tenant, tmp_path: Path, clock: Clock, tick: Tick
) -> None:
    stop = threading.Event()
    begun = threading.Event()

    def write() -> None:
        number = 26
        while not stop.is_set():
            tenant.log.append([tick(number)])
            number += 1
            if number % 20 == 0:
                tenant.context.store()
                with suppress(BusyError):  # of a backup that links segments; later, then
                    compact(tenant.log, 10)
                begun.set()

    writer = threading.Thread(target=write)
    writer.start()
    begun.wait(20)
    for turn in range(3):
        manifest = back_up(tmp_path / "data" / "town", tmp_path / "town.tar", clock, "1")
        restore(tmp_path / "town.tar", tmp_path / str(turn) / "town")
        with closing(open_tenant(tmp_path / str(turn), "town", clock)) as again:
            positions = [position for position, _, _ in told(again)]
            assert positions == list(range(1, manifest.position + 1))
            assert again.context.position <= manifest.position
    stop.set()
    writer.join()


@pytest.mark.parametrize("where", ["middle", "end", "head"])
def test_a_damaged_archive_is_refused_and_leaves_nothing_behind(
    tenant: Tenant, tmp_path: Path, clock: Clock, where: str
) -> None:
    file = tmp_path / "town.tar"
    back_up(tmp_path / "data" / "town", file, clock, "1")
    verify(file)
    body = bytearray(file.read_bytes())
    if where == "end":
        del body[len(body) // 3 :]
    else:
        at = len(body) // 2 if where == "middle" else 0
        body[at] ^= 1
    file.write_bytes(body)
    with pytest.raises(CorruptError, match=r"checksum|no backup|lacks"):
        verify(file)
    with pytest.raises(CorruptError):
        restore(file, tmp_path / "other" / "town")
    assert list((tmp_path / "other").iterdir()) == []


def test_a_restore_touches_nothing_that_is_there(
    tenant: Tenant, tmp_path: Path, clock: Clock
) -> None:
    file = tmp_path / "town.tar"
    back_up(tmp_path / "data" / "town", file, clock, "1")
    with pytest.raises(ConfigError, match="not empty"):
        restore(file, tmp_path / "data" / "town")
    with pytest.raises(ConfigError, match="tenant"):
        restore(file, tmp_path / "data" / "village")
