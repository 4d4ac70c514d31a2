"""Tells how entities evolved: bodies, and what part of time they cover where that is not all."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from cityloop.standards.cim.asked import Shape, level_view
from cityloop.standards.cim.evolution import (
    Moment,
    Summary,
    summarised,
    write_moments,
    write_summaries,
)
from cityloop.standards.cim.kept import Kept
from cityloop.standards.cim.outgoing import View, is_over, write_entity
from cityloop.standards.cim.scope import SCOPE
from cityloop.standards.cim.temporal_query import TemporalQuery
from cityloop.standards.cim.terms import Terms
from cityloop.standards.cim.times import write_datetime


class Told(NamedTuple):
    """``cut``: a page left instances out. ``range``: the Content-Range of an answer in part."""

    bodies: list[dict[str, Any]]
    cut: bool
    range: str | None


def tell(
    entities: Sequence[Kept],
    evolutions: Sequence[Sequence[Moment]],
    query: TemporalQuery,
    shape: Shape,
    terms: Terms,
    page: int,
) -> Told:
    """The temporal representations (4.5.6 - 4.5.9, 6.3.10).

    Of each entity the first ``page`` instances, with lastN the last ones, at least as many as it
    says of each attribute that is named; aggregated all of them.
    """
    if query.format == "aggregatedValues":
        summaries = [summarised(moments, query) for moments in evolutions]
        return tell_summaries(entities, summaries, shape, terms)
    view = level_view(shape.view, shape.pick, shape.omit)
    page = max(page, (query.last_n or 0) * max(1, len(view.attrs or view.pick or ())))
    bodies, told, cut = [], list[Moment](), False
    for kept, moments in zip(entities, evolutions, strict=True):
        shown = [moment for moment in moments if _is_shown(moment, view)]
        paged = _page(shown, page, is_last=query.last_n is not None)
        cut |= len(paged) < len(shown)
        told += paged
        bodies.append(_body(kept, shown, paged, query, terms, view))
    return Told(bodies, cut, _range(told, query))


def tell_summaries(
    entities: Sequence[Kept], summaries: Sequence[Sequence[Summary]], shape: Shape, terms: Terms
) -> Told:
    """The aggregated temporal representations (4.5.19)."""
    view = level_view(shape.view, shape.pick, shape.omit)
    bodies = [
        write_entity({**kept, "attrs": {}}, terms, view)
        | write_summaries([one for one in each if _is_shown(one, view)], terms)
        for kept, each in zip(entities, summaries, strict=True)
    ]
    return Told(bodies, cut=False, range=None)


def _is_shown(one: Moment | Summary, view: View) -> bool:
    if one.attribute == SCOPE:
        return view.shows("scope") and isinstance(one, Moment)
    if isinstance(one, Moment) and view.now and is_over(one.instance, view.now):
        return False
    return (
        view.shows(one.attribute)
        and (view.attrs is None or one.attribute in view.attrs)
        and (view.datasets is None or one.dataset in view.datasets)
    )


def _page(moments: list[Moment], most: int, *, is_last: bool) -> list[Moment]:
    """The first or last ones; all of the time at the border, so that the next page can go on."""
    if len(moments) <= most:
        return moments
    if is_last:
        first = moments[-most].time
        return [moment for moment in moments if moment.time >= first]
    last = moments[most - 1].time
    return [moment for moment in moments if moment.time <= last]


def _body(
    kept: Kept,
    shown: list[Moment],
    paged: list[Moment],
    query: TemporalQuery,
    terms: Terms,
    view: View,
) -> dict[str, Any]:
    entity = {name: value for name, value in kept.items() if name != "scope"}
    body = write_entity({**entity, "attrs": {}}, terms, view)
    if "scope" in kept and view.shows("scope") and query.time_property != "deletedAt":
        body["scope"] = [{"type": "Property", "value": kept["scope"]}]
    attributes = write_moments(paged, query, terms, view)
    for attribute in dict.fromkeys(moment.attribute for moment in shown):
        name = terms.compact(attribute)
        body[name] = attributes.get(name, [])
    return body


def _range(told: list[Moment], query: TemporalQuery) -> str | None:
    if not told:
        return None
    times = [moment.time for moment in told]
    least, most = min(times), max(times)
    if query.last_n is not None:
        start = query.end if query.end is not None else most
        return _content_range(start, least, str(query.last_n))
    return _content_range(query.start if query.start is not None else least, most, "*")


def _content_range(start: int, end: int, size: str) -> str:
    return f"date-time {write_datetime(start)}-{write_datetime(end)}/{size}"
