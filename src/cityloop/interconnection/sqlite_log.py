"""The log of a tenant in one SQLite file: ``log.db``, in WAL mode with ``synchronous=FULL``."""

import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import apsw

from cityloop.interconnection.cold import Cold
from cityloop.interconnection.database import Database, number
from cityloop.interconnection.log import IN_SEGMENT, LAST, Appended, StoredLog
from cityloop.interconnection.sqlite import sqlite_errors
from cityloop.interconnection.sqlite_database import SqliteDatabase
from cityloop.kernel.clock import Clock
from cityloop.standards.arrow import VERSION

LAYOUT = 1

SCHEMA = """
CREATE TABLE batches(
    position INTEGER PRIMARY KEY, committed_at INTEGER NOT NULL, source TEXT NOT NULL,
    run TEXT NOT NULL, sequence INTEGER NOT NULL, schema INTEGER NOT NULL, body BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX batches_once ON batches(source, run, sequence);
CREATE TABLE id_lists(digest BLOB PRIMARY KEY, names BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE segments(
    first INTEGER PRIMARY KEY, last INTEGER NOT NULL, folder TEXT NOT NULL
) STRICT;
CREATE TABLE spans(
    type TEXT, run TEXT, first INTEGER, since INTEGER NOT NULL, until INTEGER NOT NULL,
    PRIMARY KEY (type, run, first)
) STRICT, WITHOUT ROWID;
CREATE TABLE sequences(
    source TEXT, run TEXT, first INTEGER, last INTEGER, PRIMARY KEY (source, run, first)
) STRICT, WITHOUT ROWID;
"""
"""``spans`` says what city times of a type and run a segment holds. ``sequences`` holds, as ranges,
what is in segments: those batches stay known as committed."""

_INSERT = "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING 1"
_LIST = "INSERT INTO id_lists VALUES (?, ?) ON CONFLICT DO NOTHING"
_ROWS_A_STEP = 50
_PAGES_A_STEP = 64
_PAUSE_S = 0.005
_DONE = "DELETE FROM batches WHERE position IN (SELECT position FROM batches \
WHERE position <= (SELECT max(last) FROM segments) ORDER BY position LIMIT ?) RETURNING 1"


class SqliteLog(StoredLog):
    """``StoredLog`` in ``folder/log.db``. BusyError: another process held the lock for 10 s."""

    def __init__(
        self, folder: Path, clock: Clock, *, readonly: bool = False, cold: Cold | None = None
    ) -> None:
        self.path = folder / "log.db"
        super().__init__(folder, str(self.path), clock, cold=cold)
        self._writer = None if readonly else self.open(readonly=False)

    def open(self, *, readonly: bool) -> SqliteDatabase:
        """A connection of its own to the file."""
        return SqliteDatabase.open(self.path, SCHEMA, LAYOUT, "FULL", readonly=readonly)

    def _commit(self, lists: Sequence[tuple[bytes, bytes]], batches: Sequence[Appended]) -> int:
        writer = self._writer
        if writer is None:
            raise PermissionError(f"{self.place} is open for reading only")
        with writer.transaction():
            writer.executemany(_LIST, lists)
            last = number(writer, LAST)
            for appended in batches:
                last += _insert(writer, last + 1, appended)
            inserted = time.perf_counter()
        self.fsync.add(time.perf_counter() - inserted)
        return last

    def clear_up(self) -> None:
        """Remove rows that chunks replace, and give the file's space back."""
        # Whether a row that a chunk replaces is gone need not survive a power cut.
        opened = SqliteDatabase.open(self.path, SCHEMA, LAYOUT, "NORMAL")
        with closing(opened) as database, sqlite_errors(self.path):
            while database.execute(_DONE, (_ROWS_A_STEP,)) or _freed(database):
                time.sleep(_PAUSE_S)
            # The file gets shorter when its journal is folded in; passive: waits for nobody.
            database.connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    def close(self) -> None:
        """Let go of the file; nothing is lost without it."""
        super().close()
        if self._writer is not None:
            self._writer.close()


def _insert(database: Database, position: int, appended: Appended) -> int:
    """How many rows were added: none when the batch was committed before."""
    batch = appended.batch
    key = batch.source, batch.run, batch.sequence
    if database.execute(IN_SEGMENT, (*key, batch.sequence)):
        return 0
    row = position, appended.committed_at, *key, VERSION, appended.body
    return len(database.execute(_INSERT, row))


def _freed(database: Database) -> bool:
    database.execute(f"PRAGMA incremental_vacuum({_PAGES_A_STEP})")
    return number(database, "PRAGMA freelist_count") > 0
