"""The log as people look back on it: some types of frames, by time or by number.

What was read stays at hand for a while, because who looks at one second looks at the next one
then. Segments are read one type at a time; the newest batches, which lie in rows, are followed.
"""

from bisect import bisect_right
from collections import OrderedDict, defaultdict
from collections.abc import Iterator
from itertools import chain
from operator import attrgetter

from cityloop.interconnection.log import StoredLog
from cityloop.kernel.clock import CityTime
from cityloop.kernel.frame import Frame
from cityloop.kernel.ports import Position

_observed_at = attrgetter("observed_at")
_SEGMENTS_KEPT = 24
_TAIL_KEPT = 1_800
_NUMBER = "number"


class Past:
    """Frames of ``types`` in a log that another process writes. For one thread at a time.

    Raises OSError, BusyError and CorruptError as the log does; CorruptError also when a segment
    was erased while it was read: ask again then.
    """

    def __init__(self, log: StoredLog, types: frozenset[str]) -> None:
        self._log = log
        self._types = types
        self._segments: OrderedDict[tuple[str, str], list[Frame]] = OrderedDict()
        self._firsts: dict[tuple[str, str], int] = {}
        self._tail: dict[str, list[Frame]] = defaultdict(list)
        self._after = self._reached = Position(0)

    def frames(self, type_: str, run: str, since: CityTime, until: CityTime) -> list[Frame]:
        """Frames of a run with ``since <= observed_at < until``, in order of city time."""
        self._follow()
        spans = self._log.spans(type_, run, since, until, self._after)
        parts = chain(*(self._segment(name, type_) for name, *_ in spans), self._tail[type_])
        wanted = [p for p in parts if p.run == run and since <= p.observed_at < until]
        return sorted(wanted, key=_observed_at)

    def backwards(self, type_: str, run: str, at: CityTime) -> Iterator[Frame]:
        """Frames of a run with ``observed_at <= at``, the newest first; stop when it is enough."""
        self._follow()
        spans = self._log.spans(type_, run, CityTime(0), CityTime(at + 1), self._after)
        yield from _newest_first(self._tail[type_], run, at)
        for name, *_ in reversed(spans):
            yield from _newest_first(self._segment(name, type_), run, at)

    def everything(self, type_: str) -> Iterator[Frame]:
        """All frames of a type of which there are few, in log order."""
        self._follow()
        for name in self._log.segments_with(type_, self._after):
            yield from self._segment(name, type_)
        yield from self._tail[type_]

    def numbered_after(self, type_: str, number: int) -> Iterator[Frame]:
        """Frames with a row whose ``number`` is higher, in log order; those of before numbers were
        kept are left out."""
        self._follow()
        tail = self._tail[type_]
        if not tail or _first(tail) > number + 1:
            names = self._log.segments_with(type_, self._after)
            begin = bisect_right(names, number + 1, key=lambda n: self._first_in(n, type_))
            for name in names[max(0, begin - 1) :]:
                yield from _beyond(self._segment(name, type_), number)
        yield from _beyond(tail, number)

    def runs(self, type_: str) -> dict[str, tuple[CityTime, CityTime]]:
        """Run → first and last time of a type in it, in log order."""
        self._follow()
        found = {run: (since, until) for run, since, until in self._log.runs(type_)}
        for part in self._tail[type_]:
            since, until = found.get(part.run, (part.observed_at, part.observed_at))
            found[part.run] = min(since, part.observed_at), max(until, part.observed_at)
        return found

    def _follow(self) -> None:
        """Take in what was committed since; let go of what lies in segments by now."""
        whole = False
        while not whole:
            compacted = self._log.compacted()
            if compacted > self._reached or (len(self) > _TAIL_KEPT and compacted > self._after):
                self._tail.clear()
                self._after = self._reached = compacted
            whole = self._take_in()

    def __len__(self) -> int:
        """How many commits are followed as rows."""
        return self._reached - self._after

    def _take_in(self) -> bool:
        """Whether nothing was moved into a segment while it was read."""
        for position, batch in self._log.rows(self._reached, self._types):
            if position != self._reached + 1:
                return False
            for part in batch.frames:
                self._tail[part.type].append(part)
            self._reached = position
        return True

    def _segment(self, name: str, type_: str) -> list[Frame]:
        key = name, type_
        if key not in self._segments:
            parts = self._log.cold.parts(name, type_)
            self._segments[key] = [part for part in parts if isinstance(part, Frame)]
            if len(self._segments) > _SEGMENTS_KEPT:
                self._segments.popitem(last=False)
        self._segments.move_to_end(key)
        return self._segments[key]

    def _first_in(self, name: str, type_: str) -> int:
        key = name, type_
        if key not in self._firsts:
            self._firsts[key] = _first(self._segment(name, type_))
        return self._firsts[key]


def _newest_first(parts: list[Frame], run: str, at: CityTime) -> list[Frame]:
    wanted = [part for part in parts if part.run == run and part.observed_at <= at]
    return sorted(wanted, key=_observed_at)[::-1]


def _first(parts: list[Frame]) -> int:
    """The first number; 0 where there is none, so that it counts as older than any."""
    return next((int(part[_NUMBER][0]) for part in parts if _NUMBER in part.columns), 0)


def _beyond(parts: list[Frame], number: int) -> Iterator[Frame]:
    for part in parts:
        if _NUMBER in part.columns and len(part) and int(part[_NUMBER][-1]) > number:
            yield part
