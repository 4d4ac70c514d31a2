"""Pieces of SQL with their parameters, and what the queries of the broker are made of."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import apsw

from cityloop.standards.cim.selection.ast import Expression, Or, fold
from cityloop.standards.cim.selection.compare import Test


class Sql(NamedTuple):
    """A piece of SQL and the parameters of its question marks, in order."""

    text: str
    parameters: tuple[object, ...] = ()


def prepare(connection: apsw.Connection) -> None:
    """Give the connection what the statements of this module call."""
    connection.create_scalar_function("cim_holds", _holds, 2)


def _holds(*values: Any) -> bool:
    test, value = values
    return bool(test(value))


def ask(test: Test, value: str) -> Sql:
    """Ask ``test`` about an SQL value."""
    return Sql(f"cim_holds(?, {value})", (apsw.pyobject(test),))


def joined(separator: str, parts: Iterable[Sql]) -> Sql:
    """The pieces one after the other, their parameters too."""
    listed = list(parts)
    return Sql(
        separator.join(part.text for part in listed),
        tuple(parameter for part in listed for parameter in part.parameters),
    )


def every(parts: list[Sql]) -> Sql:
    """All of them hold."""
    return Sql(*joined(" AND ", (Sql(f"({text})", values) for text, values in parts)))


def some(parts: list[Sql]) -> Sql:
    """One of them holds."""
    return Sql(*joined(" OR ", (Sql(f"({text})", values) for text, values in parts)))


def member(path: str, *keys: str) -> str:
    """The JSON path below ``path``; no key has a quotation mark, the parsers see to that."""
    return path + "".join(f'."{key}"' for key in keys)


def typed(types: Expression[str], table: str) -> Sql:
    """That the entity of ``table`` has these types."""
    if isinstance(types, Or):
        names = [part for part in types.parts if isinstance(part, str)]
        if len(names) == len(types.parts):
            marks = ", ".join("?" * len(names))
            inner = f"SELECT e FROM entity_types WHERE type IN ({marks})"
            return Sql(f"{table}.e IN ({inner})", tuple(names))
    return fold(types, lambda name: _has_type(name, table), every, some)


def _has_type(name: str, table: str) -> Sql:
    return Sql(
        f"EXISTS (SELECT 1 FROM entity_types t WHERE t.type = ? AND t.e = {table}.e)", (name,)
    )
