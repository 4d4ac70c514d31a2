"""The subscriptions of one tenant, as clients make, read, change and delete them (CIM 5.8)."""

import uuid
from typing import Any

import msgspec

from cityloop.interconnection.broker.contexts import CORE_TERMS, Contexts
from cityloop.interconnection.broker.dispatch import Notifier
from cityloop.interconnection.broker.following import Follower, Following
from cityloop.interconnection.broker.intervals import Intervals
from cityloop.interconnection.broker.queries import Queries
from cityloop.interconnection.broker.reach import EVERYWHERE, Reach
from cityloop.interconnection.broker.register import Register, Registered
from cityloop.interconnection.broker.store import EntityStore
from cityloop.interconnection.broker.styles import style
from cityloop.interconnection.broker.targets import check_reach, target
from cityloop.interconnection.broker.why import told_of, why
from cityloop.standards.cim.hosted import HOSTED_PATH
from cityloop.standards.cim.problems import Problem
from cityloop.standards.cim.subscription import (
    Subscribed,
    changed_subscription,
    read_subscription,
    write_subscription,
)
from cityloop.standards.cim.terms import Terms
from cityloop.standards.cim.times import write_datetime

MOST_EXPLAINED = 100


class Subscriptions:
    """All calls raise Problem as the standard has it, and OSError when the disk fails.

    ``tenant``: as notifications name it; empty for the default one. ``reach``: where they may go.
    """

    def __init__(
        self,
        store: EntityStore,
        contexts: Contexts,
        notifier: Notifier,
        tenant: str = "",
        reach: Reach = EVERYWHERE,
    ) -> None:
        self._store = store
        self._clock = store.clock
        self._contexts = contexts
        self._tenant = tenant
        self._reach = reach
        self._register = Register(*store.tables.register())
        self.following = Following(store, notifier)
        self._intervals: Intervals | None = None
        self._known: dict[str, tuple[Registered, Follower]] = {}
        self._reserved: set[str] = set()

        for row in self._register.all():
            self._take_up(row, msgspec.json.decode(row.doc))

    def _take_up(self, row: Registered, subscription: Subscribed) -> None:
        terms, asked = self._register.terms[row.terms], self._register.terms[row.asked]
        look = style(subscription, terms)
        follower = Follower(row.s, row.since, subscription, terms, asked, look)
        self.following.put(follower, target(row.s, subscription, terms, self._tenant))
        self._known[row.id] = (row, follower)
        if self._intervals is not None:
            self._intervals.put(follower)

    def start(self, queries: Queries) -> None:
        """Begin what runs beside the requests; needs a running event loop."""
        self._intervals = Intervals(self.following, queries, self._clock)
        for _, follower in self._known.values():
            self._intervals.put(follower)

    async def create(self, body: Any, terms: Terms, base: str = "") -> str:
        """Register the subscription of a request; its id. ``base``: scheme and host by which the
        client reaches the broker.
        """
        now = self._clock()
        subscription = read_subscription(body, terms, now)
        id_: str = subscription.setdefault("id", f"urn:ngsi-ld:Subscription:{uuid.uuid4()}")
        if id_ in self._known or id_ in self._reserved:
            raise Problem("AlreadyExists", f"Subscription {id_} exists already.")
        self._reserved.add(id_)
        try:
            notice = await self._linkable(subscription, terms, base)
            await self._keep(self._register.next_number(), subscription, notice, terms, now)
        finally:
            self._reserved.discard(id_)
        return id_

    async def update(self, id_: str, fragment: Any, terms: Terms) -> None:
        """Change what the fragment names (5.8.2)."""
        row, old = self._find(id_)
        subscription = changed_subscription(old.subscription, fragment, terms, self._clock())
        asked = terms if "q" in fragment else old.asked
        notice = old.terms
        if subscription.get("jsonldContext"):
            notice = await self._contexts.terms(subscription["jsonldContext"])
        await self._keep(row.s, subscription, notice, asked, row.created)

    async def _linkable(self, subscription: Subscribed, terms: Terms, base: str) -> Terms:
        """What a new subscription notifies with: a @context that a header can name (5.2.12)."""
        context = subscription.get("jsonldContext")
        if context:
            return await self._contexts.terms(context)
        if terms.link or terms is CORE_TERMS:
            return terms
        hosted = await self._contexts.host_implicitly(terms.context, self._tenant)
        return await self._contexts.terms(f"{base}{HOSTED_PATH}{hosted.id}")

    async def _keep(
        self, s: int, subscription: Subscribed, terms: Terms, asked: Terms, created: int
    ) -> None:
        check_reach(target(s, subscription, terms, self._tenant), self._reach)
        row = Registered(
            s,
            subscription["id"],
            self._store.state.position,
            created,
            self._clock(),
            await self._register.number_of(terms),
            await self._register.number_of(asked),
            msgspec.json.encode(subscription).decode(),
        )
        await self._register.put(row)
        self._take_up(row, subscription)

    async def delete(self, id_: str) -> None:
        """Remove it, and whatever it was still to be told."""
        row, _ = self._find(id_)
        await self._register.remove(row.s)
        if self._known.pop(id_, None):
            self.following.remove(row.s)
            if self._intervals is not None:
                self._intervals.remove(row.s)

    def _find(self, id_: str) -> tuple[Registered, Follower]:
        found = self._known.get(id_)
        if found is None:
            raise Problem("ResourceNotFound", f"Subscription {id_} does not exist.")
        return found

    def retrieve(self, id_: str, terms: Terms, *, sys_attrs: bool = False) -> dict[str, Any]:
        """The subscription as a client reads it (5.8.3)."""
        return self._write(*self._find(id_), terms, sys_attrs=sys_attrs)

    def page(
        self, offset: int, limit: int, terms: Terms, *, sys_attrs: bool = False
    ) -> tuple[list[dict[str, Any]], int]:
        """Some subscriptions, in the order they were made, and how many there are (5.8.4)."""
        some = list(self._known.values())[offset : offset + limit]
        return [self._write(*one, terms, sys_attrs=sys_attrs) for one in some], len(self._known)

    def why(self, id_: str, entity: str, terms: Terms) -> dict[str, Any]:
        """Why it was told of the last write of an entity, or was not."""
        row, follower = self._find(id_)
        known = self.following.situation(row.s, entity)
        return why(follower, entity, known, terms, row.modified, self.following.linked)

    def why_all(self, entity: str, terms: Terms) -> list[dict[str, Any]]:
        """The same of some that ask about an entity like this one; raises Problem
        (ResourceNotFound) where there is none."""
        kept = self.following.linked(entity)
        if kept is None:
            raise Problem("ResourceNotFound", f"Entity {entity} does not exist.")
        ids = [self.following.id_of(s) for s in self.following.about(kept)[:MOST_EXPLAINED]]
        return [self.why(id_, entity, terms) for id_ in ids]

    def _write(
        self, row: Registered, follower: Follower, terms: Terms, *, sys_attrs: bool
    ) -> dict[str, Any]:
        told = told_of(*self.following.delivery(row.s))
        body = write_subscription(follower.subscription, terms, self._clock(), told)
        if follower.terms.link:
            body.setdefault("jsonldContext", follower.terms.link)
        if sys_attrs:
            body["createdAt"] = write_datetime(row.created)
            body["modifiedAt"] = write_datetime(row.modified)
        return body

    async def close(self) -> None:
        """Let what is queued be written, then let go of the files."""
        if self._intervals is not None:
            self._intervals.close()
        self.following.close()
        await self._register.close()
