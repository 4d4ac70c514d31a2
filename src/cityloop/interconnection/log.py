"""The log of a tenant: one SQLite file, one row per batch, one fsync per append (design law 1).

``log.db`` is in WAL mode with ``synchronous=FULL``. Positions rise by one. Older batches move to
segments (``compaction``); reading does not show where a batch lies.
"""

import threading
import time
from collections.abc import Callable, Container, Iterator, Sequence
from pathlib import Path

import apsw

from cityloop.interconnection.cold import Cold, FolderCold
from cityloop.interconnection.sqlite import (
    number,
    open_database,
    rows,
    snapshot,
    sqlite_errors,
    transaction,
)
from cityloop.kernel.clock import CityTime, Clock, WallTime
from cityloop.kernel.errors import CorruptError, InputError
from cityloop.kernel.figures import Durations
from cityloop.kernel.frame import EntityIds
from cityloop.kernel.ports import API_RUN, API_SOURCE, Batch, Commit, Position
from cityloop.standards.arrow import VERSION, ids_of, read_batch, read_ids, write_batch, write_ids

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

_LAST = "SELECT max(coalesce((SELECT max(position) FROM batches), 0), \
coalesce((SELECT max(last) FROM segments), 0))"
_INSERT = "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
_IN_SEGMENT = "SELECT 1 FROM sequences WHERE source = ? AND run = ? AND first <= ? AND last >= ?"
_SEQUENCE = "SELECT max(coalesce((SELECT max(sequence) FROM batches \
WHERE source = ?1 AND run = ?2), 0), coalesce((SELECT max(last) FROM sequences \
WHERE source = ?1 AND run = ?2), 0))"
_WHERE = "SELECT position FROM batches WHERE source = ? AND run = ? AND sequence = ?"
_PAGE = "SELECT position, committed_at, schema, body FROM batches \
WHERE position > ? AND position <= ? ORDER BY position LIMIT ?"
_API = "SELECT position, committed_at, schema, body FROM batches WHERE source = ? AND run = ? \
AND position > ? AND position <= ? ORDER BY position LIMIT ?"
_PAGE_ROWS = 256
_BETWEEN = "SELECT folder FROM segments WHERE last > ? AND first <= ? ORDER BY first"
_SEGMENT = "SELECT first, folder FROM segments WHERE first <= ?1 AND last >= ?1 \
ORDER BY first DESC LIMIT 1"
_SPANS = "SELECT folder, since, until FROM spans JOIN segments USING (first) \
WHERE type = ? AND run = ? AND until >= ? AND since < ? AND last <= ? ORDER BY first"
_WITH = "SELECT DISTINCT folder FROM spans JOIN segments USING (first) \
WHERE type = ? AND last <= ? ORDER BY first"
_WITHIN = "SELECT DISTINCT folder FROM spans JOIN segments USING (first) \
WHERE type = ? AND until >= ? AND since < ? ORDER BY first"
_RUNS = "SELECT run, min(since), max(until) FROM spans WHERE type = ? \
GROUP BY run ORDER BY min(first)"
_LISTS_KEPT = 10_000
_FOREVER = Position(2**63 - 1)


class SqliteLog:
    """``kernel.ports.Log`` in ``folder``; one process appends, any number read meanwhile.

    Safe from several threads. ``clock`` stamps commits; ``cold`` holds the older ones (a folder
    beside, where nothing else is said). Raises OSError when the disk fails,
    BusyError when another process holds the lock for 10 s, CorruptError when stored bytes fail
    their check.
    """

    def __init__(
        self, folder: Path, clock: Clock, *, readonly: bool = False, cold: Cold | None = None
    ) -> None:
        self.folder = folder
        self.path = folder / "log.db"
        self.cold: Cold = cold or FolderCold(folder / "segments")
        self._clock = clock
        self.fsync = Durations()
        """How long the end of an append takes: the WAL is written and fsynced."""
        self._lock = threading.Lock()
        self._local = threading.local()
        self._readers: list[apsw.Connection] = []
        self._stored: set[bytes] = set()
        self._lists = _IdLists(self._reader)
        self._writer = None if readonly else self._open(readonly=False)

    def _open(self, *, readonly: bool) -> apsw.Connection:
        return open_database(
            self.path, SCHEMA, version=LAYOUT, synchronous="FULL", readonly=readonly
        )

    def _reader(self) -> apsw.Connection:
        """This thread's connection for reading."""
        if not hasattr(self._local, "connection"):
            self._local.connection = self._open(readonly=True)
            with self._lock:
                self._readers.append(self._local.connection)
        connection: apsw.Connection = self._local.connection
        return connection

    def append(self, batches: Sequence[Batch]) -> Position:
        """Commit in order with one fsync; a batch that was committed before is passed over.

        Returns a position that covers them all. Raises OSError when the disk is full or fails:
        nothing of the call is committed then, and it may be tried again.
        """
        if self._writer is None:
            raise PermissionError(f"{self.path} is open for reading only")
        bodies = [write_batch(batch) for batch in batches]
        lists = {digest: ids for batch in batches for digest, ids in ids_of(batch).items()}
        fresh = {digest: ids for digest, ids in lists.items() if digest not in self._stored}
        now = self._clock()
        with self._lock, sqlite_errors(self.path), transaction(self._writer) as connection:
            for digest, ids in fresh.items():
                connection.execute(
                    "INSERT OR IGNORE INTO id_lists VALUES (?, ?)", (digest, write_ids(ids))
                )
            last = number(connection, _LAST)
            for batch, body in zip(batches, bodies, strict=True):
                last += _insert(connection, last + 1, now, batch, body)
            inserted = time.perf_counter()
        self.fsync.add(time.perf_counter() - inserted)
        if len(self._stored) >= _LISTS_KEPT:
            self._stored.clear()
        self._stored.update(fresh)
        return Position(last)

    def read(self, after: Position, until: Position | None = None) -> Iterator[Commit]:
        """Commits with ``after < position <= until``, in order; those there when it gets to them.

        Holds no lock between commits: a slow reader delays nobody.
        """
        end = _FOREVER if until is None else until
        while after < end:
            reached = after
            for commit in self._page(after, end):
                if after < commit.position <= end:
                    yield commit
                reached = commit.position
            if reached == after:
                return
            after = reached

    def _page(self, after: Position, end: Position) -> Iterator[Commit]:
        """Some commits that follow ``after``, from a segment or from rows; none at the end."""
        with sqlite_errors(self.path), snapshot(self._reader()) as connection:
            segment = rows(connection, _SEGMENT, (after + 1,))
            page = [] if segment else rows(connection, _PAGE, (after, end, _PAGE_ROWS))
        if segment:
            yield from self.cold.read(segment[0][1])
        for position, committed_at, schema, body in page:
            batch = self._read(position, schema, body)
            yield Commit(Position(position), WallTime(committed_at), batch)

    def writes(self, after: Position, until: Position | None = None) -> Iterator[Commit]:
        """Commits with ``after < position <= until`` that hold writes of the API, in order, bare of
        frames and rows: of a city's long log little is read.
        """
        end = _FOREVER if until is None else until
        page = self._written(after, end)
        while not isinstance(page, list) or page:
            if isinstance(page, list):
                yield from page
                after = page[-1].position
            else:
                names, compacted = page
                some = (commit for name in names for commit in self.cold.writes(name))
                yield from (commit for commit in some if after < commit.position <= end)
                after = min(compacted, end)
            page = self._written(after, end)

    def _written(self, after: Position, end: Position) -> list[Commit] | tuple[list[str], Position]:
        """Some commits of the API from rows; where segments follow ``after``, them and their last
        position.
        """
        with sqlite_errors(self.path), snapshot(self._reader()) as connection:
            compacted = Position(number(connection, "SELECT max(last) FROM segments"))
            if after < min(compacted, end):
                found = rows(connection, _BETWEEN, (after, end))
                return [name for (name,) in found], compacted
            page = rows(connection, _API, (API_SOURCE, API_RUN, after, end, _PAGE_ROWS))
        return [
            Commit(
                Position(position), WallTime(committed_at), self._read(position, schema, body, ())
            )
            for position, committed_at, schema, body in page
        ]

    def spans(
        self, type_: str, run: str, since: CityTime, until: CityTime, position: Position
    ) -> list[tuple[str, CityTime, CityTime]]:
        """Chunks up to ``position`` with frames of a type and run between two city times, in log
        order: each one's name, first and last time."""
        with sqlite_errors(self.path):
            found = rows(self._reader(), _SPANS, (type_, run, since, until, position))
        return [(name, CityTime(first), CityTime(last)) for name, first, last in found]

    def rows(self, after: Position, types: Container[str]) -> Iterator[tuple[Position, Batch]]:
        """What lies in rows, not in segments, beyond ``after``: frames of ``types`` alone."""
        while True:
            with sqlite_errors(self.path), snapshot(self._reader()) as connection:
                page = rows(connection, _PAGE, (after, _FOREVER, _PAGE_ROWS))
            for position, _, schema, body in page:
                after = Position(position)
                yield after, self._read(position, schema, body, types)
            if len(page) < _PAGE_ROWS:
                return

    def segments_with(self, type_: str, position: Position) -> list[str]:
        """Chunks up to ``position`` that hold a type, of whatever run, in log order."""
        with sqlite_errors(self.path):
            found = rows(self._reader(), _WITH, (type_, position))
        return [name for (name,) in found]

    def segments_within(self, type_: str, since: CityTime, until: CityTime) -> list[str]:
        """Chunks that hold a type, of whatever run, between two city times, in log order."""
        with sqlite_errors(self.path):
            found = rows(self._reader(), _WITHIN, (type_, since, until))
        return [name for (name,) in found]

    def runs(self, type_: str) -> list[tuple[str, CityTime, CityTime]]:
        """Runs that segments hold a type of, in log order: name, first and last time."""
        with sqlite_errors(self.path):
            found = rows(self._reader(), _RUNS, (type_,))
        return [(run, CityTime(since), CityTime(until)) for run, since, until in found]

    def compacted(self) -> Position:
        """The last position that lies in a segment; 0 when none does."""
        with sqlite_errors(self.path):
            return Position(number(self._reader(), "SELECT max(last) FROM segments"))

    def _read(
        self, position: int, schema: int, body: bytes, types: Container[str] | None = None
    ) -> Batch:
        if schema > VERSION:
            raise CorruptError(f"{self.path} position {position}: layout {schema} > {VERSION}")
        try:
            return read_batch(body, self._lists, types)
        except InputError as error:
            raise CorruptError(f"{self.path} position {position}: {error}") from error

    def last(self) -> Position:
        """The newest committed position; 0 when nothing was ever committed."""
        with sqlite_errors(self.path):
            return Position(number(self._reader(), _LAST))

    def sequence(self, source: str, run: str) -> int:
        """The highest committed sequence of a source in a run; 0 when there is none."""
        with sqlite_errors(self.path):
            return number(self._reader(), _SEQUENCE, (source, run))

    def position(self, source: str, run: str, sequence: int) -> Position | None:
        """Where a recent batch lies; None when it lies in a segment or nowhere."""
        with sqlite_errors(self.path):
            found = rows(self._reader(), _WHERE, (source, run, sequence))
        return Position(found[0][0]) if found else None

    def close(self) -> None:
        """Let go of the file; nothing is lost without it."""
        with self._lock:
            for connection in (*self._readers, *([self._writer] if self._writer else [])):
                connection.close()
            self._readers.clear()


class _IdLists(dict[bytes, EntityIds]):
    """The newest of the log's lists of entity ids, by digest; each is read when first asked for."""

    def __init__(self, reader: Callable[[], apsw.Connection]) -> None:
        super().__init__()
        self._reader = reader

    def __missing__(self, digest: bytes) -> EntityIds:
        found = rows(self._reader(), "SELECT names FROM id_lists WHERE digest = ?", (digest,))
        if not found:
            raise KeyError(digest)
        if len(self) >= _LISTS_KEPT:
            self.clear()
        self[digest] = ids = read_ids(found[0][0])
        return ids


def _insert(
    connection: apsw.Connection, position: int, now: WallTime, batch: Batch, body: bytes
) -> int:
    """How many rows were added: none when the batch was committed before."""
    key = (batch.source, batch.run, batch.sequence)
    if connection.execute(_IN_SEGMENT, (*key, batch.sequence)).fetchone():
        return 0
    connection.execute(_INSERT, (position, now, *key, VERSION, body))
    return connection.changes()
