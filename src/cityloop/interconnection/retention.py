"""Retention: segments are thinned and erased by the rules of their types, and small ones merged.

A segment is written anew beside the old one and takes its place in one transaction, so a kill
anywhere leaves one or the other. Every commit keeps its position, source and sequence; what is
erased of it is its observations. The old folder stays for readers that are in it, for a minute.
Rows that no segment holds yet are never touched.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import apsw
import msgspec
import numpy as np

from cityloop.interconnection.compaction import alone, opened, spans_of
from cityloop.interconnection.log import SqliteLog
from cityloop.interconnection.segments import read_segment, segment_facts, sync, write_segment
from cityloop.interconnection.sqlite import rows, transaction
from cityloop.kernel.clock import WallTime
from cityloop.kernel.frame import EntityIds, Frame
from cityloop.kernel.ports import Batch, Commit, Position
from cityloop.kernel.rows import Rows
from cityloop.standards.retention import Keep

Keeps = Mapping[str, Keep]
_MERGED_BATCHES = 7200
_MERGED_BYTES = 32_000_000


@dataclass(frozen=True, slots=True)
class _Segment:
    """A recorded segment; ``as_of``: wall time of the rules' last use on it, 0 never."""

    first: int
    last: int
    folder: str
    as_of: int


class Retention:
    """Applies rules to the segments of ``log``. One process does so, with compaction's lock."""

    def __init__(self, log: SqliteLog) -> None:
        self._log = log
        self._facts: dict[str, tuple[WallTime, frozenset[str]]] = {}

    def apply(self, keeps: Keeps, now: WallTime, until: Position) -> int:
        """Rewrite the oldest segments up to ``until`` that are due, as far as one merged segment
        goes; how many were.

        Raises BusyError when another process compacts this log, OSError when the disk is full: the
        log reads as before then.
        """
        mark = _mark(keeps)
        with alone(self._log.folder), opened(self._log) as connection:
            due = self._due(_recorded(connection, mark), keeps, now, until)
            if due:
                self._rewrite(connection, due, keeps, now, mark)
        return len(due)

    def _due(
        self, segments: Sequence[_Segment], keeps: Keeps, now: WallTime, until: Position
    ) -> list[_Segment]:
        """The first stretch of neighbours that are due, as long as one segment may be."""
        self._facts = {s.folder: self._fact(s.folder) for s in segments}
        due: list[_Segment] = []
        size = 0
        for segment in segments:
            size += _bytes(self._log.segments / segment.folder)
            fits = not due or (
                segment.last - due[0].first < _MERGED_BATCHES and size <= _MERGED_BYTES
            )
            if segment.last <= until and self._is_due(segment, keeps, now) and fits:
                due.append(segment)
            elif due:
                break
            else:
                size = 0
        return due

    def _fact(self, folder: str) -> tuple[WallTime, frozenset[str]]:
        return self._facts.get(folder) or segment_facts(self._log.segments / folder)

    def _is_due(self, segment: _Segment, keeps: Keeps, now: WallTime) -> bool:
        """Whether a boundary of a type has passed its newest commit since the rules' last use."""
        newest, types = self._facts[segment.folder]
        spans = {
            span
            for type_ in types
            if type_ in keeps
            for span in (keeps[type_].raw_ms, keeps[type_].kept_ms)
        }
        return any(segment.as_of < newest + span <= now for span in spans)

    def _rewrite(
        self,
        connection: apsw.Connection,
        due: Sequence[_Segment],
        keeps: Keeps,
        now: WallTime,
        mark: str,
    ) -> None:
        folders = [self._log.segments / segment.folder for segment in due]
        whole = (commit for folder in folders for commit in read_segment(folder))
        commits = list(thinned(whole, keeps, now))
        first, last = due[0].first, due[-1].last
        name = f"{first:012d}-{last:012d}.{now}.{mark}"
        new, home = self._log.segments / f"{name}.new", self._log.segments / name
        for left in (new, home):
            if left.exists():  # by a kill at this very point, under the same clock
                shutil.rmtree(left)
        new.mkdir(mode=0o700)
        write_segment(new, commits)
        new.rename(home)
        sync(self._log.segments)
        connection.pragma("synchronous", "FULL")
        with transaction(connection):
            for segment in due:
                connection.execute("DELETE FROM segments WHERE first = ?", (segment.first,))
                connection.execute("DELETE FROM spans WHERE first = ?", (segment.first,))
            connection.execute("INSERT INTO segments VALUES (?, ?, ?)", (first, last, name))
            connection.executemany("INSERT INTO spans VALUES (?, ?, ?, ?, ?)", spans_of(commits))
        for folder in folders:
            os.utime(folder)  # from now on it is kept for its last readers


def thinned(commits: Iterator[Commit], keeps: Keeps, now: WallTime) -> Iterator[Commit]:
    """The same commits with what the rules leave of them at ``now``.

    Of what is sampled, the first observation of each span of city time stays.
    """
    taken: set[tuple[object, ...]] = set()
    for commit in commits:
        age = now - commit.committed_at
        batch = commit.batch
        frames = tuple(p for p in batch.frames if _stays(p, keeps.get(p.type), age, taken))
        sparse = (_sampled(p, keeps.get(p.type), age, taken) for p in batch.rows)
        changes = tuple(
            c for c in batch.changes if c.type not in keeps or age < keeps[c.type].kept_ms
        )
        left = Batch(
            batch.source,
            batch.run,
            batch.sequence,
            frames=frames,
            changes=changes,
            rows=tuple(part for part in sparse if part is not None),
            writes=batch.writes,
        )
        yield replace(commit, batch=left)


def _stays(part: Frame, keep: Keep | None, age: int, taken: set[tuple[object, ...]]) -> bool:
    if keep is None or age < keep.raw_ms:
        return True
    if age >= keep.kept_ms or keep.every_s is None:
        return age < keep.kept_ms
    key = part.type, part.run, part.ids, part.observed_at // round(keep.every_s * 1000)
    fresh = key not in taken
    taken.add(key)
    return fresh


def _sampled(
    part: Rows, keep: Keep | None, age: int, taken: set[tuple[object, ...]]
) -> Rows | None:
    if keep is None or age < keep.raw_ms:
        return part
    if age >= keep.kept_ms:
        return None
    if keep.every_s is None:
        return part
    spans = part.observed_at // round(keep.every_s * 1000)
    fresh = np.zeros(len(part), dtype=np.bool_)
    for row, (entity, span) in enumerate(zip(part.entity.tolist(), spans.tolist(), strict=True)):
        key: tuple[object, ...] = part.type, part.run, _name(part.ids, entity), span
        fresh[row] = key not in taken
        taken.add(key)
    return part.taken(fresh) if fresh.any() else None


def _name(ids: EntityIds, entity: int) -> str:
    return ids.names[entity]


def _mark(keeps: Keeps) -> str:
    """Names a set of rules in 8 hexadecimal letters."""
    rules = [keeps[type_] for type_ in sorted(keeps)]
    return hashlib.blake2b(msgspec.msgpack.encode(rules), digest_size=4).hexdigest()


def _recorded(connection: apsw.Connection, mark: str) -> list[_Segment]:
    """The segments in log order; rules other than those of ``mark`` were never used on them."""
    found = rows(connection, "SELECT first, last, folder FROM segments ORDER BY first")
    segments = []
    for first, last, folder in found:
        _, *used = folder.split(".")
        as_of = int(used[0]) if len(used) == 2 and used[1] == mark else 0
        segments.append(_Segment(first, last, folder, as_of))
    return segments


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())
