"""Reads many entities of a tenant at once: pages, counts, linked entities, what there is.

What an index finds is read in the thread that answers; anything that may look at every entity goes
to a thread with a connection of its own, so that it delays nobody else.
"""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from cityloop.interconnection.broker.ports import Reader
from cityloop.interconnection.broker.store import EntityStore
from cityloop.standards.cim.asked import Asked
from cityloop.standards.cim.found import Described, Found
from cityloop.standards.cim.kept import Kept
from cityloop.standards.cim.selection.ast import Selection
from cityloop.standards.cim.writes import read_kept

Result = TypeVar("Result")


class Queries:
    """Reading of the entities in ``store``. Raises OSError and CorruptError when the disk fails."""

    def __init__(self, store: EntityStore) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(1, "queries")
        self._apart: Reader | None = None

    async def answer(self, asked: Asked) -> Found:
        """The page that is asked for."""
        now = self._store.clock()
        if _is_quick(asked):
            self._store.catch_up()
            return self._store.state.reader.answer(asked, now)
        return await self.read(lambda reader: reader.answer(asked, now))

    async def ids(self, selection: Selection) -> list[str]:
        """The ids of all entities that are meant."""
        now = self._store.clock()
        return await self.read(lambda reader: reader.ids(selection, now))

    def by_ids(self, ids: Iterable[str]) -> dict[str, Kept]:
        """The entities with these ids, by id, as far as they exist."""
        documents = self._store.state.reader.documents(ids, self._store.clock())
        entities = map(read_kept, documents)
        return {kept["id"]: kept for kept in entities}

    async def type_names(self) -> list[str]:
        """All types that an entity has (expanded, as all names here)."""
        now = self._store.clock()
        return await self.read(lambda reader: reader.type_names(now))

    async def attribute_names(self) -> list[str]:
        """All attributes that an entity has."""
        now = self._store.clock()
        return await self.read(lambda reader: reader.attribute_names(now))

    async def attributes_by_type(self) -> dict[str, set[str]]:
        """Of every type, the attributes that its entities have."""
        now = self._store.clock()
        return await self.read(lambda reader: reader.attributes_by_type(now))

    async def types_by_attribute(self) -> dict[str, set[str]]:
        """Of every attribute, the types of the entities that have it."""
        now = self._store.clock()
        return await self.read(lambda reader: reader.types_by_attribute(now))

    async def described_type(self, name: str) -> Described | None:
        """A type: its entities and the kinds of their attributes; None where none has it."""
        now = self._store.clock()
        return await self.read(lambda reader: reader.described_type(name, now))

    async def described_attribute(self, name: str) -> Described | None:
        """An attribute: its entities, and its kinds by their types; None where none has it."""
        now = self._store.clock()
        return await self.read(lambda reader: reader.described_attribute(name, now))

    async def read(self, reading: Callable[[Reader], Result]) -> Result:
        """What ``reading`` finds, in a thread of its own and in one state of the tables."""
        self._store.catch_up()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._read, reading)

    def _read(self, reading: Callable[[Reader], Result]) -> Result:
        if self._apart is None:
            self._apart = self._store.state.open_reader()
        with self._apart.snapshot():
            return reading(self._apart)

    def close(self) -> None:
        """Let go of the tables; before the store does."""
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
