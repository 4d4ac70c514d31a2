"""The city's log as the broker's store uses it: read where it lies, written through the hub."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from cityloop.interconnection.broker.store import RUN, SOURCE
from cityloop.interconnection.log import SqliteLog
from cityloop.kernel.clock import Clock
from cityloop.kernel.errors import BusyError
from cityloop.kernel.ports import Batch, Commit, Position


class CityLog:
    """``broker.store.StoreLog`` of a running city: the hub stays the only one who writes."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self._log = SqliteLog(folder, clock, readonly=True)

    def append(self, batches: Sequence[Batch]) -> Position:
        """Have the hub commit; returns once it has."""
        raise BusyError("writes are not taken yet")

    def read(self, after: Position, until: Position | None = None) -> Iterator[Commit]:
        """Commits of the API alone."""
        if not self.sequence(SOURCE, RUN):
            return
        for commit in self._log.read(after, until):
            if commit.batch.source == SOURCE:
                yield commit

    def last(self) -> Position:
        """The newest position."""
        return self._log.last()

    def sequence(self, source: str, run: str) -> int:
        """The highest committed sequence of a source in a run."""
        return self._log.sequence(source, run)

    def close(self) -> None:
        """Let go of the file."""
        self._log.close()
