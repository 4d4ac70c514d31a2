"""Compaction: moves older batches of the log from rows into segments.

Runs beside the hub, in another process. Each step leaves a log that reads the same, so it may be
killed anywhere: a segment is written and fsynced first, then recorded in one transaction (from
then on it *is* the log), then the rows it replaces go in small transactions, between which the
hub's writer gets its turn. What a kill left behind is cleared up by the next run.
"""

import fcntl
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from cityloop.interconnection.cold import chunk_name, spans_of
from cityloop.interconnection.database import Database, number
from cityloop.interconnection.log import StoredLog
from cityloop.kernel.clock import WallTime
from cityloop.kernel.errors import BusyError
from cityloop.kernel.ports import Commit, Position

SEGMENT_BATCHES = 600
"""Ten minutes of a twin that reports once a second."""

_HOT = "SELECT count(*) FROM batches WHERE position > \
coalesce((SELECT max(last) FROM segments), 0)"
_SIZES = "SELECT length(body) FROM batches WHERE position > \
coalesce((SELECT max(last) FROM segments), 0) ORDER BY position"
_EXTEND = "UPDATE sequences SET last = ? WHERE source = ? AND run = ? AND last = ? RETURNING 1"
ADD_SEGMENT = "INSERT INTO segments(first, last, folder) VALUES (?, ?, ?)"
ADD_SPAN = "INSERT INTO spans(type, run, first, since, until) VALUES (?, ?, ?, ?, ?)"
_ADD_RANGE = "INSERT INTO sequences(source, run, first, last) VALUES (?, ?, ?, ?)"
_HOT_ROWS = "SELECT position, committed_at, length(body) FROM batches WHERE position > \
coalesce((SELECT max(last) FROM segments), 0) ORDER BY position LIMIT ?"
_MOST_BATCHES, _MOST_BYTES = 600, 32 << 20


def compact(log: StoredLog, batches: int = SEGMENT_BATCHES, *, at_most: int | None = None) -> int:
    """Move ``batches`` batches at a time into segments while there are as many; how many segments.

    ``at_most``: segments in this call, where the caller has something else to see to in between.
    Raises BusyError when another process compacts this log, OSError when the disk is full: the log
    reads as before then.
    """
    return _compact(
        log, lambda database: batches if number(database, _HOT) >= batches else 0, at_most
    )


def compact_bytes(log: StoredLog, size: int, *, at_most: int | None = None) -> int:
    """As ``compact``, with as many batches at a time as have ``size`` bytes: where some hold
    thousands of writes and others one."""

    def as_many(database: Database) -> int:
        total = 0
        for batches, (length,) in enumerate(database.execute(_SIZES), 1):
            total += length
            if total >= size:
                return batches
        return 0

    return _compact(log, as_many, at_most)


def compact_since(
    log: StoredLog, before: WallTime, until: Position, *, at_most: int | None = None
) -> int:
    """As ``compact``, with all there is up to a position, as soon as the oldest of it was committed
    before a time; not too much at once: what else the worker does waits for it."""

    def as_many(database: Database) -> int:
        total = count = 0
        for position, committed_at, length in database.execute(_HOT_ROWS, (_MOST_BATCHES,)):
            if position > until or total >= _MOST_BYTES or (not count and committed_at > before):
                break
            total, count = total + length, count + 1
        return count

    return _compact(log, as_many, at_most)


def _compact(log: StoredLog, count: Callable[[Database], int], at_most: int | None) -> int:
    """``count``: of the batches that become the next segment; 0 where they are too few."""
    with alone(log.folder), closing(log.open(readonly=False)) as database:
        _clear_up(log, database)
        written = 0
        while written != at_most and (batches := count(database)):
            _move(log, database, batches)
            _clear_up(log, database)
            written += 1
    return written


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the lock of whoever rewrites segments; raises BusyError while another does."""
    with (folder / "compaction.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BusyError(f"{folder} is being compacted by another process") from error
        yield


def _move(log: StoredLog, database: Database, batches: int) -> None:
    done = log.compacted()
    commits = list(log.read(done, Position(done + batches)))
    first, last = commits[0].position, commits[-1].position
    name = chunk_name(first, last)
    log.cold.write(name, commits)
    with database.transaction():
        database.execute(ADD_SEGMENT, (first, last, name))
        database.executemany(ADD_SPAN, spans_of(commits))
        for source, run, start, end in _sequences(commits):
            if not database.execute(_EXTEND, (end, source, run, start - 1)):
                database.execute(_ADD_RANGE, (source, run, start, end))


def _sequences(commits: Sequence[Commit]) -> list[tuple[str, str, int, int]]:
    """Source, run and the unbroken ranges of sequences in ``commits``."""
    held: dict[tuple[str, str], list[int]] = {}
    for commit in commits:
        held.setdefault((commit.batch.source, commit.batch.run), []).append(commit.batch.sequence)
    ranges = []
    for (source, run), sequences in held.items():
        start = end = min(sequences)
        for sequence in sorted(sequences)[1:]:
            if sequence > end + 1:
                ranges.append((source, run, start, end))
                start = sequence
            end = sequence
        ranges.append((source, run, start, end))
    return ranges


def _clear_up(log: StoredLog, database: Database) -> None:
    """Remove rows that segments replace, and what no chunk needs; give the space back."""
    recorded = {folder for (folder,) in database.execute("SELECT folder FROM segments")}
    done = number(database, "SELECT max(last) FROM segments")
    log.cold.settle(recorded, Position(done))
    log.clear_up()
