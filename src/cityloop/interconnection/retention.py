"""Retention: segments are thinned and erased by the rules of their types, and small ones merged.

A segment is written anew beside the old one and takes its place in one transaction, so a kill
anywhere leaves one or the other. Every commit keeps its position, source and sequence; what is
erased of it is its observations. The old folder stays for readers that are in it, for a minute.
Rows that no segment holds yet are never touched.
"""

import hashlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import msgspec

from cityloop.interconnection.cold import chunk_name
from cityloop.interconnection.compaction import ADD_SEGMENT, ADD_SPAN, alone
from cityloop.interconnection.database import Database
from cityloop.interconnection.log import StoredLog
from cityloop.interconnection.thinning import Keeps
from cityloop.kernel.clock import WallTime
from cityloop.kernel.ports import Position

_TYPES = "SELECT DISTINCT folder, type FROM spans JOIN segments USING (first)"
_MERGED_BATCHES = 7200
_MERGED_BYTES = 32_000_000


@dataclass(frozen=True, slots=True)
class _Segment:
    """A recorded segment; ``as_of``: wall time of the rules' last use on it, 0 never."""

    first: int
    last: int
    folder: str
    as_of: int

    @property
    def is_small(self) -> bool:
        """Whether it is as compaction wrote it."""
        return "." not in self.folder


class Retention:
    """Applies rules to the segments of ``log``. One process does so, with compaction's lock.

    ``merge``: so many small ones in a row are made one even where no rule is due; 0 for never.
    """

    def __init__(self, log: StoredLog, *, merge: int = 0) -> None:
        self._log = log
        self._merge = merge
        self._newest: dict[str, WallTime] = {}
        self._types: dict[str, set[str]] = {}

    def apply(self, keeps: Keeps, now: WallTime, until: Position) -> int:
        """Rewrite the oldest segments up to ``until`` that are due, as far as one merged segment
        goes; how many were.

        Raises BusyError when another process compacts this log, OSError when the disk is full: the
        log reads as before then.
        """
        mark = _mark(keeps)
        with alone(self._log.folder), closing(self._log.open(readonly=False)) as database:
            segments = _recorded(database, mark)
            self._learn(database, segments)
            due = self._due(segments, keeps, now, until)
            if due:
                self._rewrite(database, due, keeps, now, mark)
        return len(due)

    def _due(
        self, segments: Sequence[_Segment], keeps: Keeps, now: WallTime, until: Position
    ) -> list[_Segment]:
        """The first stretch of neighbours that are due, as long as one segment may be."""
        due: list[_Segment] = []
        small = {s for s in segments if s.is_small and s.last <= until}
        many = small if self._merge and len(small) >= self._merge else frozenset()
        size = 0
        for segment in segments:
            size += self._log.cold.size(segment.folder)
            fits = not due or (
                segment.last - due[0].first < _MERGED_BATCHES and size <= _MERGED_BYTES
            )
            is_due = segment in many or self._is_due(segment, keeps, now)
            if segment.last <= until and is_due and fits:
                due.append(segment)
            elif due:
                break
            else:
                size = 0
        return due

    def _learn(self, database: Database, segments: Sequence[_Segment]) -> None:
        """Which types each segment holds, and when its newest commit was made."""
        new = [s.folder for s in segments if s.folder not in self._newest]
        self._newest.update(self._log.cold.newest(new) if new else {})
        self._types = {}
        for folder, type_ in database.execute(_TYPES):
            self._types.setdefault(folder, set()).add(type_)

    def _is_due(self, segment: _Segment, keeps: Keeps, now: WallTime) -> bool:
        """Whether a boundary of a type has passed its newest commit since the rules' last use."""
        newest, types = self._newest[segment.folder], self._types.get(segment.folder, ())
        spans = {
            span
            for type_ in types
            if type_ in keeps
            for span in (keeps[type_].raw_ms, keeps[type_].kept_ms)
        }
        return any(segment.as_of < newest + span <= now for span in spans)

    def _rewrite(
        self,
        database: Database,
        due: Sequence[_Segment],
        keeps: Keeps,
        now: WallTime,
        mark: str,
    ) -> None:
        first, last = due[0].first, due[-1].last
        name = f"{chunk_name(first, last)}.{now}.{mark}"
        spans = self._log.cold.thin([segment.folder for segment in due], name, keeps, now)
        with database.transaction():
            for segment in due:
                database.execute("DELETE FROM segments WHERE first = ?", (segment.first,))
                database.execute("DELETE FROM spans WHERE first = ?", (segment.first,))
            database.execute(ADD_SEGMENT, (first, last, name))
            database.executemany(ADD_SPAN, spans)


def _mark(keeps: Keeps) -> str:
    """Names a set of rules in 8 hexadecimal letters."""
    rules = [keeps[type_] for type_ in sorted(keeps)]
    return hashlib.blake2b(msgspec.msgpack.encode(rules), digest_size=4).hexdigest()


def _recorded(database: Database, mark: str) -> list[_Segment]:
    """The segments in log order; rules other than those of ``mark`` were never used on them."""
    found = database.execute("SELECT first, last, folder FROM segments ORDER BY first")
    segments = []
    for first, last, folder in found:
        _, *used = folder.split(".")
        as_of = int(used[0]) if len(used) == 2 and used[1] == mark else 0
        segments.append(_Segment(first, last, folder, as_of))
    return segments
