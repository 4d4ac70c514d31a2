"""The batch operations (GS CIM 009, 5.6.7-5.6.10, 5.6.20): many entities, one commit.

What is wrong with one entity fails it alone; the others are written together. An id that comes
twice is taken twice, in order.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from cityloop.interconnection.broker.held import Held, Written
from cityloop.interconnection.broker.operations import altered, gone, missing, put, taken
from cityloop.interconnection.broker.store import EntityStore
from cityloop.standards.cim import merging
from cityloop.standards.cim.alike import Draft, Entity
from cityloop.standards.cim.kept import Kept
from cityloop.standards.cim.merging import Outcome
from cityloop.standards.cim.problems import Problem

Some = TypeVar("Some", Kept, Entity)

_AT_HAND = 64
"""Entities that are read, then written to memory, before the next: they are in the cache still."""


@dataclass(slots=True)
class BatchResult:
    """What became of a batch: ids that were created, ids that were written otherwise, and what
    failed, each with its id."""

    created: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    errors: list[tuple[str, Problem]] = field(default_factory=list)


class Batches:
    """What clients do to many entities of one tenant at once."""

    def __init__(self, store: EntityStore) -> None:
        self._store = store

    async def create(self, entities: Iterable[Entity]) -> BatchResult:
        """Create those whose id is free (5.6.7)."""

        def one(before: Held | None, entity: Entity, result: BatchResult) -> Written | None:
            if before is not None:
                raise taken(before.id)
            done = put(self._store, None, entity)
            result.created.append(done.id)
            return done

        return await self._each(entities, one)

    async def upsert(self, entities: Iterable[Entity]) -> BatchResult:
        """Create or replace (5.6.8)."""

        def one(before: Held | None, entity: Entity, result: BatchResult) -> Written | None:
            if before is not None and not isinstance(entity, Draft):
                entity["createdAt"] = before.created
            done = put(self._store, before, entity)
            (result.created if before is None else result.changed).append(done.id)
            return done

        return await self._each(entities, one)

    async def upsert_parts(self, entities: Iterable[Kept]) -> BatchResult:
        """Create, or append to those that exist (5.6.8, option update)."""

        def one(before: Held | None, entity: Kept, result: BatchResult) -> Written | None:
            if before is not None:
                return self._appended(before, entity, result, overwrite=True)
            done = put(self._store, None, entity)
            result.created.append(done.id)
            return done

        return await self._each(entities, one)

    async def update(self, entities: Iterable[Kept], *, overwrite: bool) -> BatchResult:
        """Append to those that exist (5.6.9)."""

        def one(before: Held | None, entity: Kept, result: BatchResult) -> Written | None:
            if before is None:
                raise missing(entity["id"])
            return self._appended(before, entity, result, overwrite=overwrite)

        return await self._each(entities, one)

    async def merge(self, entities: Iterable[Kept]) -> BatchResult:
        """Merge into those that exist (5.6.20)."""

        def one(before: Held | None, entity: Kept, result: BatchResult) -> Written | None:
            if before is None:
                raise missing(entity["id"])
            outcome = merging.merged(before.kept, entity, self._store.clock())
            return _told(before, outcome, result)

        return await self._each(entities, one)

    async def delete(self, ids: Sequence[str]) -> BatchResult:
        """Delete those that exist (5.6.10)."""

        def one(before: Held | None, entity: Kept, result: BatchResult) -> Written | None:
            if before is None:
                raise missing(entity["id"])
            result.changed.append(before.id)
            return gone(before, self._store.clock())

        return await self._each([{"id": id_} for id_ in ids], one)

    def _appended(
        self, before: Held, entity: Kept, result: BatchResult, *, overwrite: bool
    ) -> Written | None:
        now = self._store.clock()
        outcome = merging.appended(before.kept, entity, now, overwrite=overwrite)
        return _told(before, outcome, result)

    async def _each(
        self,
        entities: Iterable[Some],
        one: Callable[[Held | None, Some, BatchResult], Written | None],
    ) -> BatchResult:
        held: dict[str, Held | None] = {}
        result, done = BatchResult(), []
        entities = iter(entities)
        while some := list(islice(entities, _AT_HAND)):
            ids = list(map(_id_of, some))
            held.update(self._store.held_many([id_ for id_ in ids if id_ not in held]))
            for id_, entity in zip(ids, some, strict=True):
                try:
                    wrote = one(held.get(id_), entity, result)
                except Problem as problem:
                    result.errors.append((id_, problem))
                    continue
                if wrote is not None:
                    held[id_] = wrote.after
                    done.append(wrote)
        if done:
            await self._store.commit(done)
        return result


def _id_of(entity: Entity) -> str:
    id_: str = entity.id if isinstance(entity, Draft) else entity["id"]
    return id_


def _told(before: Held, outcome: Outcome, result: BatchResult) -> Written | None:
    """The write of ``outcome``, told in ``result``: what it left out is an error beside it."""
    if outcome.not_updated:
        names = ", ".join(outcome.not_updated)
        reason = next(iter(outcome.not_updated.values()))
        detail = f"{names} of {before.id} not written: {reason}"
        result.errors.append((before.id, Problem("BadRequestData", detail)))
    else:
        result.changed.append(before.id)
    return None if outcome.write is None else altered(before, outcome.write)
