"""Reads many entities of a tenant at once: pages, counts, linked entities, what there is.

What an index finds is read in the thread that answers; anything that may look at every entity goes
to a thread with a connection of its own, so that it delays nobody else.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import apsw

from cityloop.interconnection.broker import discovery, sql
from cityloop.interconnection.broker.state import LAYOUT
from cityloop.interconnection.broker.statement import Sql, prepare
from cityloop.interconnection.broker.store import EntityStore
from cityloop.interconnection.sqlite import open_database, sqlite_errors
from cityloop.standards.cim.asked import Asked
from cityloop.standards.cim.found import Described, Found
from cityloop.standards.cim.kept import Kept
from cityloop.standards.cim.selection.ast import Selection
from cityloop.standards.cim.selection.order import Ordering, in_order, sort_keys
from cityloop.standards.cim.writes import read_kept

Result = TypeVar("Result")


class Queries:
    """Reading of the entities in ``store``. Raises OSError and CorruptError when the disk fails."""

    def __init__(self, store: EntityStore) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(1, "queries")
        self._apart: apsw.Connection | None = None
        prepare(store.connection)

    async def answer(self, asked: Asked) -> Found:
        """The page that is asked for."""
        now = self._store.clock()
        if _is_quick(asked):
            return _answer(self._store.connection, asked, now)
        return await self.read(lambda connection: _answer(connection, asked, now))

    async def ids(self, selection: Selection) -> list[str]:
        """The ids of all entities that are meant."""
        text, parameters = sql.rows(selection, self._store.clock())
        statement = Sql(f"SELECT x.id {text}", parameters)
        found = await self.read(lambda reader: _rows(reader, statement))
        return [id_ for (id_,) in found]

    def by_ids(self, ids: Iterable[str]) -> dict[str, Kept]:
        """The entities with these ids, by id, as far as they exist."""
        documents = _documents(self._store.connection, sql.by_ids(ids, self._store.clock()))
        entities = map(read_kept, documents)
        return {kept["id"]: kept for kept in entities}

    async def type_names(self) -> list[str]:
        """All types that an entity has (expanded, as all names here)."""
        return await self._discover(discovery.type_names)

    async def attribute_names(self) -> list[str]:
        """All attributes that an entity has."""
        return await self._discover(discovery.attribute_names)

    async def attributes_by_type(self) -> dict[str, set[str]]:
        """Of every type, the attributes that its entities have."""
        return await self._discover(discovery.attributes_by_type)

    async def types_by_attribute(self) -> dict[str, set[str]]:
        """Of every attribute, the types of the entities that have it."""
        return await self._discover(discovery.types_by_attribute)

    async def described_type(self, name: str) -> Described | None:
        """A type: its entities and the kinds of their attributes; None where none has it."""
        return await self._discover(
            lambda connection, now: discovery.described_type(connection, name, now)
        )

    async def described_attribute(self, name: str) -> Described | None:
        """An attribute: its entities, and its kinds by their types; None where none has it."""
        return await self._discover(
            lambda connection, now: discovery.described_attribute(connection, name, now)
        )

    async def _discover(self, reading: Callable[[apsw.Connection, int], Result]) -> Result:
        now = self._store.clock()
        return await self.read(lambda connection: reading(connection, now))

    async def read(self, reading: Callable[[apsw.Connection], Result]) -> Result:
        """What ``reading`` finds, in a thread of its own and in one state of the tables."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._read, reading)

    def _read(self, reading: Callable[[apsw.Connection], Result]) -> Result:
        path = self._store.state.path
        with sqlite_errors(path):
            if self._apart is None:
                self._apart = open_database(
                    path, "", version=LAYOUT, synchronous="NORMAL", readonly=True
                )
                prepare(self._apart)
            with self._apart:
                result = reading(self._apart)
        return result

    def close(self) -> None:
        """Let go of the file; before the store does."""
        self._thread.submit(self._close)
        self._thread.shutdown()

    def _close(self) -> None:
        if self._apart is not None:
            self._apart.close()


def _is_quick(asked: Asked) -> bool:
    """Whether an index finds the page: by ids, by one type, or without any condition."""
    selection = asked.selection
    if asked.count or asked.ordering or selection.q or selection.geo or selection.scope:
        return False
    if asked.offset > asked.limit or selection.attributes:
        return False
    return all(
        selector.ids or (isinstance(selector.types, str) and not selector.id_pattern)
        for selector in selection.selectors
    )


def _answer(connection: apsw.Connection, asked: Asked, now: int) -> Found:
    selection = asked.selection
    total = None
    if asked.count:
        (total,) = _rows(connection, sql.count(selection, now))[0]
    if asked.ordering is not None:
        return _ordered(connection, asked, asked.ordering, now, total)
    page = sql.page(selection, now, asked.limit + 1, asked.offset)
    documents = _documents(connection, page) if asked.limit else []
    return Found(documents[: asked.limit], total, len(documents) > asked.limit)


def _ordered(
    connection: apsw.Connection, asked: Asked, ordering: Ordering, now: int, total: int | None
) -> Found:
    """Only keys and what they are ordered by are held of all; documents of the page alone."""
    keys_of = sort_keys(ordering)
    statement = sql.everything(asked.selection, now)
    found = connection.execute(statement.text, statement.parameters)
    keyed = [(key, keys_of(read_kept(doc))) for key, doc in found]
    page = in_order(keyed, ordering, lambda row: row[1])[asked.offset :][: asked.limit]
    documents = dict(_rows(connection, sql.by_keys(key for key, _ in page)))
    shown = [documents[key] for key, _ in page]
    return Found(shown, total, len(keyed) > asked.offset + len(page) and bool(asked.limit))


def _rows(connection: apsw.Connection, statement: Sql) -> Sequence[tuple[Any, ...]]:
    found: Sequence[tuple[Any, ...]] = connection.execute(
        statement.text, statement.parameters
    ).fetchall()
    return found


def _documents(connection: apsw.Connection, statement: Sql) -> list[str]:
    return [doc for (doc,) in _rows(connection, statement)]
