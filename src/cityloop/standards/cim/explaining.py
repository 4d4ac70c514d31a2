"""What a subscription asks of an entity, part by part, and what the entity has (GS CIM 009, 5.8.6).

Each part is asked by the matcher of ``selection.memory``, the one that decides when something is
written; so an explanation cannot say otherwise than what was done.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from cityloop.standards.cim.kept import Kept
from cityloop.standards.cim.selection.ast import (
    And,
    Expression,
    Operand,
    Or,
    Path,
    Pattern,
    Range,
    Selection,
    Selector,
    Term,
    Text,
    Values,
    leaves,
)
from cityloop.standards.cim.selection.memory import Lookup, matcher, path_values, targets
from cityloop.standards.cim.selection.q import STAMPS
from cityloop.standards.cim.subscription import Subscribed, conditions, selectors
from cityloop.standards.cim.subscription_members import compacted
from cityloop.standards.cim.terms import Terms
from cityloop.standards.cim.times import write_datetime

_LONGEST = 200


class Check(NamedTuple):
    """One part of what is asked. ``asks`` and ``has`` are texts for people."""

    part: str
    asks: str
    has: str
    holds: bool


def explained(
    subscription: Subscribed, kept: Kept, terms: Terms, asked: Terms, lookup: Lookup
) -> list[Check]:
    """All that it asks of the state of an entity; it is meant when every one holds.

    ``terms``: how names are written; ``asked``: what its ``q`` was written with.
    """
    checks = _selection_checks(subscription, kept, terms)
    asks = conditions(subscription, asked)
    if asks is None:
        return checks
    if asks.q is not None:
        parts = asks.q.parts if isinstance(asks.q, And) else (asks.q,)
        checks += [
            Check("q", _query(part, terms), _values(part, kept, terms), _holds(part, kept, lookup))
            for part in parts
        ]
    if asks.scope is not None:
        has = ", ".join(kept.get("scope", ())) or "no scope"
        holds = matcher(Selection(scope=asks.scope))(kept)
        checks.append(Check("scopeQ", subscription["scopeQ"], has, holds))
    if asks.geo is not None:
        asked_geo = subscription["geoQ"]
        text = f"{asked_geo['georel']} of {_json(asked_geo['coordinates'])}"
        has = _has(Path((asks.geo.attribute,)), kept, terms)
        checks.append(Check("geoQ", text, has, matcher(Selection(geo=asks.geo))(kept)))
    return checks


def _holds(part: Expression[Term], kept: Kept, lookup: Lookup) -> bool:
    return matcher(Selection(q=part), lookup)(kept)


def selected(subscription: Subscribed, kept: Kept) -> bool:
    """Whether it is about this entity at all: ids, patterns, types, else watched attributes."""
    about = selectors(subscription)
    if about:
        return matcher(Selection(about))(kept)
    return not kept["attrs"].keys().isdisjoint(subscription.get("watchedAttributes", ()))


def _selection_checks(subscription: Subscribed, kept: Kept, terms: Terms) -> list[Check]:
    """The parts of the selector that admits the entity, else of all of them."""
    each = []
    for selector, given in zip(
        selectors(subscription), subscription.get("entities", ()), strict=True
    ):
        checks = list(_selector_checks(selector, compacted(given["type"], terms), kept, terms))
        if all(check.holds for check in checks):
            return checks
        each += checks
    return each


def _selector_checks(selector: Selector, types: str, kept: Kept, terms: Terms) -> Iterable[Check]:
    def holds(alone: Selector) -> bool:
        return matcher(Selection((alone,)))(kept)

    if selector.types is not None:
        has = ", ".join(map(terms.compact, kept["type"]))
        yield Check("type", types, has, holds(Selector(types=selector.types)))
    if selector.ids:
        asks = _short(", ".join(selector.ids))
        yield Check("id", asks, kept["id"], holds(Selector(ids=selector.ids)))
    elif selector.id_pattern:
        alone = Selector(id_pattern=selector.id_pattern)
        yield Check("idPattern", selector.id_pattern, kept["id"], holds(alone))


def _query(query: Expression[Term], terms: Terms) -> str:
    if isinstance(query, And | Or):
        between = ";" if isinstance(query, And) else "|"
        return f"({between.join(_query(part, terms) for part in query.parts)})"
    operand = "" if query.operand is None else _operand(query.operand)
    return f"{_path(query.path, terms)}{query.operator}{operand}"


def _path(path: Path, terms: Terms) -> str:
    hops = "".join(f"{terms.compact(hop.attribute)} -> " for hop in path.hops)
    names = [*map(terms.compact, path.attributes), *([path.member] if path.member else ())]
    return f"{hops}{'.'.join(names)}" + (f"[{'.'.join(path.inside)}]" if path.inside else "")


def _operand(operand: Operand) -> str:
    if isinstance(operand, Values):
        return ",".join(map(_operand, operand.values))
    if isinstance(operand, Range):
        return f"{_operand(operand.low)}..{_operand(operand.high)}"
    if isinstance(operand, Pattern):
        return operand.pattern
    return _json(operand.text if isinstance(operand, Text) else operand)


def _values(query: Expression[Term], kept: Kept, terms: Terms) -> str:
    found = dict.fromkeys(_has(term.path, kept, terms) for term in leaves(query))
    return "; ".join(found)


def _has(path: Path, kept: Kept, terms: Terms) -> str:
    """What an entity has there; of a path that leads on, whither."""
    if path.hops:
        first = path.hops[0].attribute
        linked = list(targets(kept["attrs"].get(first, {})))
        name = terms.compact(first)
        return f"{name} -> {_short(', '.join(linked))}" if linked else f"{name} is absent"
    values = path_values(kept, path)
    if path.member in STAMPS:
        values = list(map(write_datetime, values))
    name = _path(path, terms)
    return f"{name} = {_short(', '.join(map(_json, values)))}" if values else f"{name} is absent"


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " …"
