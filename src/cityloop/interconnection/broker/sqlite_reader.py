"""Reads many entities at once from SQLite (``ports.Reader``): pages, counts, what there is.

Names of types come from their index; whatever speaks of attributes reads every entity of the type.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import apsw

from cityloop.interconnection.broker import sql
from cityloop.interconnection.broker.statement import Sql, prepare
from cityloop.standards.cim.asked import Asked
from cityloop.standards.cim.found import Described, Found
from cityloop.standards.cim.selection.ast import Selection
from cityloop.standards.cim.selection.order import Ordering, in_order, sort_keys
from cityloop.standards.cim.writes import read_kept

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


class SqliteReader:
    """Of the tables behind ``connection``, which nobody else lets go of."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        prepare(connection)

    def answer(self, asked: Asked, now: int) -> Found:
        """The page that is asked for, in the order in which the entities were created."""
        selection = asked.selection
        total = None
        if asked.count:
            (total,) = self._rows(sql.count(selection, now))[0]
        if asked.ordering is not None:
            return self._ordered(asked, asked.ordering, now, total)
        page = sql.page(selection, now, asked.limit + 1, asked.offset)
        documents = self._documents(page) if asked.limit else []
        return Found(documents[: asked.limit], total, len(documents) > asked.limit)

    def _ordered(self, asked: Asked, ordering: Ordering, now: int, total: int | None) -> Found:
        """Only keys and what they are ordered by are held of all; documents of the page alone."""
        keys_of = sort_keys(ordering)
        statement = sql.everything(asked.selection, now)
        found = self._connection.execute(statement.text, statement.parameters)
        keyed = [(key, keys_of(read_kept(doc))) for key, doc in found]
        page = in_order(keyed, ordering, lambda row: row[1])[asked.offset :][: asked.limit]
        documents = dict(self._rows(sql.by_keys(key for key, _ in page)))
        shown = [documents[key] for key, _ in page]
        return Found(shown, total, len(keyed) > asked.offset + len(page) and bool(asked.limit))

    def ids(self, selection: Selection, now: int) -> list[str]:
        """The ids of all entities that are meant."""
        text, parameters = sql.rows(selection, now)
        return [id_ for (id_,) in self._rows(Sql(f"SELECT x.id {text}", parameters))]

    def documents(self, ids: Iterable[str], now: int) -> list[str]:
        """The entities with these ids as JSON, as far as they exist, in no order."""
        return self._documents(sql.by_ids(ids, now))

    def document(self, id_: str) -> str | None:
        """One entity as JSON, though its time may have come; None where there is none."""
        found = self._documents(Sql("SELECT doc FROM entities WHERE id = ?", (id_,)))
        return found[0] if found else None

    def _rows(self, statement: Sql) -> Sequence[tuple[Any, ...]]:
        found: Sequence[tuple[Any, ...]] = self._connection.execute(
            statement.text, statement.parameters
        ).fetchall()
        return found

    def _documents(self, statement: Sql) -> list[str]:
        return [doc for (doc,) in self._rows(statement)]

    def type_names(self, now: int) -> list[str]:
        """All types that an entity has."""
        return [name for (name,) in self._connection.execute(_TYPES, (now,))]

    def attribute_names(self, now: int) -> list[str]:
        """All attributes that an entity has."""
        return [name for (name,) in self._connection.execute(_NAMES, (now,))]

    def attributes_by_type(self, now: int) -> dict[str, set[str]]:
        """Of every type, the attributes that its entities have."""
        found: dict[str, set[str]] = {name: set() for name in self.type_names(now)}
        for type_, attribute, _ in self._connection.execute(_ATTRIBUTES_OF_TYPES, (now, None)):
            found[type_].add(attribute)
        return found

    def types_by_attribute(self, now: int) -> dict[str, set[str]]:
        """Of every attribute, the types of the entities that have it."""
        found: dict[str, set[str]] = defaultdict(set)
        for type_, attribute, _ in self._connection.execute(_ATTRIBUTES_OF_TYPES, (now, None)):
            found[attribute].add(type_)
        return found

    def described_type(self, type_: str, now: int) -> Described | None:
        """A type: how many entities have it, and each attribute's kinds; None where none has it."""
        described = Described(self._number(_COUNT, (type_, now)))
        for _, attribute, kind in self._connection.execute(_ATTRIBUTES_OF_TYPE, (now, type_)):
            described.kinds[attribute].add(kind)
        return described if described.count else None

    def described_attribute(self, name: str, now: int) -> Described | None:
        """An attribute: how many entities have it, its kinds by type; None where none has it."""
        path = f'$.attrs."{name}"'
        described = Described(self._number(_HOLDERS, (now, path)))
        for type_, _, kind in self._connection.execute(_ATTRIBUTES_OF_TYPES, (now, name)):
            described.kinds[type_].add(kind)
        return described if described.count else None

    def _number(self, statement: str, parameters: tuple[Any, ...]) -> int:
        ((number,),) = self._connection.execute(statement, parameters)
        return int(number)

    def snapshot(self) -> apsw.Connection:
        """All reading within sees the same state."""
        return self._connection

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
