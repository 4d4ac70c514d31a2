"""What the gate refused, kept so that a person can see it; bounded, and off the hot path."""

import threading
from collections import Counter, deque
from collections.abc import Iterable
from pathlib import Path

import structlog

from cityloop.interconnection.sqlite import (
    number,
    open_database,
    rows,
    sqlite_errors,
    transaction,
)
from cityloop.kernel.changes import Reject
from cityloop.kernel.clock import CityTime, Clock
from cityloop.kernel.errors import BusyError

_log = structlog.get_logger()

LAYOUT = 1
_SCHEMA = """
CREATE TABLE rejects(
    number INTEGER PRIMARY KEY, rejected_at INTEGER NOT NULL, source TEXT NOT NULL,
    run TEXT NOT NULL, at INTEGER NOT NULL, entity TEXT NOT NULL, attribute TEXT NOT NULL,
    value TEXT NOT NULL, reason TEXT NOT NULL
) STRICT;
CREATE TABLE totals(name TEXT PRIMARY KEY, count INTEGER NOT NULL) STRICT;
INSERT INTO totals VALUES ('rejects', 0);
"""
_CONTENTS = "CREATE TABLE IF NOT EXISTS contents(number INTEGER PRIMARY KEY, \
content BLOB NOT NULL) STRICT"
"""What it takes to try a reject again, until it was."""
_KEEP = "INSERT INTO contents VALUES (last_insert_rowid(), ?)"
_INSERT = "INSERT INTO rejects VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)"
_FORGET = "DELETE FROM rejects WHERE number <= (SELECT max(number) FROM rejects) - ?"
_COUNT = "INSERT INTO totals VALUES (?, ?) \
ON CONFLICT (name) DO UPDATE SET count = count + excluded.count"
_COUNTS = "SELECT name, count FROM totals"
_ALL = "rejects"
_BETWEEN = "\t"
"""Totals by source and reason stand beside the grand total, under both names with this between."""
_PAGE = "SELECT number, at, source, run, entity, attribute, value, reason FROM rejects \
WHERE number > ?1 AND (?2 = '' OR source = ?2) \
AND (?3 = '' OR reason = ?3 OR substr(reason, 1, length(?3) + 1) = ?3 || ':') \
ORDER BY number DESC LIMIT ?4"
_AGAIN = "SELECT number, content FROM contents JOIN rejects USING (number) WHERE source = ?1 \
AND (?2 = '' OR reason = ?2 OR substr(reason, 1, length(?2) + 1) = ?2 || ':') AND number > ?3 \
ORDER BY number LIMIT ?4"
_TO_TRY = "SELECT count(*) FROM contents JOIN rejects USING (number) WHERE source = ?1 \
AND (?2 = '' OR reason = ?2 OR substr(reason, 1, length(?2) + 1) = ?2 || ':')"
_FORGET_CONTENTS = "DELETE FROM contents WHERE number <= (SELECT max(number) FROM rejects) - ?"
_TRIED = "DELETE FROM contents WHERE number = ?"
_BY_ENTITY = "SELECT entity, count(*), max(number), attribute, reason FROM rejects \
WHERE entity != '' GROUP BY entity"
"""SQLite takes the columns beside the one max() from the row that has it."""
_NEWEST = "SELECT source, run, at, entity, attribute, value, reason FROM rejects \
ORDER BY number DESC LIMIT ?"


class SqliteRejects:
    """The newest ``keep`` rejects of a tenant in ``rejects.db``, and how many there ever were.

    ``offer`` only queues; a thread writes. What is queued beyond ``max_waiting`` is counted and
    not kept. Survives a kill but for what was queued; a power cut may cost the last seconds.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        *,
        readonly: bool = False,
        keep: int = 100_000,
        max_waiting: int = 10_000,
    ) -> None:
        self._path = folder / "rejects.db"
        self._clock = clock
        self._keep = keep
        self.max_waiting = max_waiting
        self.unkept = 0
        """Rejects that were counted and not kept, since the start: too many waited."""
        self._database = open_database(
            self._path, _SCHEMA, version=LAYOUT, synchronous="NORMAL", readonly=readonly
        )
        if not readonly:
            with sqlite_errors(self._path):
                self._database.execute(_CONTENTS)
        self._database_lock = threading.Lock()
        self._counts = self._stored_counts()
        self._waiting: deque[Reject] = deque()
        self._uncounted: Counter[str] = Counter()
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="rejects", daemon=True)
        if not readonly:
            self._thread.start()

    @property
    def total(self) -> int:
        """How many were ever rejected, those not kept and those still queued included."""
        return self._counts[_ALL]

    @property
    def waiting(self) -> int:
        """How many wait to be kept."""
        return len(self._waiting)

    def counts(self) -> dict[tuple[str, str], int]:
        """(source, reason without its detail) → how many were ever rejected."""
        with self._changed:
            counts = dict(self._counts)
        found = ((name.partition(_BETWEEN), count) for name, count in counts.items())
        return {(source, reason): count for (source, tab, reason), count in found if tab}

    def offer(self, rejects: Iterable[Reject]) -> None:
        """Queue ``rejects`` to be kept; returns at once."""
        with self._changed:
            for reject in rejects:
                kind = reject.reason.partition(":")[0]
                for name in (_ALL, f"{reject.source}{_BETWEEN}{kind}"):
                    self._counts[name] += reject.count
                    self._uncounted[name] += reject.count
                if len(self._waiting) < self.max_waiting:
                    self._waiting.append(reject)
                else:
                    self.unkept += 1
            self._changed.notify()

    def newest(self, limit: int = 100) -> list[Reject]:
        """The newest rejects that are on disk, newest first."""
        with self._database_lock, sqlite_errors(self._path):
            found = rows(self._database, _NEWEST, (limit,))
        return [
            Reject(source, run, CityTime(at), entity, attribute, value, reason)
            for source, run, at, entity, attribute, value, reason in found
        ]

    def by_entity(self) -> dict[str, tuple[int, str, str]]:
        """How many of the rejects on disk each entity has, the newest one's attribute and why."""
        with self._database_lock, sqlite_errors(self._path):
            found = rows(self._database, _BY_ENTITY)
        return {entity: (count, attribute, why) for entity, count, _, attribute, why in found}

    def page(self, source: str, reason: str, after: int, limit: int) -> list[tuple[int, Reject]]:
        """The newest that are on disk with a number above ``after``, newest first, each with its
        number. ``source``, ``reason`` (without detail): empty for any.
        """
        with self._database_lock, sqlite_errors(self._path):
            found = rows(self._database, _PAGE, (after, source, reason, limit))
        return [
            (row, Reject(source, run, CityTime(at), entity, attribute, value, reason))
            for row, at, source, run, entity, attribute, value, reason in found
        ]

    def contents(self, source: str, reason: str, after: int, limit: int) -> list[tuple[int, bytes]]:
        """What can be tried again of a source, by number above ``after``, oldest first; of any
        reason where it is empty.
        """
        with self._database_lock, sqlite_errors(self._path):
            return rows(self._database, _AGAIN, (source, reason, after, limit))

    def to_try(self, source: str, reason: str) -> int:
        """How many of a source can be tried again; of any reason where it is empty."""
        with self._database_lock, sqlite_errors(self._path):
            return number(self._database, _TO_TRY, (source, reason))

    def tried(self, numbers: Iterable[int]) -> None:
        """These were tried again, and need not be kept for that any more."""
        with self._database_lock, sqlite_errors(self._path), transaction(self._database) as into:
            into.executemany(_TRIED, [(row,) for row in numbers])

    def close(self) -> None:
        """Write what is queued and let go of the file."""
        if self._thread.is_alive():
            with self._changed:
                self._closing = True
                self._changed.notify()
            self._thread.join()
        self._database.close()

    def _run(self) -> None:
        while self._write_next():
            pass

    def _write_next(self) -> bool:
        with self._changed:
            while not self._uncounted and not self._closing:
                self._changed.wait()
            if not self._uncounted:
                return False
            group, counts = list(self._waiting), self._uncounted
            self._waiting.clear()
            self._uncounted = Counter()
        try:
            self._write(group, counts)
        except (OSError, BusyError) as error:
            # Rejects are told of, not acknowledged: losing some is better than stopping the gate.
            _log.error("rejects_not_kept", count=counts[_ALL], error=str(error))
        return True

    def _write(self, group: list[Reject], counts: Counter[str]) -> None:
        now = self._clock()
        with self._database_lock, sqlite_errors(self._path), transaction(self._database) as into:
            for r in group:
                told = r.source, r.run, r.at, r.entity, r.attribute, r.value, r.reason
                into.execute(_INSERT, (now, *told))
                if r.content:
                    into.execute(_KEEP, (r.content,))
            into.executemany(_COUNT, counts.items())
            for forget in (_FORGET_CONTENTS, _FORGET):
                into.execute(forget, (self._keep,))

    def _stored_counts(self) -> Counter[str]:
        with self._database_lock, sqlite_errors(self._path):
            return Counter(dict(rows(self._database, _COUNTS)))
