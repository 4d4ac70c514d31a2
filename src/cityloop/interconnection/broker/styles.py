"""How a subscription's notifications look; subscriptions that ask for the same share the text."""

from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from cityloop.interconnection.broker.held import Written
from cityloop.standards.cim.asked import DEEPEST_JOIN, Shape
from cityloop.standards.cim.kept import Kept
from cityloop.standards.cim.linked import Fetch, write_entities
from cityloop.standards.cim.notification import (
    DELETED,
    ENTITY_DELETED,
    EVENTS,
    Changes,
    notified,
)
from cityloop.standards.cim.outgoing import Format, View, write_entity, write_geojson
from cityloop.standards.cim.selection.projection import NOTHING, Projection, read_projection
from cityloop.standards.cim.subscription import Subscribed, triggers
from cityloop.standards.cim.terms import Terms
from cityloop.standards.cim.times import write_datetime

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
    """All that decides about the text. ``deletions`` and ``previous``: see ``notified``;
    ``shape`` holds where linked entities are shown, ``view`` where not.
    """

    terms: Terms
    view: View
    accept: str
    deletions: frozenset[str] | None
    previous: bool
    joined: tuple[str, int]
    shape: Shape = field(compare=False)

    def text(self, one: Written, what: Changes, fetch: Fetch) -> bytes:
        """What a notification says of one write; ``fetch`` finds entities that it links to."""
        before = one.before.kept if one.before else None
        after = one.after.kept if one.after else None
        at = one.write.at
        kept = notified(before, after, what, at, deletions=self.deletions, previous=self.previous)
        return self.write(kept, fetch)

    def write(self, kept: Kept, fetch: Fetch) -> bytes:
        """What a notification says of an entity: JSON objects with commas between."""
        geojson = self.accept == GEOJSON
        if self.joined[1]:
            bodies = write_entities([kept], self.terms, self.shape, fetch, geojson=geojson)
        elif geojson:
            bodies = [write_geojson(kept, self.terms, self.view)]
        else:
            bodies = [write_entity(kept, self.terms, self.view)]
        if "deletedAt" in kept and not geojson:
            bodies[0].setdefault("deletedAt", write_datetime(kept["deletedAt"]))
        if self.accept == JSON_LD:
            bodies = [{**body, "@context": self.terms.context} for body in bodies]
        return b",".join(map(_encode, bodies))


def style(subscription: Subscribed, terms: Terms) -> Style:
    """The style of a subscription that notifies with ``terms``."""
    wanted = subscription["notification"]
    view = _view(subscription, wanted)
    return Style(
        terms,
        view,
        wanted["endpoint"].get("accept", "application/json"),
        _deletions(subscription, wanted),
        wanted.get("showChanges", False),
        (wanted.get("join", ""), _level(wanted)),
        _shape(wanted, view),
    )


def _shape(wanted: dict[str, Any], view: View) -> Shape:
    if not _level(wanted):
        return Shape(view)
    pick, omit = (_projection(name, wanted) for name in ("pick", "omit"))
    unprojected = replace(view, pick=None, omit=frozenset())
    return Shape(unprojected, pick, omit, wanted["join"], _level(wanted))


def _level(wanted: dict[str, Any]) -> int:
    """How many Relationships are followed one after the other."""
    if wanted.get("join", "@none") == "@none":
        return 0
    return min(int(wanted.get("joinLevel", 1)), DEEPEST_JOIN)


def _projection(name: str, wanted: dict[str, Any]) -> Projection:
    return read_projection(name, ",".join(wanted[name]), str) if name in wanted else NOTHING


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
