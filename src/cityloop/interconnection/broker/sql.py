"""A selection in SQL over the tables of `interconnection.broker.state`.

``standards.cim.selection.memory`` answers the same for one entity; a property test holds the two
equal. What SQLite cannot compare itself (patterns, instants, geometry) is asked of ``cim_holds``,
a function of the connection that calls the very test that memory uses.
"""

import json
from collections.abc import Iterable
from dataclasses import replace

from cityloop.interconnection.broker.sql_terms import term_sql
from cityloop.interconnection.broker.statement import Sql, ask, every, member, some, typed
from cityloop.standards.cim.selection.ast import GeoQuery, Scope, Selection, Selector, fold
from cityloop.standards.cim.selection.geo import geometries
from cityloop.standards.cim.selection.ids import read_pattern
from cityloop.standards.cim.selection.scopes import in_scope


def where(selection: Selection, now: int) -> Sql:
    """The condition on a row of ``entities`` (as ``x``) at ``now`` [ms]."""
    parts = [Sql("x.expires IS NULL OR x.expires > ?", (now,))]
    if selection.selectors:
        parts.append(some([_selector(selector) for selector in selection.selectors]))
    if selection.attributes:
        parts.append(some([_has(name) for name in selection.attributes]))
    if selection.scope is not None:
        parts.append(fold(selection.scope, _scope, every, some))
    if selection.q is not None:
        parts.append(fold(selection.q, lambda term: term_sql(term, now), every, some))
    if selection.geo is not None:
        parts.append(_geo(selection.geo))
    return every(parts)


def rows(selection: Selection, now: int) -> Sql:
    """``FROM … WHERE …`` of all rows that are meant, as ``x``; their order is that of ``x.e``."""
    type_ = _one_type(selection)
    if not type_:
        condition = where(selection, now)
        return Sql(f"FROM entities x WHERE {condition.text}", condition.parameters)
    pattern = selection.selectors[0].id_pattern
    rest = replace(selection, selectors=(Selector(id_pattern=pattern),) if pattern else ())
    condition = where(rest, now)
    return Sql(
        "FROM entity_types y CROSS JOIN entities x ON x.e = y.e"
        f" WHERE y.type = ? AND {condition.text}",
        (type_, *condition.parameters),
    )


def _one_type(selection: Selection) -> str:
    """The type, where the selection names exactly one: its rows are found by it, in order."""
    if len(selection.selectors) != 1 or selection.selectors[0].ids:
        return ""
    types = selection.selectors[0].types
    return types if isinstance(types, str) else ""


def page(selection: Selection, now: int, limit: int, offset: int) -> Sql:
    """The documents of one page, in the order in which the entities were created."""
    text, parameters = rows(selection, now)
    order = "y.e" if " y " in text[:32] else "x.e"
    return Sql(
        f"SELECT x.doc {text} ORDER BY {order} LIMIT ? OFFSET ?", (*parameters, limit, offset)
    )


def count(selection: Selection, now: int) -> Sql:
    """How many entities are meant."""
    type_ = _one_type(selection)
    if type_ and selection == Selection((Selector(types=type_),)):
        return Sql(_COUNT_OF_TYPE, (type_, now, type_))
    text, parameters = rows(selection, now)
    return Sql(f"SELECT count(*) {text}", parameters)


_COUNT_OF_TYPE = """
SELECT (SELECT count(*) FROM entity_types WHERE type = ?)
- (SELECT count(*) FROM entities x CROSS JOIN entity_types y USING (e)
WHERE x.expires <= ? AND y.type = ?)"""
"""Of a million entities the types alone are looked at, in a tenth of the time."""


def everything(selection: Selection, now: int) -> Sql:
    """Key and document of all entities that are meant, for an order that SQL does not know."""
    text, parameters = rows(selection, now)
    return Sql(f"SELECT x.e, x.doc {text} ORDER BY x.e", parameters)


def by_keys(keys: Iterable[int]) -> Sql:
    """Key and document of the rows with these keys."""
    return Sql(
        "SELECT x.e, x.doc FROM json_each(?) k CROSS JOIN entities x ON x.e = k.value",
        (json.dumps(list(keys)),),
    )


def by_ids(ids: Iterable[str], now: int) -> Sql:
    """The documents of the entities with these ids, as far as they exist."""
    return Sql(
        "SELECT x.doc FROM json_each(?) k CROSS JOIN entities x ON x.id = k.value"
        " WHERE x.expires IS NULL OR x.expires > ?",
        (json.dumps(list(ids)), now),
    )


def _selector(selector: Selector) -> Sql:
    parts = []
    if selector.types is not None:
        parts.append(typed(selector.types, "x"))
    if selector.ids:
        parts.append(Sql("x.id IN (SELECT value FROM json_each(?))", (json.dumps(selector.ids),)))
    elif selector.id_pattern:
        found = read_pattern(selector.id_pattern).search
        parts.append(ask(lambda name: found(name) is not None, "x.id"))
    return every(parts) if parts else Sql("TRUE")


def _has(name: str) -> Sql:
    return Sql("json_type(x.doc, ?) IS NOT NULL", (member("$.attrs", name),))


def _scope(scope: Scope) -> Sql:
    test = ask(lambda text: in_scope(scope, (text,)), "s.atom")
    return Sql(
        f"EXISTS (SELECT 1 FROM json_each(x.doc, '$.scope') s WHERE {test.text})", test.parameters
    )


def _geo(query: GeoQuery) -> Sql:
    meets = geometries().geo_test(query)

    def test(text: str) -> bool:
        return bool(meets(json.loads(text)))

    asked = ask(test, "i.value -> '$.value'")
    return Sql(
        "EXISTS (SELECT 1 FROM json_each(x.doc, ?) i"
        f" WHERE json_type(i.value, '$.value') = 'object' AND {asked.text})",
        (member("$.attrs", query.attribute), *asked.parameters),
    )
