"""Group commit: whatever queued during the last fsync goes into the next (design law 3)."""

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

import structlog

from cityloop.kernel.clock import Clock, WallTime
from cityloop.kernel.errors import BusyError
from cityloop.kernel.figures import Durations
from cityloop.kernel.ports import Batch, Log, Position

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WriterState:
    """How a writer is doing. ``depth``: batches waiting; ``age_s``: how long the oldest has waited;
    ``failing``: why nothing is acknowledged at present, else empty."""

    depth: int
    age_s: float
    failing: str


@dataclass(frozen=True, slots=True)
class _Waiting:
    batch: Batch
    rows: int
    since: WallTime
    began: float
    done: "Future[Position]"


class LogWriter:
    """A thread that appends to ``log`` what is submitted, in order, several batches to one fsync.

    What comes while it is idle is written at once, at most ``max_rows`` rows (one batch at
    least); what nobody waits for lies up to ``gather_s``, as few large commits cost less than many
    small ones. After each it lets go of the file for ``breath_s``: compaction, which writes to it
    too, would never get its turn beside a source that never pauses. While the disk fails it
    acknowledges nothing, keeps what it has, says so once and tries again every ``retry_s``; the
    queue holds ``max_waiting`` batches, more are refused.

    ``commits``: how long each batch took from here to durable, ``appends``: each append of some;
    ``position``: the newest that is durable; ``refused``: batches that found the queue full.
    """

    def __init__(
        self,
        log: Log,
        clock: Clock,
        *,
        max_waiting: int = 1024,
        max_rows: int = 1000,
        retry_s: float = 1.0,
        breath_s: float = 0.005,
        gather_s: float = 0.02,
    ) -> None:
        self._append = log.append
        self._clock = clock
        self.max_waiting = max_waiting
        self.commits, self.appends = Durations(), Durations()
        self.position, self.refused = log.last(), 0
        self._max_rows = max_rows
        self._retry_s = retry_s
        self._breath_s, self._gather_s = breath_s, gather_s
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._awaited = False
        self._failing = ""
        # So many groups of one: some batch of a group could not be written.
        self._singly = 0
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def submit(self, batch: Batch, *, awaited: bool = True) -> "Future[Position]":
        """Queue ``batch``; the future gives a position that covers it once it is durable.

        ``awaited``: somebody waits for that; else it may lie for ``gather_s``.

        Its callbacks run in the writer's thread. A batch that cannot be written at all (a column
        of a foreign dtype) gives its future the error and holds nobody up. Raises BusyError when
        the queue is full or the writer closed.
        """
        rows = sum(len(part) for part in batch.parts) + len(batch.changes)
        waiting = _Waiting(batch, rows, self._clock(), time.perf_counter(), Future())
        with self._changed:
            if self._closing:
                raise BusyError("the log writer is closed; start the city again")
            if len(self._waiting) >= self.max_waiting:
                self.refused += 1
                why = self._failing or "it is slower than its sources"
                raise BusyError(f"the log has {self.max_waiting} batches waiting: {why}")
            self._waiting.append(waiting)
            self._awaited |= awaited
            if awaited or len(self._waiting) == 1:
                self._changed.notify()
        return waiting.done

    def state(self) -> WriterState:
        """How the writer is doing now."""
        with self._changed:
            age_ms = self._clock() - self._waiting[0].since if self._waiting else 0
            return WriterState(len(self._waiting), age_ms / 1000, self._failing)

    def close(self) -> None:
        """Write what is queued, then end; while the disk fails, try once and give the rest up."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        try:
            while group := self._next_group():
                if not self._write(group):
                    return
                time.sleep(self._breath_s)
        finally:
            with self._changed:
                self._closing = True
            lost = BusyError(f"not committed: {self._failing or 'the log writer broke down'}")
            self._settle(len(self._waiting), lambda done: done.set_exception(lost))

    def _next_group(self) -> list[_Waiting]:
        """What to append next, still queued; waits for it. Empty when closed and done."""
        with self._changed:
            while not self._waiting and not self._closing:
                self._changed.wait()
            self._changed.wait_for(lambda: self._awaited or self._closing, self._gather_s)
            group: list[_Waiting] = []
            rows = 0
            for waiting in self._waiting:
                rows += waiting.rows
                if group and (rows > self._max_rows or self._singly):
                    break
                group.append(waiting)
            self._singly = max(0, self._singly - 1)
            self._awaited = len(group) < len(self._waiting)
            return group

    def _write(self, group: list[_Waiting]) -> bool:
        """Append ``group`` or find out why not; False when the writer is to end."""
        began = time.perf_counter()
        try:
            position = self._append([waiting.batch for waiting in group])
        except (OSError, BusyError) as error:
            return self._pause(error)
        except (ValueError, OverflowError) as error:
            if len(group) > 1:
                self._singly = len(group)
                return True
            unwritable = error
            _log.error("batch_unwritable", source=group[0].batch.source, error=str(error))
            self._settle(1, lambda done: done.set_exception(unwritable))
            return True
        if self._failing:
            self._failing = ""
            _log.info("log_writable_again")
        self._count(group, began, position)
        self._settle(len(group), lambda done: done.set_result(position))
        return True

    def _count(self, group: list[_Waiting], began: float, position: Position) -> None:
        now = time.perf_counter()
        self.appends.add(now - began)
        for waiting in group:
            self.commits.add(now - waiting.began)
        self.position = max(self.position, position)

    def _settle(self, count: int, settle: Callable[["Future[Position]"], object]) -> None:
        with self._changed:
            gone = [self._waiting.popleft() for _ in range(count)]
        for waiting in gone:
            settle(waiting.done)

    def _pause(self, error: Exception) -> bool:
        """Say that nothing is acknowledged, and wait; False when the writer is to end instead."""
        with self._changed:
            if not self._failing:
                _log.error("log_not_writable", error=str(error), retry_s=self._retry_s)
            self._failing = str(error)
            return not self._changed.wait_for(lambda: self._closing, self._retry_s)
