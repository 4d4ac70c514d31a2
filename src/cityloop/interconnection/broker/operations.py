"""The operations on single entities (GS CIM 009, 5.6.1-5.6.6, 5.6.17-5.6.21) over the store.

Each reads what it builds on and hands its write to the store without awaiting in between, so no
other writer gets in. What a client may do wrong raises Problem; nothing is half applied.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from cityloop.interconnection.broker.held import Held, Written, drafted, written
from cityloop.interconnection.broker.store import EntityStore
from cityloop.standards.cim import merging
from cityloop.standards.cim.alike import Draft
from cityloop.standards.cim.kept import Instance, Kept
from cityloop.standards.cim.merging import Outcome
from cityloop.standards.cim.problems import Problem, bad_request
from cityloop.standards.cim.scope import SCOPE
from cityloop.standards.cim.writes import Delete, Put, Write, applied

Fits: TypeAlias = Callable[[Kept], bool]
"""Whether an entity is the one that is meant: the type a request names."""

_AT_ONCE = 1_000


def any_entity(_: Kept) -> bool:
    """The request names no type."""
    return True


class Entities:
    """What clients do to the entities of one tenant.

    All raise OSError and BusyError as ``EntityStore.commit`` does; nothing has happened then.
    """

    def __init__(self, store: EntityStore) -> None:
        self.store = store

    def now(self) -> int:
        """The stamp of what is written now, in ms."""
        return self.store.clock()

    def get(self, id_: str, fits: Fits = any_entity) -> Held:
        """An entity as acknowledged; raises Problem when there is none."""
        held = self.store.get(id_)
        if held is None or (fits is not any_entity and not fits(held.kept)):
            raise missing(id_)
        return held

    def knows(self, id_: str) -> bool:
        """Whether there is such an entity, one that waits to be written included."""
        return self.store.held(id_) is not None

    async def create(self, entity: Kept) -> None:
        """Create (5.6.1); raises Problem when its id is taken."""
        if self.store.held(entity["id"]) is not None:
            raise taken(entity["id"])
        await self.store.commit([put(self.store, None, entity)])

    async def replace(self, id_: str, entity: Kept, fits: Fits = any_entity) -> None:
        """Put ``entity`` in the place of the one with its id (5.6.18)."""
        before = self._meant(id_, fits)
        entity = merging.replaced(before.kept, entity)
        await self.store.commit([put(self.store, before, entity)])

    async def merge(self, id_: str, fragment: Kept, fits: Fits = any_entity) -> Outcome:
        """Merge a fragment into an entity (5.6.17)."""
        return await self._alter(id_, fits, lambda kept, now: merging.merged(kept, fragment, now))

    async def append(
        self, id_: str, fragment: Kept, *, overwrite: bool = True, fits: Fits = any_entity
    ) -> Outcome:
        """Append attributes (5.6.3)."""
        return await self._alter(
            id_,
            fits,
            lambda kept, now: merging.appended(kept, fragment, now, overwrite=overwrite),
        )

    async def update(self, id_: str, fragment: Kept, fits: Fits = any_entity) -> Outcome:
        """Update attributes that exist (5.6.2)."""
        return await self._alter(id_, fits, lambda kept, now: merging.updated(kept, fragment, now))

    async def update_partially(
        self, id_: str, attribute: str, instances: Mapping[str, Instance], fits: Fits = any_entity
    ) -> None:
        """Replace members of instances of one attribute (5.6.4)."""
        await self._alter(
            id_,
            fits,
            lambda kept, now: merging.partially_updated(kept, attribute, instances, now),
        )

    async def replace_attribute(
        self, id_: str, attribute: str, instances: Mapping[str, Instance], fits: Fits = any_entity
    ) -> None:
        """Replace instances of one attribute (5.6.19)."""
        await self._alter(
            id_,
            fits,
            lambda kept, now: merging.replaced_attribute(kept, attribute, instances, now),
        )

    async def delete_attribute(
        self,
        id_: str,
        attribute: str,
        dataset: str = "",
        *,
        every: bool = False,
        fits: Fits = any_entity,
    ) -> None:
        """Delete one instance of an attribute, or every one (5.6.5); the scope is one, too."""

        def make(kept: Kept, now: int) -> Outcome:
            if attribute == SCOPE:
                return merging.without_scope(kept, now)
            return merging.without(kept, attribute, dataset, now, every=every)

        await self._alter(id_, fits, make)

    async def delete(self, id_: str, fits: Fits = any_entity) -> None:
        """Delete an entity (5.6.6)."""
        before = self._meant(id_, fits)
        await self.store.commit([gone(before, self.now())])

    async def purge(
        self, ids: Sequence[str], drops: Callable[[Kept], Sequence[str]] | None
    ) -> None:
        """Delete entities, or only those of their attributes that ``drops`` names (5.6.21)."""
        for start in range(0, len(ids), _AT_ONCE):
            held = self.store.held_many(ids[start : start + _AT_ONCE])
            done = [self._purged(before, drops) for before in held.values()]
            if any(done):
                await self.store.commit([one for one in done if one is not None])

    def _purged(
        self, before: Held, drops: Callable[[Kept], Sequence[str]] | None
    ) -> Written | None:
        if drops is None:
            return gone(before, self.now())
        outcome = merging.without_attributes(before.kept, drops(before.kept), self.now())
        return None if outcome.write is None else altered(before, outcome.write)

    async def sweep(self) -> int:
        """Delete entities whose time has come (4.22); how many."""
        ids = self.store.state.expired(self.now(), _AT_ONCE)
        done = [gone(held, self.now()) for id_ in ids if (held := self.store.state.find(id_))]
        if done:
            await self.store.commit(done)
        return len(done)

    def _meant(self, id_: str, fits: Fits) -> Held:
        held = self.store.held(id_)
        if held is None or (fits is not any_entity and not fits(held.kept)):
            raise missing(id_)
        return held

    async def _alter(self, id_: str, fits: Fits, make: Callable[[Kept, int], Outcome]) -> Outcome:
        before = self._meant(id_, fits)
        outcome = make(before.kept, self.now())
        if outcome.write is not None:
            await self.store.commit([altered(before, outcome.write)])
        return outcome


def put(store: EntityStore, before: Held | None, entity: Kept | Draft) -> Written:
    """A Put of ``entity``, in the place of ``before`` or as a new one."""
    key = store.state.next_key() if before is None else before.key
    if isinstance(entity, Draft):
        return drafted(key, before, entity)
    return _written(before, Held(key, entity), Put(entity))


def altered(before: Held, write: Write) -> Written:
    """``write`` done to ``before``."""
    kept = applied(before.kept, write)
    return _written(before, None if kept is None else Held(before.key, kept), write)


def gone(before: Held, now: int) -> Written:
    """The end of ``before``."""
    kept = before.kept
    return _written(before, None, Delete(before.id, now, kept["type"], kept["createdAt"]))


def _written(before: Held | None, after: Held | None, write: Write) -> Written:
    try:
        return written(before, after, write)
    except OverflowError as error:
        raise bad_request(f"entity {write.id} holds a number beyond 64 bits") from error


def missing(id_: str) -> Problem:
    """The error of an entity that is not there."""
    return Problem("ResourceNotFound", f"entity {id_} does not exist")


def taken(id_: str) -> Problem:
    """The error of an entity that is there already."""
    return Problem("AlreadyExists", f"entity {id_} exists already")
