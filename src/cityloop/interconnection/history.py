"""The history: observations over time, from segments and from the log's newest rows alike."""

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter

from cityloop.interconnection.log import StoredLog
from cityloop.kernel.clock import CityTime
from cityloop.kernel.frame import Frame
from cityloop.kernel.rows import Rows

_observed_at = attrgetter("observed_at")


@dataclass(frozen=True, slots=True)
class _Piece:
    """Some frames, from the ``number``-th stretch of the log, read when they are asked for."""

    first: CityTime
    last: CityTime
    number: int
    read: Callable[[], Sequence[Frame | Rows]]


class ParquetHistory:
    """``kernel.ports.History`` over a log: needs nothing but the log, and sees all of it."""

    def __init__(self, log: StoredLog) -> None:
        self._log = log

    def frames(self, type_: str, run: str, since: CityTime, until: CityTime) -> Iterator[Frame]:
        """Frames of a type with ``since <= observed_at < until``, in order of city time; those of
        one time in the order they were committed.

        Holds one segment in memory at a time, or as many as overlap in time.
        """
        compacted = self._log.compacted()
        pieces = [
            _Piece(first, last, number, partial(self._log.cold.parts, name, type_))
            for number, (name, first, last) in enumerate(
                self._log.spans(type_, run, since, until, compacted)
            )
        ]
        hot = [
            part
            for commit in self._log.read(compacted)
            for part in commit.batch.parts
            if part.type == type_ and part.run == run and len(part)
        ]
        if hot:
            first = min(p.oldest if isinstance(p, Rows) else p.observed_at for p in hot)
            last = max(p.newest if isinstance(p, Rows) else p.observed_at for p in hot)
            pieces.append(_Piece(first, last, len(pieces), lambda: hot))
        for group in _overlapping(pieces):
            parts = (_wanted(piece.read(), run, since, until) for piece in group)
            yield from heapq.merge(*parts, key=_observed_at)


def _wanted(
    parts: Sequence[Frame | Rows], run: str, since: CityTime, until: CityTime
) -> list[Frame]:
    found: list[Frame] = []
    for part in parts:
        if part.run == run and isinstance(part, Rows):
            span = (part.observed_at >= since) & (part.observed_at < until)
            found.extend(part.taken(span).frames())
        elif part.run == run and isinstance(part, Frame) and since <= part.observed_at < until:
            found.append(part)
    return sorted(found, key=_observed_at)


def _overlapping(pieces: Sequence[_Piece]) -> Iterator[list[_Piece]]:
    """``pieces`` in order of time, in groups whose times do not meet; a group in log order."""
    group: list[_Piece] = []
    for piece in sorted(pieces, key=attrgetter("first")):
        if group and piece.first > max(other.last for other in group):
            yield sorted(group, key=attrgetter("number"))
            group = []
        group.append(piece)
    yield sorted(group, key=attrgetter("number"))
