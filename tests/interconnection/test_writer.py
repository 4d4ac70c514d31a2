"""Group commit: several batches to one fsync, nothing acknowledged that is not on disk."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path

import pytest

from cityloop.interconnection.sqlite_log import SqliteLog
from cityloop.interconnection.writer import LogWriter
from cityloop.kernel.clock import CityTime, Clock
from cityloop.kernel.errors import BusyError
from cityloop.kernel.frame import EntityIds, frame
from cityloop.kernel.ports import Batch, Commit, Position

Tick = Callable[..., Batch]


class HeldLog:
    """A log whose disk obeys the test: it waits, or is full."""

    def __init__(self, log: SqliteLog) -> None:
        self._log = log
        self.free = threading.Event()
        self.free.set()
        self.full = False
        self.groups: list[int] = []
        self.tried = threading.Event()

    def append(self, batches: Sequence[Batch]) -> Position:
        self.tried.set()
        assert self.free.wait(20)
        if self.full:
            raise OSError("no space left on device")
        self.groups.append(len(batches))
        return self._log.append(batches)

    def read(self, after: Position, until: Position | None = None) -> Iterator[Commit]:
        return self._log.read(after, until)

    def last(self) -> Position:
        return self._log.last()

    def sequence(self, source: str, run: str) -> int:
        return self._log.sequence(source, run)


@pytest.fixture
def log(tmp_path: Path, clock: Clock) -> HeldLog:
    return HeldLog(SqliteLog(tmp_path, clock))


def held(log: HeldLog, writer: LogWriter, tick: Tick, count: int) -> list["Future[Position]"]:
    """``count`` batches submitted, the first of which the disk is still busy with."""
    log.free.clear()
    first = writer.submit(tick(1))
    assert log.tried.wait(20)
    return [first, *(writer.submit(tick(sequence)) for sequence in range(2, count + 1))]


def test_what_queued_during_one_fsync_goes_into_the_next(
    log: HeldLog, clock: Clock, tick: Tick
) -> None:
    writer = LogWriter(log, clock)
    futures = held(log, writer, tick, 30)
    log.free.set()
    assert [future.result(20) for future in futures[1:]] == [30] * 29
    assert log.groups == [1, 29]


def test_what_nobody_waits_for_is_written_with_what_somebody_does(
    log: HeldLog, clock: Clock, tick: Tick
) -> None:
    writer = LogWriter(log, clock, gather_s=1000.0)
    patient = [writer.submit(tick(sequence), awaited=False) for sequence in (1, 2, 3)]
    writer.submit(tick(4)).result(20)
    assert log.groups == [4]
    assert all(done.done() for done in patient)
    writer.close()


def test_a_group_ends_at_its_bound_of_rows(log: HeldLog, clock: Clock, tick: Tick) -> None:
    writer = LogWriter(log, clock, max_rows=30)
    held(log, writer, tick, 7)
    log.free.set()
    writer.close()
    assert log.groups == [1, 2, 2, 2]
    assert [commit.batch.sequence for commit in log.read(Position(0))] == list(range(1, 8))


def test_a_full_queue_refuses_and_says_how_deep_it_is(
    log: HeldLog, clock: Clock, tick: Tick
) -> None:
    writer = LogWriter(log, clock, max_waiting=3)
    held(log, writer, tick, 3)
    with pytest.raises(BusyError, match="3 batches waiting"):
        writer.submit(tick(4))
    assert writer.state().depth == 3
    log.free.set()
    writer.close()


def test_on_a_full_disk_nothing_is_acknowledged_until_there_is_room(
    log: HeldLog, clock: Clock, tick: Tick
) -> None:
    writer = LogWriter(log, clock, retry_s=0.01)
    log.full = True
    future = writer.submit(tick(1))
    log.tried.clear()
    assert log.tried.wait(20)
    assert not future.done()
    assert "no space left" in writer.state().failing
    log.full = False
    assert future.result(20) == 1
    writer.close()
    assert writer.state().failing == ""


def test_closing_on_a_full_disk_gives_up_and_says_so(
    log: HeldLog, clock: Clock, tick: Tick
) -> None:
    writer = LogWriter(log, clock, retry_s=1000)
    log.full = True
    future = writer.submit(tick(1))
    writer.close()
    with pytest.raises(BusyError, match="not committed: no space left"):
        future.result(0)


def test_a_batch_that_cannot_be_written_fails_alone(log: HeldLog, clock: Clock, tick: Tick) -> None:
    writer = LogWriter(log, clock)
    futures = held(log, writer, tick, 2)
    bad = frame("L", "r1", CityTime(0), EntityIds("a"), level=[1j])
    futures.append(writer.submit(Batch("twin", "r1", 3, (bad,))))
    futures.append(writer.submit(tick(4)))
    log.free.set()
    with pytest.raises(ValueError, match="complex128"):
        futures[2].result(20)
    assert [futures[i].result(20) for i in (0, 1, 3)] == [1, 2, 3]
    writer.close()


def test_a_closed_writer_has_written_everything_and_takes_no_more(
    log: HeldLog, clock: Clock, tick: Tick
) -> None:
    writer = LogWriter(log, clock)
    futures = [writer.submit(tick(sequence)) for sequence in range(1, 20)]
    writer.close()
    assert all(future.done() for future in futures)
    with pytest.raises(BusyError, match="closed"):
        writer.submit(tick(20))
