"""What types and attributes there are (GS CIM 009, clauses 5.7.5 to 5.7.10), from the tables.

Names of types come from their index; whatever speaks of attributes reads every entity of the type.
"""

from collections import defaultdict
from typing import Any

import apsw

from cityloop.standards.cim.found import Described

_TYPES = """
WITH RECURSIVE named(type) AS (
    SELECT min(type) FROM entity_types
    UNION ALL
    SELECT (SELECT min(type) FROM entity_types WHERE type > named.type) FROM named
    WHERE named.type IS NOT NULL
)
SELECT type FROM named WHERE EXISTS (
    SELECT 1 FROM entity_types y CROSS JOIN entities x ON x.e = y.e
    WHERE y.type = named.type AND (x.expires IS NULL OR x.expires > ?)
)
"""
_COUNT = """
SELECT count(*) FROM entity_types y CROSS JOIN entities x ON x.e = y.e
WHERE y.type = ? AND (x.expires IS NULL OR x.expires > ?)
"""
_ATTRIBUTES_OF_TYPES = """
SELECT y.type, a.key, i.value ->> 'type'
FROM entities x CROSS JOIN entity_types y ON y.e = x.e,
    json_each(x.doc, '$.attrs') a, json_each(a.value) i
WHERE (x.expires IS NULL OR x.expires > ?1) AND (?2 IS NULL OR a.key = ?2)
GROUP BY 1, 2, 3
"""
_ATTRIBUTES_OF_TYPE = """
SELECT y.type, a.key, i.value ->> 'type'
FROM entity_types y CROSS JOIN entities x ON x.e = y.e,
    json_each(x.doc, '$.attrs') a, json_each(a.value) i
WHERE y.type = ?2 AND (x.expires IS NULL OR x.expires > ?1)
GROUP BY 1, 2, 3
"""
_HOLDERS = """
SELECT count(*) FROM entities x
WHERE (x.expires IS NULL OR x.expires > ?) AND json_type(x.doc, ?) IS NOT NULL
"""
_NAMES = """
SELECT DISTINCT a.key FROM entities x, json_each(x.doc, '$.attrs') a
WHERE x.expires IS NULL OR x.expires > ? ORDER BY 1
"""


def type_names(connection: apsw.Connection, now: int) -> list[str]:
    """All types that an entity has."""
    return [name for (name,) in connection.execute(_TYPES, (now,))]


def attribute_names(connection: apsw.Connection, now: int) -> list[str]:
    """All attributes that an entity has."""
    return [name for (name,) in connection.execute(_NAMES, (now,))]


def attributes_by_type(connection: apsw.Connection, now: int) -> dict[str, set[str]]:
    """Of every type, the attributes that its entities have."""
    found: dict[str, set[str]] = {name: set() for name in type_names(connection, now)}
    for type_, attribute, _ in connection.execute(_ATTRIBUTES_OF_TYPES, (now, None)):
        found[type_].add(attribute)
    return found


def types_by_attribute(connection: apsw.Connection, now: int) -> dict[str, set[str]]:
    """Of every attribute, the types of the entities that have it."""
    found: dict[str, set[str]] = defaultdict(set)
    for type_, attribute, _ in connection.execute(_ATTRIBUTES_OF_TYPES, (now, None)):
        found[attribute].add(type_)
    return found


def described_type(connection: apsw.Connection, type_: str, now: int) -> Described | None:
    """A type: how many entities have it, and each attribute's kinds; None where none has it."""
    described = Described(_number(connection, _COUNT, (type_, now)))
    for _, attribute, kind in connection.execute(_ATTRIBUTES_OF_TYPE, (now, type_)):
        described.kinds[attribute].add(kind)
    return described if described.count else None


def described_attribute(connection: apsw.Connection, name: str, now: int) -> Described | None:
    """An attribute: how many entities have it, and its kinds by type; None where none has it."""
    path = f'$.attrs."{name}"'
    described = Described(_number(connection, _HOLDERS, (now, path)))
    for type_, _, kind in connection.execute(_ATTRIBUTES_OF_TYPES, (now, name)):
        described.kinds[type_].add(kind)
    return described if described.count else None


def _number(connection: apsw.Connection, statement: str, parameters: tuple[Any, ...]) -> int:
    ((number,),) = connection.execute(statement, parameters)
    return int(number)
