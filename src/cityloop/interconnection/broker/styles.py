"""How a subscription's notifications look; subscriptions that ask for the same share the text."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from cityloop.interconnection.broker.held import Written
from cityloop.standards.cim.kept import Kept
from cityloop.standards.cim.notification import (
    DELETED,
    ENTITY_DELETED,
    EVENTS,
    Changes,
    notified,
)
from cityloop.standards.cim.outgoing import Format, View, write_entity, write_geojson
from cityloop.standards.cim.subscription import Subscribed, triggers
from cityloop.standards.cim.terms import Terms
from cityloop.standards.cim.times import write_datetime

Lookup = Callable[[str], Kept | None]
_encode = msgspec.json.Encoder().encode
_FORMATS: dict[str, Format] = {
    "normalized": "normalised",
    "concise": "concise",
    "keyValues": "simplified",
    "simplified": "simplified",
}
GEOJSON = "application/geo+json"
JSON_LD = "application/ld+json"


@dataclass(frozen=True)
class Style:
    """All that decides about the text. ``deletions`` and ``previous``: see ``notified``."""

    terms: Terms
    view: View
    accept: str
    deletions: frozenset[str] | None
    previous: bool
    join: str
    join_level: int

    def text(self, one: Written, what: Changes) -> bytes:
        """What a notification says of one write."""
        before = one.before.kept if one.before else None
        after = one.after.kept if one.after else None
        at = one.write.at
        kept = notified(before, after, what, at, deletions=self.deletions, previous=self.previous)
        return self.write(kept)

    def write(self, kept: Kept) -> bytes:
        """What a notification says of an entity."""
        if self.accept == GEOJSON:
            return _encode(write_geojson(kept, self.terms, self.view))
        body = write_entity(kept, self.terms, self.view)
        if "deletedAt" in kept:
            body.setdefault("deletedAt", write_datetime(kept["deletedAt"]))
        if self.accept == JSON_LD:
            body["@context"] = self.terms.context
        return _encode(body)


def style(subscription: Subscribed, terms: Terms) -> Style:
    """The style of a subscription that notifies with ``terms``."""
    wanted = subscription["notification"]
    return Style(
        terms,
        _view(subscription, wanted),
        wanted["endpoint"].get("accept", "application/json"),
        _deletions(subscription, wanted),
        wanted.get("showChanges", False),
        wanted.get("join", "@none"),
        int(wanted.get("joinLevel", 1)),
    )


def _view(subscription: Subscribed, wanted: dict[str, Any]) -> View:
    datasets = subscription.get("datasetId")
    return View(
        format=_FORMATS[wanted.get("format", "normalized")],
        sys_attrs=wanted.get("sysAttrs", False),
        attrs=_set(wanted.get("attributes")),
        pick=_set(wanted.get("pick")),
        omit=_set(wanted.get("omit")) or frozenset(),
        datasets=_set("" if name == "@none" else name for name in datasets) if datasets else None,
        lang=subscription.get("lang"),
    )


def _set(names: Any) -> frozenset[str] | None:
    return None if names is None else frozenset(names)


def _deletions(subscription: Subscribed, wanted: dict[str, Any]) -> frozenset[str] | None:
    """Whose deletion shows: what it is triggered by, or asks to see the changes of (5.3.1)."""
    events = 0
    for trigger in triggers(subscription):
        events |= EVENTS[trigger]
    if events & DELETED or (events & ENTITY_DELETED and wanted.get("showChanges")):
        return frozenset(subscription.get("watchedAttributes", ()))
    return None
