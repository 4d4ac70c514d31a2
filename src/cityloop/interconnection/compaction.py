"""Compaction: moves older batches of the log from SQLite rows into segments.

Runs beside the hub, in another process. Each step leaves a log that reads the same, so it may be
killed anywhere: a segment is written and fsynced first, then recorded in one transaction (from
then on it *is* the log), then the rows it replaces go in small transactions, between which the
hub's writer gets its turn. What a kill left behind is cleared up by the next run.
"""

import fcntl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import apsw

from cityloop.interconnection.cold import chunk_name, spans_of
from cityloop.interconnection.log import LAYOUT, SCHEMA, SqliteLog
from cityloop.interconnection.sqlite import (
    number,
    open_database,
    rows,
    sqlite_errors,
    transaction,
)
from cityloop.kernel.errors import BusyError
from cityloop.kernel.ports import Commit, Position

SEGMENT_BATCHES = 600
"""Ten minutes of a twin that reports once a second."""

_ROWS_A_STEP = 50
_PAGES_A_STEP = 64
_PAUSE_S = 0.005

_DONE = "DELETE FROM batches WHERE position IN (SELECT position FROM batches \
WHERE position <= (SELECT max(last) FROM segments) ORDER BY position LIMIT ?)"
_HOT = "SELECT count(*) FROM batches WHERE position > \
coalesce((SELECT max(last) FROM segments), 0)"
_SIZES = "SELECT length(body) FROM batches WHERE position > \
coalesce((SELECT max(last) FROM segments), 0) ORDER BY position"
_EXTEND = "UPDATE sequences SET last = ? WHERE source = ? AND run = ? AND last = ?"


def compact(log: SqliteLog, batches: int = SEGMENT_BATCHES, *, at_most: int | None = None) -> int:
    """Move ``batches`` batches at a time into segments while there are as many; how many segments.

    ``at_most``: segments in this call, where the caller has something else to see to in between.
    Raises BusyError when another process compacts this log, OSError when the disk is full: the log
    reads as before then.
    """
    return _compact(
        log, lambda connection: batches if number(connection, _HOT) >= batches else 0, at_most
    )


def compact_bytes(log: SqliteLog, size: int, *, at_most: int | None = None) -> int:
    """As ``compact``, with as many batches at a time as have ``size`` bytes: where some hold
    thousands of writes and others one."""

    def as_many(connection: apsw.Connection) -> int:
        total = 0
        for batches, (length,) in enumerate(connection.execute(_SIZES), 1):
            total += length
            if total >= size:
                return batches
        return 0

    return _compact(log, as_many, at_most)


def _compact(log: SqliteLog, count: Callable[[apsw.Connection], int], at_most: int | None) -> int:
    """``count``: of the batches that become the next segment; 0 where they are too few."""
    with alone(log.folder), opened(log) as connection:
        _clear_up(log, connection)
        written = 0
        while written != at_most and (batches := count(connection)):
            _move(log, connection, batches)
            _clear_up(log, connection)
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


@contextmanager
def opened(log: SqliteLog) -> Iterator[apsw.Connection]:
    """A connection that may change what the log's database says of segments."""
    with sqlite_errors(log.path):
        connection = open_database(
            log.path, SCHEMA, version=LAYOUT, synchronous="FULL", readonly=False
        )
        try:
            yield connection
        finally:
            connection.close()


def _move(log: SqliteLog, connection: apsw.Connection, batches: int) -> None:
    done = log.compacted()
    commits = list(log.read(done, Position(done + batches)))
    first, last = commits[0].position, commits[-1].position
    name = chunk_name(first, last)
    log.cold.write(name, commits)
    connection.pragma("synchronous", "FULL")
    with transaction(connection):
        connection.execute("INSERT INTO segments VALUES (?, ?, ?)", (first, last, name))
        connection.executemany("INSERT INTO spans VALUES (?, ?, ?, ?, ?)", spans_of(commits))
        for source, run, start, end in _sequences(commits):
            connection.execute(_EXTEND, (end, source, run, start - 1))
            if connection.changes() == 0:
                connection.execute(
                    "INSERT INTO sequences VALUES (?, ?, ?, ?)", (source, run, start, end)
                )


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


def _clear_up(log: SqliteLog, connection: apsw.Connection) -> None:
    """Remove rows that segments replace, and what no chunk needs; give the space back."""
    recorded = {row[0] for row in rows(connection, "SELECT folder FROM segments")}
    done = number(connection, "SELECT max(last) FROM segments")
    log.cold.settle(recorded, Position(done))
    # Whether a row that a segment replaces is gone need not survive a power cut.
    connection.pragma("synchronous", "NORMAL")
    while _removed(connection) or _freed(connection):
        time.sleep(_PAUSE_S)
    # The file gets shorter when its journal is folded in; passive: waits for nobody.
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)


def _removed(connection: apsw.Connection) -> bool:
    with transaction(connection):
        connection.execute(_DONE, (_ROWS_A_STEP,))
        return connection.changes() > 0


def _freed(connection: apsw.Connection) -> bool:
    rows(connection, f"PRAGMA incremental_vacuum({_PAGES_A_STEP})")
    return number(connection, "PRAGMA freelist_count") > 0
