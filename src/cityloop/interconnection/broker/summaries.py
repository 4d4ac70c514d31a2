"""Means, sums and counts of the past by period, from columns: no object for any instance.

Rows of a series lie together and in the order of time, so each period of it is a stretch of rows:
NumPy sums up all stretches of a row group in one pass. Series whose rows overlap between files,
that hold something else than numbers, or whose entity's past was corrected are left to the reader
of single instances.
"""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Executor
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cityloop.interconnection.broker.evolutions import PastReader
from cityloop.interconnection.broker.past_rows import Ints, PastRows, changes, coded, integers
from cityloop.interconnection.sqlite import rows
from cityloop.standards.cim.evolution import Summary
from cityloop.standards.cim.scope import SCOPE
from cityloop.standards.cim.temporal_query import Period, TemporalQuery
from cityloop.standards.cim.times import write_datetime

Floats: TypeAlias = npt.NDArray[np.float64]
Name: TypeAlias = tuple[str, str, str]
"""Of a series: entity, attribute and datasetId."""

_COLUMNS = ["id", "attribute", "datasetId", "time", "value"]
_METHODS = frozenset({"totalCount", "sum", "avg", "min", "max", "sumsq"})
_CORRECTED = "SELECT id FROM forgotten UNION SELECT id FROM revised"


class Window(NamedTuple):
    """Which rows are summed up: from ``start`` on, by periods of so many ms."""

    start: int
    end: int | None
    period: int
    methods: frozenset[str]

    def meets(self, since: int, until: int) -> bool:
        """Whether there may be rows of it between two times, both included."""
        return until >= self.start and (self.end is None or since < self.end)


class Stretches(NamedTuple):
    """Of each series and period that some rows hold, in order; ``first``, ``last``: time [ms]."""

    series: Ints
    period: Ints
    rows: Ints
    total: Floats
    least: Floats
    most: Floats
    squares: Floats
    first: Ints
    last: Ints

    def taken(self, which: npt.NDArray[Any]) -> "Stretches":
        """Some of them, or all in another order."""
        columns: list[Any] = [column[which] for column in self]
        return Stretches(*columns)


class Part(NamedTuple):
    """What one row group holds. ``names``: of its series, by number; ``mixed``: not numbers all."""

    names: list[Name]
    mixed: set[str]
    stretches: Stretches


class Summed(NamedTuple):
    """By entity its summaries; ``left``: entities that columns cannot sum up."""

    by_id: dict[str, list[Summary]]
    left: set[str]


def window_of(query: TemporalQuery) -> Window | None:
    """The window of a query that columns can answer; None where they cannot."""
    if query.format != "aggregatedValues" or not _METHODS.issuperset(query.methods):
        return None
    if query.time_property != "observedAt" or query.last_n is not None or query.start is None:
        return None
    if query.period.months or (query.period == Period() and query.end is None):
        return None
    whole = 0 if query.end is None else max(query.end - query.start, 1)
    period = query.period.ms or whole
    return Window(query.start, query.end, period, frozenset(query.methods))


def summed(past: PastReader, ids: AbstractSet[str], window: Window, threads: Executor) -> Summed:
    """The summaries of all entities among ``ids`` that have rows in the window."""
    corrected = {id_ for (id_,) in rows(past.files.connection, _CORRECTED)}
    left = set(ids & (corrected | set(past.tail.corrected())))
    wanted = ids - left
    numbers: dict[Name, int] = {}
    parts, sources = list[Stretches](), list[Ints]()
    for source, part in _parts(past, wanted, window, threads):
        left |= part.mixed & wanted
        own = np.array([_number(name, numbers, wanted) for name in part.names], np.int64)
        series = own[part.stretches.series]
        taken = part.stretches._replace(series=series).taken(series >= 0)
        parts.append(taken)
        sources.append(np.full(len(taken.series), source))
    if not parts:
        return Summed({}, left)
    columns: list[Any] = [np.concatenate(each) for each in zip(*parts, strict=True)]
    whole = Stretches(*columns)
    names = list(numbers)
    left |= {names[series][0] for series in _overlapping(whole, np.concatenate(sources))}
    return Summed(_told(_joined(whole), names, left, window), left)


def _number(name: Name, numbers: dict[Name, int], wanted: AbstractSet[str]) -> int:
    """The number of a series, -1 where it is not wanted."""
    is_wanted = name[0] in wanted and name[1] != SCOPE
    return numbers.setdefault(name, len(numbers)) if is_wanted else -1


def _parts(
    past: PastReader, wanted: AbstractSet[str], window: Window, threads: Executor
) -> Iterator[tuple[int, Part]]:
    """What each row group holds, with the number of the file that it lies in."""
    reading = [
        (source, partial(segment.columns, group, _COLUMNS))
        for source, segment in enumerate(past.files.segments)
        for group in segment.groups_between(window.meets)
    ]
    found = threads.map(lambda each: _part(each[1](), window), reading)
    for (source, _), part in zip(reading, found, strict=True):
        if part is not None:
            yield source, part
    newest = PastRows()
    for number, write in past.tail.all(past.start):
        if write.id in wanted:
            newest.take(number, write)
    part = _part(newest.table(), window) if len(newest) else None
    if part is not None:
        yield len(past.files.segments), part


def _part(table: pa.Table, window: Window) -> Part | None:
    time = integers(table, "time")
    inside = time >= window.start
    if window.end is not None:
        inside &= time < window.end
    if not inside.all():
        table = table.filter(pa.array(inside))
        time = time[inside]
    if not len(time):
        return None
    series, names = _series(table)
    period = (time - window.start) // window.period
    starts = changes(series, period)
    values = table["value"]
    mixed: set[str] = set()
    if values.null_count:
        nulls = np.unique(series[values.is_null().to_numpy(zero_copy_only=False)])
        mixed = {names[each][0] for each in nulls.tolist() if names[each][1] != SCOPE}
    stretches = _stretches(series, period, time, values.to_numpy(), starts, window.methods)
    return Part(names, mixed, stretches)


def _series(table: pa.Table) -> tuple[Ints, list[Name]]:
    """Of each row the number of its series among those of the table, and their names."""
    columns = [coded(table[name]) for name in ("id", "attribute", "datasetId")]
    starts = changes(*(codes for _, codes in columns))
    series = np.zeros(table.num_rows, np.int64)
    series[starts[1:]] = 1
    names = [
        texts.take(pa.array(codes[starts], pa.int64())).to_pylist() for texts, codes in columns
    ]
    return np.cumsum(series), list(zip(*names, strict=True))


def _stretches(
    series: Ints,
    period: Ints,
    time: Ints,
    values: Floats,
    starts: Ints,
    methods: AbstractSet[str],
) -> Stretches:
    ends = np.append(starts[1:], len(time))
    sums: Floats = np.add.reduceat(values, starts)
    return Stretches(
        series[starts],
        period[starts],
        ends - starts,
        sums,
        np.minimum.reduceat(values, starts) if "min" in methods else sums,
        np.maximum.reduceat(values, starts) if "max" in methods else sums,
        np.add.reduceat(values * values, starts) if "sumsq" in methods else sums,
        time[starts],
        time[ends - 1],
    )


def _overlapping(whole: Stretches, sources: Ints) -> set[int]:
    """The series of which one file has rows between those of another: some may correct others."""
    order = np.lexsort((whole.first, sources, whole.series))
    series, source = whole.series[order], sources[order]
    starts = changes(series, source)
    series, first = series[starts], whole.first[order][starts]
    last = np.maximum.reduceat(whole.last[order], starts)
    order = np.lexsort((first, series))
    series, first, last = series[order], first[order], last[order]
    meets = (series[1:] == series[:-1]) & (first[1:] <= last[:-1])
    return set(series[1:][meets].tolist())


def _joined(whole: Stretches) -> Stretches:
    """One for each series and period, in order, of what several row groups hold of it."""
    whole = whole.taken(np.lexsort((whole.period, whole.series)))
    starts = changes(whole.series, whole.period)
    added, least, most = np.add.reduceat, np.minimum.reduceat, np.maximum.reduceat
    return Stretches(
        whole.series[starts],
        whole.period[starts],
        added(whole.rows, starts),
        added(whole.total, starts),
        least(whole.least, starts),
        most(whole.most, starts),
        added(whole.squares, starts),
        least(whole.first, starts),
        most(whole.last, starts),
    )


def _told(
    whole: Stretches, names: Sequence[Name], left: AbstractSet[str], window: Window
) -> dict[str, list[Summary]]:
    results: dict[str, list[Any]] = {
        "totalCount": whole.rows.tolist() if "totalCount" in window.methods else [],
        "sum": whole.total.tolist(),
        "avg": (whole.total / whole.rows).tolist(),
        "min": whole.least.tolist(),
        "max": whole.most.tolist(),
        "sumsq": whole.squares.tolist(),
    }
    spans = _spans(whole.period, window)
    starts = changes(whole.series).tolist()
    told: dict[str, list[Summary]] = {}
    for start, end in zip(starts, [*starts[1:], len(whole.series)], strict=True):
        id_, attribute, dataset = names[whole.series[start]]
        if id_ not in left:
            values = {
                method: [
                    [result, *span]
                    for result, span in zip(
                        results[method][start:end], spans[start:end], strict=True
                    )
                ]
                for method in window.methods
            }
            told.setdefault(id_, []).append(Summary(attribute, dataset, "Property", values))
    return told


def _spans(periods: Ints, window: Window) -> list[tuple[str, str]]:
    """Begin and end of each of ``periods``, as they are written."""
    numbers, places = np.unique(periods, return_inverse=True)
    begins = [window.start + number * window.period for number in numbers.tolist()]
    spans = [(write_datetime(begin), write_datetime(begin + window.period)) for begin in begins]
    return [spans[place] for place in places.tolist()]
