"""The subscriptions of one tenant, as clients make, read, change and delete them (CIM 5.8)."""

import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from cityloop.interconnection.broker.dispatch import Delivery, Notifier
from cityloop.interconnection.broker.following import Follower, Following
from cityloop.interconnection.broker.register import Register, Registered
from cityloop.interconnection.broker.store import EntityStore
from cityloop.interconnection.broker.styles import style
from cityloop.interconnection.broker.targets import target
from cityloop.standards.cim.problems import Problem
from cityloop.standards.cim.subscription import (
    Subscribed,
    changed_subscription,
    read_subscription,
    write_subscription,
)
from cityloop.standards.cim.terms import Terms
from cityloop.standards.cim.times import write_datetime

Resolve = Callable[[Any], Awaitable[Terms]]
"""The Terms of a @context: its URL, an object, or an array of these."""


class Subscriptions:
    """All calls raise Problem as the standard has it, and OSError when the disk fails.

    ``tenant``: as notifications name it; empty for the default one.
    """

    def __init__(
        self, store: EntityStore, folder: Path, resolve: Resolve, notifier: Notifier, tenant: str
    ) -> None:
        self._store = store
        self._clock = store.clock
        self._resolve = resolve
        self._tenant = tenant
        self._register = Register(folder)
        self.following = Following(store, notifier)
        self._known: dict[str, tuple[Registered, Follower]] = {}
        self._reserved: set[str] = set()

    async def load(self) -> None:
        """Take up what is registered; before the store recovers."""
        terms: dict[str, Terms] = {}
        for row in self._register.all():
            for context in (row.context, row.asked):
                if context not in terms:
                    terms[context] = await self._resolve(msgspec.json.decode(context))
            subscription = msgspec.json.decode(row.doc)
            self._take_up(row, subscription, terms[row.context], terms[row.asked])

    def _take_up(
        self, row: Registered, subscription: Subscribed, terms: Terms, asked: Terms
    ) -> None:
        look = style(subscription, terms)
        follower = Follower(row.s, row.since, subscription, terms, asked, look)
        self.following.put(follower, target(row.s, subscription, terms, self._tenant))
        self._known[row.id] = (row, follower)

    async def create(self, body: Any, terms: Terms) -> str:
        """Register the subscription of a request; its id."""
        now = self._clock()
        subscription = read_subscription(body, terms, now)
        id_: str = subscription.setdefault("id", f"urn:ngsi-ld:Subscription:{uuid.uuid4()}")
        if id_ in self._known or id_ in self._reserved:
            raise Problem("AlreadyExists", f"Subscription {id_} exists already.")
        self._reserved.add(id_)
        try:
            await self._keep(self._register.next_number(), subscription, terms, terms, now)
        finally:
            self._reserved.discard(id_)
        return id_

    async def update(self, id_: str, fragment: Any, terms: Terms) -> None:
        """Change what the fragment names (5.8.2)."""
        row, old = self._find(id_)
        subscription = changed_subscription(old.subscription, fragment, terms, self._clock())
        asked = terms if "q" in fragment else old.asked
        await self._keep(row.s, subscription, old.terms, asked, row.created)

    async def _keep(
        self, s: int, subscription: Subscribed, terms: Terms, asked: Terms, created: int
    ) -> None:
        context = subscription.get("jsonldContext")
        terms = await self._resolve(context) if context else terms
        target(s, subscription, terms, self._tenant)
        row = Registered(
            s,
            subscription["id"],
            self._store.state.position,
            created,
            self._clock(),
            msgspec.json.encode(terms.context).decode(),
            msgspec.json.encode(asked.context).decode(),
            msgspec.json.encode(subscription).decode(),
        )
        await self._register.put(row)
        self._take_up(row, subscription, terms, asked)

    async def delete(self, id_: str) -> None:
        """Remove it, and whatever it was still to be told."""
        row, _ = self._find(id_)
        await self._register.remove(row.s)
        if self._known.pop(id_, None):
            self.following.remove(row.s)

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

    def _write(
        self, row: Registered, follower: Follower, terms: Terms, *, sys_attrs: bool
    ) -> dict[str, Any]:
        told = _told(*self.following.delivery(row.s))
        body = write_subscription(follower.subscription, terms, self._clock(), told)
        if follower.terms.link:
            body.setdefault("jsonldContext", follower.terms.link)
        if sys_attrs:
            body["createdAt"] = write_datetime(row.created)
            body["modifiedAt"] = write_datetime(row.modified)
        return body

    async def close(self) -> None:
        """Let what is queued be written, then let go of the files."""
        self.following.close()
        await self._register.close()


def _told(known: Delivery, pending: int) -> dict[str, Any]:
    """What there is to say of a subscription's notifications (Table 5.2.14.2-1, and more)."""
    told: dict[str, Any] = {}
    if known.sent:
        failed = known.last_failure > known.last_success
        told = {"status": "failed" if failed else "ok"} | (
            {"lastError": known.error} if failed else {}
        )
    moments = {
        "lastNotification": known.last_notification,
        "lastSuccess": known.last_success,
        "lastFailure": known.last_failure,
    }
    counts = {
        "timesSent": known.sent,
        "timesFailed": known.failed,
        "pending": pending,
        "throttled": known.throttled,
        "dropped": known.dropped,
    }
    told |= {name: write_datetime(at) for name, at in moments.items() if at}
    return told | {name: count for name, count in counts.items() if count}
