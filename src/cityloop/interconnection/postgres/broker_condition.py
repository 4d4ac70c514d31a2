"""Pieces of PostgreSQL's SQL with their parameters."""

from collections.abc import Iterable
from typing import NamedTuple

from cityloop.standards.cim.selection.ast import Expression, Or, fold


class Condition(NamedTuple):
    """A condition and the parameters of its marks, in order.

    ``exact``: whether it holds exactly where it is meant to; else it holds there and elsewhere too,
    and each row that it finds is to be tested in memory.
    """

    text: str
    parameters: tuple[object, ...] = ()
    exact: bool = True


ANYTHING = Condition("TRUE", (), exact=False)


def joined(separator: str, parts: Iterable[Condition]) -> Condition:
    """The pieces one after the other, their parameters too."""
    listed = list(parts)
    return Condition(
        separator.join(part.text for part in listed),
        tuple(parameter for part in listed for parameter in part.parameters),
        all(part.exact for part in listed),
    )


def every(parts: list[Condition]) -> Condition:
    """All of them hold."""
    return joined(" AND ", [part._replace(text=f"({part.text})") for part in parts])


def some(parts: list[Condition]) -> Condition:
    """One of them holds."""
    return joined(" OR ", [part._replace(text=f"({part.text})") for part in parts])


def opposite(part: Condition) -> Condition:
    """It does not hold; where it is not exact, that says nothing."""
    return part._replace(text=f"NOT ({part.text})") if part.exact else ANYTHING


def typed(types: Expression[str], table: str) -> Condition:
    """That the entity of ``table`` has these types."""
    if isinstance(types, Or):
        names = [part for part in types.parts if isinstance(part, str)]
        if len(names) == len(types.parts):
            inner = "SELECT t.e FROM entity_types t WHERE t.type = ANY(?)"
            return Condition(f"{table}.e IN ({inner})", (names,))
    return fold(types, lambda name: _has_type(name, table), every, some)


def _has_type(name: str, table: str) -> Condition:
    return Condition(
        f"EXISTS (SELECT 1 FROM entity_types t WHERE t.type = ? AND t.e = {table}.e)", (name,)
    )


def text_of(value: str) -> str:
    """Text as documents have it when ``DOCUMENT`` has read them."""
    return value.replace("\0", "\ufffe")


def document(table: str, name: str) -> str:
    """Joins the document of a row of ``table`` as ``name``.j, read once.

    It is kept as text, as it was written: jsonb would lose how numbers were written and cannot hold
    U+0000, for which U+FFFE stands here, which means no character either.
    """
    return (
        f"CROSS JOIN LATERAL (SELECT replace({table}.doc, '\\u0000', '\\ufffe')::jsonb AS j"
        f" OFFSET 0) {name}"
    )
