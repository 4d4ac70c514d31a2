"""What the gate refused, kept so that a person can see it; bounded, and off the hot path."""

import threading
from collections import Counter, deque
from collections.abc import Iterable

import structlog

from cityloop.interconnection.database import Database, number
from cityloop.kernel.changes import Reject
from cityloop.kernel.clock import CityTime, Clock
from cityloop.kernel.errors import BusyError

_log = structlog.get_logger()

_NEXT = "SELECT max(number) FROM rejects"
_INSERT = "INSERT INTO rejects(number, rejected_at, source, run, at, entity, attribute, value, \
reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_KEEP = "INSERT INTO contents(number, content) VALUES (?, ?)"
_FORGET = "DELETE FROM rejects WHERE number <= (SELECT max(number) FROM rejects) - ?"
_COUNTED = "INSERT INTO totals(name, count) VALUES (?, 0) ON CONFLICT DO NOTHING"
_COUNT = "UPDATE totals SET count = count + ? WHERE name = ?"
_COUNTS = "SELECT name, count FROM totals"
_ALL = "rejects"
_BETWEEN = "\t"
"""Totals by source and reason stand beside the grand total, under both names with this between."""
_PAGE = "SELECT number, at, source, run, entity, attribute, value, reason FROM rejects \
WHERE number > ? AND (? = '' OR source = ?) \
AND (? = '' OR reason = ? OR substr(reason, 1, length(?) + 1) = ? || ':') \
ORDER BY number DESC LIMIT ?"
_AGAIN = "SELECT number, content FROM contents JOIN rejects USING (number) WHERE source = ? \
AND (? = '' OR reason = ? OR substr(reason, 1, length(?) + 1) = ? || ':') AND number > ? \
ORDER BY number LIMIT ?"
_TO_TRY = "SELECT count(*) FROM contents JOIN rejects USING (number) WHERE source = ? \
AND (? = '' OR reason = ? OR substr(reason, 1, length(?) + 1) = ? || ':')"
_FORGET_CONTENTS = "DELETE FROM contents WHERE number <= (SELECT max(number) FROM rejects) - ?"
_TRIED = "DELETE FROM contents WHERE number = ?"
_BY_ENTITY = "SELECT entity, kept, attribute, reason FROM (\
SELECT entity, attribute, reason, count(*) OVER (PARTITION BY entity) AS kept, \
row_number() OVER (PARTITION BY entity ORDER BY number DESC) AS age FROM rejects \
WHERE entity != '') AS aged WHERE age = 1"
_NEWEST = "SELECT source, run, at, entity, attribute, value, reason FROM rejects \
ORDER BY number DESC LIMIT ?"


class StoredRejects:
    """The newest ``keep`` rejects of a tenant, and how many there ever were.

    ``offer`` only queues; a thread writes. What is queued beyond ``max_waiting`` is counted and
    not kept. Survives a kill but for what was queued; a power cut may cost the last seconds.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        readonly: bool = False,
        keep: int = 100_000,
        max_waiting: int = 10_000,
    ) -> None:
        self._clock = clock
        self._keep = keep
        self.max_waiting = max_waiting
        self.unkept = 0
        """Rejects that were counted and not kept, since the start: too many waited."""
        self._database = database
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
        with self._database_lock:
            found = self._database.execute(_NEWEST, (limit,))
        return [
            Reject(source, run, CityTime(at), entity, attribute, value, reason)
            for source, run, at, entity, attribute, value, reason in found
        ]

    def by_entity(self) -> dict[str, tuple[int, str, str]]:
        """How many of the rejects on disk each entity has, the newest one's attribute and why."""
        with self._database_lock:
            found = self._database.execute(_BY_ENTITY)
        return {entity: (count, attribute, why) for entity, count, attribute, why in found}

    def page(self, source: str, reason: str, after: int, limit: int) -> list[tuple[int, Reject]]:
        """The newest that are on disk with a number above ``after``, newest first, each with its
        number. ``source``, ``reason`` (without detail): empty for any.
        """
        with self._database_lock:
            found = self._database.execute(_PAGE, (after, source, source, *_any(reason), limit))
        return [
            (row, Reject(source, run, CityTime(at), entity, attribute, value, reason))
            for row, at, source, run, entity, attribute, value, reason in found
        ]

    def contents(self, source: str, reason: str, after: int, limit: int) -> list[tuple[int, bytes]]:
        """What can be tried again of a source, by number above ``after``, oldest first; of any
        reason where it is empty.
        """
        with self._database_lock:
            return self._database.execute(_AGAIN, (source, *_any(reason), after, limit))

    def to_try(self, source: str, reason: str) -> int:
        """How many of a source can be tried again; of any reason where it is empty."""
        with self._database_lock:
            return number(self._database, _TO_TRY, (source, *_any(reason)))

    def tried(self, numbers: Iterable[int]) -> None:
        """These were tried again, and need not be kept for that any more."""
        with self._database_lock, self._database.transaction():
            self._database.executemany(_TRIED, [(row,) for row in numbers])

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
        with self._database_lock, self._database.transaction():
            first = number(self._database, _NEXT) + 1
            told = [(first + row, now, *_columns(reject)) for row, reject in enumerate(group)]
            again = [(first + row, r.content) for row, r in enumerate(group) if r.content]
            self._database.executemany(_INSERT, told)
            self._database.executemany(_KEEP, again)
            self._database.executemany(_COUNTED, [(name,) for name in counts])
            self._database.executemany(_COUNT, [(more, name) for name, more in counts.items()])
            for forget in (_FORGET_CONTENTS, _FORGET):
                self._database.execute(forget, (self._keep,))

    def _stored_counts(self) -> Counter[str]:
        with self._database_lock:
            return Counter(dict(self._database.execute(_COUNTS)))


def _any(reason: str) -> tuple[str, ...]:
    """A reason as often as a condition names it."""
    return (reason,) * 4


def _columns(r: Reject) -> tuple[str | int, ...]:
    """As the table has them. No text of PostgreSQL holds a zero byte, and a source may send one."""
    texts = (text.replace("\0", "\\0") for text in (r.entity, r.attribute, r.value, r.reason))
    return r.source, r.run, r.at, *texts
