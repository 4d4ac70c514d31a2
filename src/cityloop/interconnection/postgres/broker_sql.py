"""A selection in PostgreSQL's SQL over the tables of ``broker_schema``.

``standards.cim.selection.memory`` answers the same for one entity; a property test holds the two
equal. What PostgreSQL cannot tell exactly it narrows down (``Condition.exact``).
"""

import re

from cityloop.interconnection.postgres.broker_condition import (
    ANYTHING,
    Condition,
    document,
    every,
    some,
    typed,
)
from cityloop.interconnection.postgres.broker_places import box, near
from cityloop.interconnection.postgres.broker_terms import term_condition
from cityloop.standards.cim.selection.ast import GeoQuery, Scope, Selection, Selector, fold

_SPECIAL = re.compile(r"[.*?\[\]\\^${}|()+]")


class Rows:
    """The rows that a selection means at ``now`` [ms], as ``x``, or more than those.

    ``has_shapes``: whether PostGIS is there.
    """

    def __init__(self, selection: Selection, now: int, *, has_shapes: bool) -> None:
        needs = selection.attributes or selection.scope is not None or selection.q is not None
        joins = document("x", "d") if needs else ""
        found = _where(selection, now, has_shapes=has_shapes)
        self.exact = found.exact
        self._parameters = found.parameters
        self._text = f"FROM entities x {joins} WHERE {found.text}"

    def page(self, columns: str, limit: int, offset: int = 0) -> tuple[str, tuple[object, ...]]:
        """Some of them, in the order in which the entities were created."""
        text = f"SELECT {columns} {self._text} ORDER BY x.e LIMIT ? OFFSET ?"
        return text, (*self._parameters, limit, offset)

    def after(self, columns: str, key: int, limit: int) -> tuple[str, tuple[object, ...]]:
        """Some that follow a key."""
        text = f"SELECT {columns} {self._text} AND x.e > ? ORDER BY x.e LIMIT ?"
        return text, (*self._parameters, key, limit)

    def all(self, columns: str) -> tuple[str, tuple[object, ...]]:
        """All of them, in no order."""
        return f"SELECT {columns} {self._text}", self._parameters


def _where(selection: Selection, now: int, *, has_shapes: bool) -> Condition:
    parts = [Condition("x.expires IS NULL OR x.expires > ?", (now,))]
    if selection.selectors:
        parts.append(some([_selector(selector) for selector in selection.selectors]))
    if selection.attributes:
        parts.append(Condition("jsonb_exists_any(d.j->'attrs', ?)", (list(selection.attributes),)))
    if selection.scope is not None:
        parts.append(fold(selection.scope, _scope, every, some))
    if selection.q is not None:
        parts.append(fold(selection.q, lambda term: term_condition(term, now), every, some))
    if selection.geo is not None:
        parts.append(_geo(selection.geo, has_shapes=has_shapes))
    return every(parts)


def _selector(selector: Selector) -> Condition:
    parts = []
    if selector.types is not None:
        parts.append(typed(selector.types, "x"))
    if selector.ids:
        parts.append(Condition("x.id = ANY(?)", (list(selector.ids),)))
    elif selector.id_pattern:
        parts.append(ANYTHING)
    return every(parts) if parts else Condition("TRUE")


def _scope(scope: Scope) -> Condition:
    levels = [level if level != "+" else "" for level in scope.levels]
    below = levels[-1] == "#"
    named = levels[:-1] if below else levels
    parts = ["/".join(_SPECIAL.sub(r"\\\g<0>", level) or "[^/]*" for level in named)]
    if below:
        parts.append("(/.*)?" if named else ".*")
    return Condition(
        "EXISTS (SELECT 1 FROM jsonb_array_elements_text(d.j->'scope') s(v)"
        " WHERE regexp_replace(s.v, '^/', '') ~ ?)",
        (f"^{''.join(parts)}$",),
    )


def _geo(query: GeoQuery, *, has_shapes: bool) -> Condition:
    """Those whose places may meet the query."""
    found = near(query)
    if found is None:
        met = Condition("TRUE")
    elif has_shapes:
        met = Condition("ST_DWithin(p.shape, ?::geometry, ?)", (found.reference, found.within))
    else:
        met = Condition("p.bounds && ?::box", (box(found.bounds),))
    return Condition(
        "x.e IN (SELECT p.e FROM places p WHERE p.tenant = current_setting('cityloop.tenant')"
        f" AND p.attribute = ? AND {met.text})",
        (query.attribute, *met.parameters),
        exact=False,
    )
