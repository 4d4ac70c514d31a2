"""How an entity evolved, as readers want it told (4.5.6 - 4.5.9, 4.5.19)."""

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from cityloop.standards.cim.kept import MEMBERS, Instance
from cityloop.standards.cim.outgoing import View, write_instance
from cityloop.standards.cim.temporal_query import Period, TemporalQuery
from cityloop.standards.cim.terms import Terms
from cityloop.standards.cim.times import read_datetime, write_datetime

_PLURALS = {
    "value": "values",
    "object": "objects",
    "languageMap": "languageMaps",
    "vocab": "vocabs",
    "json": "jsons",
    "valueList": "valueLists",
    "objectList": "objectLists",
}
_WRAPPED = frozenset({"languageMap", "vocab", "json"})


class Moment(NamedTuple):
    """One instance of an attribute at one time (ms, by the time property asked for).

    ``written``: which write it came by, and its place in that; what is greater came later.
    """

    time: int
    attribute: str
    dataset: str
    id: str
    instance: Instance
    written: tuple[int, int]


class Summary(NamedTuple):
    """What the instances of one attribute and datasetId come to: by aggregation method the results,
    each with the begin and the end of its period. ``kind``: of attribute.
    """

    attribute: str
    dataset: str
    kind: str
    told: dict[str, list[Any]]


def time_of(instance: Instance, time_property: str) -> int | None:
    """When an instance was observed, created, modified or deleted; None where it was not.

    One that does not say when it was observed counts by when it was written.
    """
    told = instance.get(time_property)
    if told is None and time_property == "observedAt":
        told = instance.get("modifiedAt")
    return read_datetime(told) if isinstance(told, str) else told


def write_moments(
    moments: Sequence[Moment], query: TemporalQuery, terms: Terms, view: View
) -> dict[str, Any]:
    """The attributes and what became of them, by name; ``moments`` in the order of time."""
    by_attribute: dict[str, list[Moment]] = {}
    for moment in moments:
        by_attribute.setdefault(moment.attribute, []).append(moment)
    return {
        terms.compact(attribute): _attribute(each, query, terms, view)
        for attribute, each in by_attribute.items()
    }


def _attribute(moments: list[Moment], query: TemporalQuery, terms: Terms, view: View) -> Any:
    if query.format == "normalised":
        return [_normalised(moment, terms, view) for moment in moments]
    return _alone(
        _told(kind, dataset, _values(each, terms, query))
        for (_, dataset, kind), each in _by_series(moments).items()
    )


def _by_series(moments: Sequence[Moment]) -> dict[tuple[str, str, str], list[Moment]]:
    """Those of one attribute, datasetId and kind together."""
    series: dict[tuple[str, str, str], list[Moment]] = {}
    for moment in moments:
        kind = moment.instance.get("type", "Property")
        series.setdefault((moment.attribute, moment.dataset, kind), []).append(moment)
    return series


def _told(kind: str, dataset: str, told: dict[str, list[Any]]) -> dict[str, Any]:
    return {"type": kind, **({"datasetId": dataset} if dataset else {}), **told}


def _alone(bodies: Iterable[dict[str, Any]]) -> Any:
    """The only one, or an array of all."""
    told = list(bodies)
    return told[0] if len(told) == 1 else told


def summarised(moments: Sequence[Moment], query: TemporalQuery) -> list[Summary]:
    """What an aggregating query makes of moments in the order of time."""
    return [
        Summary(*series, _aggregated(each, query)) for series, each in _by_series(moments).items()
    ]


def write_summaries(summaries: Sequence[Summary], terms: Terms) -> dict[str, Any]:
    """The attributes and what their instances come to, by name."""
    by_attribute: dict[str, list[Summary]] = {}
    for summary in summaries:
        by_attribute.setdefault(summary.attribute, []).append(summary)
    return {
        terms.compact(attribute): _alone(_told(one.kind, one.dataset, one.told) for one in each)
        for attribute, each in by_attribute.items()
    }


def _normalised(moment: Moment, terms: Terms, view: View) -> dict[str, Any]:
    body = write_instance(moment.dataset, moment.instance, terms, view)
    body["instanceId"] = moment.id
    if "deletedAt" in moment.instance:
        body["deletedAt"] = write_datetime(moment.instance["deletedAt"])
    return body


def _values(moments: list[Moment], terms: Terms, query: TemporalQuery) -> dict[str, list[Any]]:
    member = MEMBERS[moments[0].instance.get("type", "Property")]
    pairs = []
    for moment in moments:
        value = moment.instance.get(member)
        if member == "vocab":
            value = write_instance("", moment.instance, terms)["vocab"]
        told = moment.instance.get(query.time_property)
        time = told if isinstance(told, str) else write_datetime(moment.time)
        pairs.append([{member: value} if member in _WRAPPED else value, time])
    return {_PLURALS[member]: pairs}


def _aggregated(moments: list[Moment], query: TemporalQuery) -> dict[str, list[Any]]:
    told: dict[str, list[Any]] = {method: [] for method in query.methods}
    for start, end, values in _buckets(moments, query):
        span = [write_datetime(start), write_datetime(end)]
        for method in query.methods:
            result = aggregate(method, values)
            if result is not None:
                told[method].append([result, *span])
    return told


def _buckets(moments: list[Moment], query: TemporalQuery) -> Iterator[tuple[int, int, list[Any]]]:
    """The periods that hold instances, each with its values; the first begins with the window."""
    start = moments[0].time if query.start is None else query.start
    waiting = [
        (moment.time, moment.instance.get(MEMBERS[moment.instance.get("type", "Property")]))
        for moment in moments
    ]
    if query.period == Period():
        end = waiting[-1][0] if query.end is None else query.end
        yield start, end, [value for _, value in waiting]
        return
    held: dict[int, list[Any]] = {}
    for time, value in waiting:
        held.setdefault(_period_of(time, start, query.period), []).append(value)
    for number, values in held.items():
        yield (
            _period_start(start, number, query.period),
            _period_start(start, number + 1, query.period),
            values,
        )


def _period_of(time: int, start: int, period: Period) -> int:
    if not period.months:
        return (time - start) // period.ms
    first, now = _date(start), _date(time)
    number = ((now.year - first.year) * 12 + now.month - first.month) // period.months
    return number - (_period_start(start, number, period) > time)


def _period_start(start: int, number: int, period: Period) -> int:
    if not period.months:
        return start + number * period.ms
    first = _date(start)
    months = first.year * 12 + first.month - 1 + number * period.months
    moved = first.replace(year=months // 12, month=months % 12 + 1, day=min(first.day, 28))
    return round(moved.timestamp() * 1000)


def _date(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def aggregate(method: str, values: Sequence[Any]) -> Any:
    """What an aggregation method makes of values (table 4.5.19.1-1); None where it has no sense."""
    if method == "totalCount":
        return len(values)
    if method == "distinctCount":
        return len({repr(value) for value in values})
    numbers = [
        float(value) for value in values if isinstance(value, int | float) and math.isfinite(value)
    ]
    if numbers:
        return _OF_NUMBERS[method](numbers)
    texts = [value for value in values if isinstance(value, str)]
    if texts and method in ("min", "max"):
        return min(texts) if method == "min" else max(texts)
    return None


def _mean(numbers: list[float]) -> float:
    return math.fsum(numbers) / len(numbers)


def _deviation(numbers: list[float]) -> float:
    mean = _mean(numbers)
    return math.sqrt(math.fsum((number - mean) ** 2 for number in numbers) / len(numbers))


_OF_NUMBERS: dict[str, Any] = {
    "sum": math.fsum,
    "avg": _mean,
    "min": min,
    "max": max,
    "stddev": _deviation,
    "sumsq": lambda numbers: math.fsum(number * number for number in numbers),
}
