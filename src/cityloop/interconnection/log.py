"""The log of a tenant: one row per batch, one fsync per append (design law 1).

Positions rise by one. Older batches move to chunks (``cold``, ``compaction``); reading does not
show where a batch lies. What is said in SQL here SQLite and PostgreSQL understand alike.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cityloop.interconnection.cold import Cold
from cityloop.interconnection.database import Database, number
from cityloop.interconnection.open_cold import cold_of
from cityloop.kernel.clock import CityTime, Clock, WallTime
from cityloop.kernel.errors import CorruptError, InputError
from cityloop.kernel.figures import Durations
from cityloop.kernel.frame import EntityIds
from cityloop.kernel.ports import API_RUN, API_SOURCE, Batch, Commit, Position
from cityloop.standards.arrow import VERSION, ids_of, read_batch, read_ids, write_batch, write_ids

LAST = "SELECT max(last) FROM (SELECT max(position) AS last FROM batches \
UNION ALL SELECT max(last) FROM segments) AS lasts"
IN_SEGMENT = "SELECT 1 FROM sequences WHERE source = ? AND run = ? AND first <= ? AND last >= ?"
SEQUENCE = "SELECT max(last) FROM (SELECT max(sequence) AS last FROM batches \
WHERE source = ? AND run = ? UNION ALL \
SELECT max(last) FROM sequences WHERE source = ? AND run = ?) AS lasts"
_WHERE = "SELECT position FROM batches WHERE source = ? AND run = ? AND sequence = ?"
_PAGE = "SELECT position, committed_at, schema, body FROM batches \
WHERE position > ? AND position <= ? ORDER BY position LIMIT ?"
_API = "SELECT position, committed_at, schema, body FROM batches WHERE source = ? AND run = ? \
AND position > ? AND position <= ? ORDER BY position LIMIT ?"
_PAGE_ROWS = 256
_BETWEEN = "SELECT folder FROM segments WHERE last > ? AND first <= ? ORDER BY first"
_SEGMENT = "SELECT first, folder FROM segments WHERE first <= ? AND last >= ? \
ORDER BY first DESC LIMIT 1"
_SPANS = "SELECT folder, since, until FROM spans JOIN segments USING (first) \
WHERE type = ? AND run = ? AND until >= ? AND since < ? AND last <= ? ORDER BY first"
_WITH = "SELECT folder FROM segments WHERE first IN \
(SELECT first FROM spans WHERE type = ?) AND last <= ? ORDER BY first"
_WITHIN = "SELECT folder FROM segments WHERE first IN \
(SELECT first FROM spans WHERE type = ? AND until >= ? AND since < ?) ORDER BY first"
_RUNS = "SELECT run, min(since), max(until) FROM spans WHERE type = ? \
GROUP BY run ORDER BY min(first)"
_LISTS_KEPT = 10_000
_FOREVER = Position(2**63 - 1)


@dataclass(frozen=True, slots=True)
class Appended:
    """A batch as the log's tables take it."""

    batch: Batch
    committed_at: WallTime
    body: bytes


class StoredLog(ABC):
    """``kernel.ports.Log`` over a database; one process appends, any number read meanwhile.

    ``folder``: the tenant's, on this machine; ``place``: where the log lies, for people. Safe from
    several threads. ``clock`` stamps commits; ``cold`` holds the older ones (where the folder
    says, unless it is given). Raises OSError when the disk fails or the database is away, BusyError
    when another process is in the way, CorruptError when stored bytes fail their check.
    """

    def __init__(self, folder: Path, place: str, clock: Clock, *, cold: Cold | None = None) -> None:
        self.place = place
        self.folder = folder
        self.cold: Cold = cold or cold_of(folder)
        self._clock = clock
        self.fsync = Durations()
        """How long the end of an append takes: until it is on the disk."""
        self._lock = threading.Lock()
        self._local = threading.local()
        self._readers: list[Database] = []
        self._stored: set[bytes] = set()
        self._lists = _IdLists(self._reader)

    @abstractmethod
    def open(self, *, readonly: bool) -> Database:
        """A connection to its tables, for one thread."""

    @abstractmethod
    def _commit(self, lists: Sequence[tuple[bytes, bytes]], batches: Sequence[Appended]) -> int:
        """Add lists of ids, by digest, and batches in one transaction; the newest position.

        Raises PermissionError where it is open for reading only.
        """

    @abstractmethod
    def clear_up(self) -> None:
        """Remove rows that chunks replace, with pauses for whoever appends."""

    def _reader(self) -> Database:
        """This thread's connection for reading."""
        if not hasattr(self._local, "database"):
            self._local.database = self.open(readonly=True)
            with self._lock:
                self._readers.append(self._local.database)
        database: Database = self._local.database
        return database

    def append(self, batches: Sequence[Batch]) -> Position:
        """Commit in order with one fsync; a batch that was committed before is passed over.

        Returns a position that covers them all. Raises OSError when the disk is full or fails:
        nothing of the call is acknowledged then, and it may be tried again.
        """
        now = self._clock()
        appended = [Appended(batch, now, write_batch(batch)) for batch in batches]
        lists = {digest: ids for batch in batches for digest, ids in ids_of(batch).items()}
        fresh = {digest: ids for digest, ids in lists.items() if digest not in self._stored}
        with self._lock:
            last = self._commit([(d, write_ids(ids)) for d, ids in fresh.items()], appended)
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
        database = self._reader()
        with database.snapshot():
            segment = database.execute(_SEGMENT, (after + 1, after + 1))
            page = [] if segment else database.execute(_PAGE, (after, end, _PAGE_ROWS))
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
        database = self._reader()
        with database.snapshot():
            compacted = Position(number(database, "SELECT max(last) FROM segments"))
            if after < min(compacted, end):
                found = database.execute(_BETWEEN, (after, end))
                return [name for (name,) in found], compacted
            page = database.execute(_API, (API_SOURCE, API_RUN, after, end, _PAGE_ROWS))
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
        found = self._reader().execute(_SPANS, (type_, run, since, until, position))
        return [(name, CityTime(first), CityTime(last)) for name, first, last in found]

    def rows(self, after: Position, types: Container[str]) -> Iterator[tuple[Position, Batch]]:
        """What lies in rows, not in segments, beyond ``after``: frames of ``types`` alone."""
        while True:
            page = self._reader().execute(_PAGE, (after, _FOREVER, _PAGE_ROWS))
            for position, _, schema, body in page:
                after = Position(position)
                yield after, self._read(position, schema, body, types)
            if len(page) < _PAGE_ROWS:
                return

    def segments_with(self, type_: str, position: Position) -> list[str]:
        """Chunks up to ``position`` that hold a type, of whatever run, in log order."""
        found = self._reader().execute(_WITH, (type_, position))
        return [name for (name,) in found]

    def segments_within(self, type_: str, since: CityTime, until: CityTime) -> list[str]:
        """Chunks that hold a type, of whatever run, between two city times, in log order."""
        found = self._reader().execute(_WITHIN, (type_, since, until))
        return [name for (name,) in found]

    def runs(self, type_: str) -> list[tuple[str, CityTime, CityTime]]:
        """Runs that segments hold a type of, in log order: name, first and last time."""
        found = self._reader().execute(_RUNS, (type_,))
        return [(run, CityTime(since), CityTime(until)) for run, since, until in found]

    def compacted(self) -> Position:
        """The last position that lies in a segment; 0 when none does."""
        return Position(number(self._reader(), "SELECT max(last) FROM segments"))

    def _read(
        self, position: int, schema: int, body: bytes, types: Container[str] | None = None
    ) -> Batch:
        if schema > VERSION:
            raise CorruptError(f"{self.place} position {position}: layout {schema} > {VERSION}")
        try:
            return read_batch(body, self._lists, types)
        except InputError as error:
            raise CorruptError(f"{self.place} position {position}: {error}") from error

    def last(self) -> Position:
        """The newest committed position; 0 when nothing was ever committed."""
        return Position(number(self._reader(), LAST))

    def sequence(self, source: str, run: str) -> int:
        """The highest committed sequence of a source in a run; 0 when there is none."""
        return number(self._reader(), SEQUENCE, (source, run, source, run))

    def position(self, source: str, run: str, sequence: int) -> Position | None:
        """Where a recent batch lies; None when it lies in a segment or nowhere."""
        found = self._reader().execute(_WHERE, (source, run, sequence))
        return Position(found[0][0]) if found else None

    def close(self) -> None:
        """Let go of the database; nothing is lost without it."""
        with self._lock:
            for database in self._readers:
                database.close()
            self._readers.clear()


class _IdLists(dict[bytes, EntityIds]):
    """The newest of the log's lists of entity ids, by digest; each is read when first asked for."""

    def __init__(self, reader: Callable[[], Database]) -> None:
        super().__init__()
        self._reader = reader

    def __missing__(self, digest: bytes) -> EntityIds:
        found = self._reader().execute("SELECT names FROM id_lists WHERE digest = ?", (digest,))
        if not found:
            raise KeyError(digest)
        if len(self) >= _LISTS_KEPT:
            self.clear()
        self[digest] = ids = read_ids(found[0][0])
        return ids
