"""The operations on the history of entities (5.6.11 - 5.6.16, 5.7.3, 5.7.4) over the store."""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from typing import NamedTuple, TypeVar

from cityloop.interconnection.broker.evolutions import Evolution, PastReader
from cityloop.interconnection.broker.held import written
from cityloop.interconnection.broker.historian import Folder, Historian
from cityloop.interconnection.broker.operations import Fits, missing
from cityloop.interconnection.broker.past_files import PastFiles
from cityloop.interconnection.broker.past_rows import ended
from cityloop.interconnection.broker.past_sights import PastSights
from cityloop.interconnection.broker.queries import Queries
from cityloop.interconnection.broker.store import EntityStore
from cityloop.interconnection.broker.summaries import Window, summed, window_of
from cityloop.standards.cim.evolution import Moment, Summary, summarised
from cityloop.standards.cim.kept import Instance
from cityloop.standards.cim.outgoing import View
from cityloop.standards.cim.past_body import PastBody
from cityloop.standards.cim.problems import Problem, bad_request
from cityloop.standards.cim.scope import SCOPE, scope_instance, scopes_of
from cityloop.standards.cim.selection.ast import Selection
from cityloop.standards.cim.selection.memory import Match, matcher
from cityloop.standards.cim.temporal_query import TemporalQuery
from cityloop.standards.cim.writes import Forget, Past, Revise

Result = TypeVar("Result")


class EvolutionPage(NamedTuple):
    """A page of evolutions; ``total`` of all that meet the query, where that is asked for."""

    each: list[Evolution]
    total: int


class Temporal:
    """What clients do to the history of one tenant's entities; they see all that is acknowledged.

    Writes raise OSError and BusyError as ``EntityStore.commit`` does; nothing has happened then.
    Reading raises them where the history cannot be brought up to the log. Call ``recover`` once
    the store has recovered, ``start`` when the event loop runs. ``fold``: does what takes long.
    ``sights``: what sources of a city said, which no client can change.
    """

    def __init__(
        self,
        store: EntityStore,
        queries: Queries,
        fold: Folder,
        sights: PastSights | None = None,
    ) -> None:
        self._store = store
        self._queries = queries
        self._historian = Historian(store, fold)
        self._sights = sights
        self._files = PastFiles(self._historian.folder)
        self._threads = ThreadPoolExecutor(thread_name_prefix="past")
        self.recover = self._historian.recover
        self.start = self._historian.start

    def now(self) -> int:
        """The stamp of what is written now, in ms."""
        return self._store.clock()

    async def add(self, id_: str, body: PastBody, *, create: bool) -> bool:
        """Add instances (5.6.11, 5.6.12); whether the entity had no history before.

        Raises Problem where it has none and ``create`` is not said.
        """
        known = await self._evolution(id_, TemporalQuery(last_n=1))
        if known is None and not create:
            raise _missing(id_)
        await self._commit(Past(id_, self.now(), body.attributes, body.types, body.scope))
        return known is None or "deletedAt" in known.kept

    async def delete(self, id_: str) -> None:
        """Delete all of an entity's history (5.6.16); raises Problem for what sources said."""
        await self._check_not_said(await self._known(id_))
        await self._commit(Forget(id_, self.now()))

    async def delete_attribute(self, id_: str, attribute: str, dataset: str | None) -> None:
        """Delete an attribute's history, or that of a ``dataset`` of it (5.6.13).

        Raises Problem for what sources said.
        """
        asked = frozenset([attribute])
        found = await self._known(id_, asked)
        await self._check_not_said(found, asked)
        if not any(dataset in (None, moment.dataset) for moment in found.moments):
            raise Problem("ResourceNotFound", f"the history of {id_} has no such attribute")
        await self._commit(Forget(id_, self.now(), attribute, dataset))

    async def revise(self, id_: str, attribute: str, name: str, instance: Instance | None) -> None:
        """Change members of one instance (5.6.14), or delete it: ``instance`` None (5.6.15)."""
        await self._known(id_)
        moment = await self._read(lambda past: past.instance(id_, name))
        if moment is None or moment.attribute != attribute:
            raise Problem("ResourceNotFound", f"the history of {id_} has no such instance {name}")
        after = None if instance is None else _revised(moment, instance, self.now())
        await self._commit(Revise(id_, self.now(), name, after))

    async def end_attribute(
        self, id_: str, attribute: str, dataset: str, fits: Fits, *, every: bool
    ) -> None:
        """Tell that an attribute was deleted (5.6.5) of an entity that is known by its past alone.

        The scope counts as one. Raises Problem where there is no such entity or attribute.
        """
        found = await self._known(id_, frozenset([attribute]))
        if "deletedAt" in found.kept or not fits(found.kept):
            raise missing(id_)
        latest = {moment.dataset: moment.instance for moment in found.moments}
        if attribute == SCOPE and "scope" in found.kept and not latest:
            latest[""] = scope_instance(found.kept["scope"], self.now())
        gone = {
            name: _ended(attribute, instance, self.now())
            for name, instance in latest.items()
            if (every or name == dataset) and "deletedAt" not in instance
        }
        if not gone:
            raise Problem("ResourceNotFound", f"entity {id_} has no such attribute {attribute}")
        await self._commit(Past(id_, self.now(), {attribute: list(gone.items())}))

    async def retrieve(
        self, id_: str, query: TemporalQuery, attributes: frozenset[str] | None
    ) -> Evolution:
        """How one entity evolved (5.7.3); raises Problem when it is unknown."""
        found = await self._evolution(id_, query, attributes)
        if found is None:
            raise _missing(id_)
        return found

    async def query(
        self,
        selection: Selection,
        query: TemporalQuery,
        page: slice,
        view: View,
        *,
        descending: bool = False,
        counted: bool = False,
    ) -> EvolutionPage:
        """How the entities evolved that ``selection`` means within the window (5.7.4).

        Of ``view`` the attributes and datasets decide which entities have anything to tell.
        """
        chosen = Selection(selection.selectors)
        ids = set(await self._queries.ids(chosen))
        asked = _Asked(selection, query, view, descending, counted, self._threads)
        return await self._read(lambda past: _page(past, ids, asked, page), of_many=True)

    async def _evolution(
        self, id_: str, query: TemporalQuery, attributes: frozenset[str] | None = None
    ) -> Evolution | None:
        return await self._read(lambda past: past.evolution(id_, query, attributes))

    async def _read(
        self, reading: Callable[[PastReader], Result], *, of_many: bool = False
    ) -> Result:
        """What ``reading`` finds in the history up to now."""
        await self._historian.catch_up(of_many=of_many)
        seen = self._historian.tail.seen()
        return await self._queries.read(
            lambda entities: reading(PastReader(entities, self._files.now(), seen, self._sights))
        )

    async def _known(self, id_: str, attributes: frozenset[str] | None = None) -> Evolution:
        everything = TemporalQuery(time_property="modifiedAt")
        return await self.retrieve(id_, everything, attributes)

    async def _check_not_said(
        self, found: Evolution, attributes: frozenset[str] | None = None
    ) -> None:
        """Raise Problem where it is no client's: deleted here, it would be told all the same."""
        newest = TemporalQuery(last_n=1)
        said = await self._read(
            lambda past: past.sights and past.sights.moments(found.kept, newest, attributes)
        )
        if said:
            raise Problem(
                "OperationNotSupported",
                f"sources of the city said this of {found.kept['id']}; their record is erased by "
                "the city's retention alone",
            )

    async def _commit(self, write: Past | Revise | Forget) -> None:
        held = self._store.held(write.id)
        await self._store.commit([written(held, held, write)])

    async def close(self) -> None:
        """Let go of the files; before ``Queries`` does, whose thread reads them."""
        await self._historian.close()
        await self._queries.read(lambda _: self._files.close())
        if self._sights is not None:
            self._sights.close()
        self._threads.shutdown()


class _Asked(NamedTuple):
    selection: Selection
    query: TemporalQuery
    view: View
    descending: bool
    is_counted: bool
    threads: Executor


def _page(past: PastReader, ids: set[str], asked: _Asked, page: slice) -> EvolutionPage:
    selection = asked.selection
    chosen = matcher(Selection(selection.selectors))
    # An entity that was deleted is told by its id, or where deletions are asked for.
    deleted = asked.query.time_property == "deletedAt"
    ids |= {kept["id"] for kept in past.of_past(deleted=deleted) if chosen(kept)}
    window = window_of(asked.query) if _is_plain(asked) and past.sights is None else None
    if window is not None:
        return _summed_page(past, ids, asked, window, page)
    meets = matcher(replace(selection, selectors=(), scope=None))
    found = (
        each
        for id_ in sorted(ids, reverse=asked.descending)
        if (each := _meeting(past, id_, asked, meets)) is not None
    )
    if not asked.is_counted:
        return EvolutionPage(list(islice(found, page.start, page.stop)), 0)
    everything = list(found)
    return EvolutionPage(everything[page], len(everything))


def _meeting(past: PastReader, id_: str, asked: _Asked, meets: Match) -> Evolution | None:
    """The evolution of an entity if what it was within the window meets the query (5.7.4.4)."""
    found = past.evolution(id_, asked.query)
    if found is not None and asked.selection.scope is not None:
        found = within_scope(found, matcher(Selection(scope=asked.selection.scope)))
    if found is None or not meets(_in_window(found)):
        return None
    if not any(_is_asked(moment, asked.view) for moment in found.moments):
        return None
    if asked.query.format == "aggregatedValues":
        told = [moment for moment in found.moments if moment.attribute != SCOPE]
        return Evolution(found.kept, [], summarised(told, asked.query))
    return found


def _is_asked(one: Moment | Summary, view: View) -> bool:
    attrs = view.attrs
    return (one.attribute != SCOPE if attrs is None else one.attribute in attrs) and (
        view.datasets is None or one.dataset in view.datasets
    )


def _is_plain(asked: _Asked) -> bool:
    """Whether nothing is asked of an entity but its type and id, and instances in the window."""
    selection, attrs = asked.selection, asked.view.attrs
    if selection.attributes and attrs != frozenset(selection.attributes):
        return False
    return selection.q is None and selection.geo is None and selection.scope is None


def _summed_page(
    past: PastReader, ids: set[str], asked: _Asked, window: Window, page: slice
) -> EvolutionPage:
    """A page of summaries, from columns; entities that those cannot tell by their instances."""
    found = summed(past, ids, window, asked.threads)
    by_id: dict[str, Sequence[Summary]] = {
        id_: each
        for id_, summaries in found.by_id.items()
        if (each := [one for one in summaries if _is_asked(one, asked.view)])
    }
    everybody = matcher(Selection())
    for id_ in found.left:
        slow = _meeting(past, id_, asked, everybody)
        if slow is not None:
            by_id[id_] = slow.summaries
    shown = sorted(by_id, reverse=asked.descending)[page]
    told = [Evolution(past.described(id_) or {"id": id_}, [], by_id[id_]) for id_ in shown]
    return EvolutionPage(told, len(by_id))


def _in_window(found: Evolution) -> dict[str, object]:
    """The entity with every instance in the window at once: any of them can meet a condition."""
    attributes: dict[str, dict[str, Instance]] = {}
    for moment in found.moments:
        if moment.attribute == SCOPE:
            continue
        instances = attributes.setdefault(moment.attribute, {})
        instances[moment.id if "" in instances else ""] = moment.instance
    return {**found.kept, "attrs": attributes}


def _revised(moment: Moment, instance: Instance, now: int) -> Instance:
    if instance.get("type", moment.instance["type"]) != moment.instance["type"]:
        raise bad_request(f"the instance is a {moment.instance['type']} and stays one")
    created = moment.instance["createdAt"]
    return {**moment.instance, **instance, "createdAt": created, "modifiedAt": now}


def _ended(attribute: str, instance: Instance, now: int) -> Instance:
    if attribute == SCOPE:
        return scope_instance([], now)
    return ended(instance["type"], instance["createdAt"], now)


def within_scope(found: Evolution, meets: Match) -> Evolution:
    """Its instances of the times when its scope, as it was valid, ``meets`` a query (4.18)."""
    told = [moment for moment in found.moments if moment.attribute == SCOPE]
    if not told:
        return found if meets(found.kept) else found._replace(moments=[])
    ends = [*(moment.time for moment in told[1:]), math.inf]
    spans = [
        (moment.time, end)
        for moment, end in zip(told, ends, strict=True)
        if meets({"scope": scopes_of(moment.instance)})
    ]
    within = [
        moment
        for moment in found.moments
        if any(start <= moment.time < end for start, end in spans)
    ]
    return found._replace(moments=within)


def _missing(id_: str) -> Problem:
    return Problem("ResourceNotFound", f"Entity {id_} has no history; it does not exist")
