"""What was written last of the entities that somebody asks about, for those who ask why."""

from dataclasses import dataclass, field

from cityloop.interconnection.broker.deliveries import Delivery
from cityloop.interconnection.broker.held import Written
from cityloop.kernel.ports import Position
from cityloop.standards.cim.kept import Kept
from cityloop.standards.cim.notification import CREATED, ENTITY_CREATED, UPDATED, Changes

MOST_KEPT = 5_000
_LARGEST_GONE = 4_096


@dataclass(slots=True)
class Seen:
    """The last write of one entity: when it was matched [ms of wall time], what it changed.

    ``position``: None where only the entity's own stamps tell of it. ``gone``: what it was, where
    it was deleted. ``throttled``: subscriptions to which it came too soon.
    """

    at: int
    position: Position | None
    what: Changes
    gone: Kept | None = None
    throttled: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Situation:
    """All there is to know of one subscription and one entity, at ``now`` [ms].

    ``kept``: the entity, None where there is none. ``pending``: notifications that wait.
    ``waits``: since when one of this entity waits; ``again``: when the subscriber is tried
    again after a failure; 0 for never.
    """

    now: int
    kept: Kept | None
    seen: Seen | None
    delivery: Delivery
    pending: int
    waits: int
    again: int


class Latest:
    """The last writes of so many entities; lost with the process, then stamps have to do."""

    def __init__(self) -> None:
        self._seen: dict[str, Seen] = {}

    def put(self, one: Written, seen: Seen) -> None:
        """A write, after all before it."""
        self._seen.pop(one.id, None)
        if one.after is None and one.before is not None and len(one.before.doc) < _LARGEST_GONE:
            seen.gone = one.before.kept
        self._seen[one.id] = seen
        if len(self._seen) > MOST_KEPT:
            del self._seen[next(iter(self._seen))]

    def throttled(self, id_: str, s: int) -> None:
        """The last write of an entity came too soon for a subscription."""
        seen = self._seen.get(id_)
        if seen is not None:
            seen.throttled.add(s)

    def seen(self, id_: str) -> Seen | None:
        """The last write of an entity, where it is still known."""
        return self._seen.get(id_)


def from_stamps(kept: Kept) -> Seen:
    """The last write, as far as the stamps of an entity tell: not what it deleted."""
    stamps = [i["modifiedAt"] for instances in kept["attrs"].values() for i in instances.values()]
    at = max(stamps, default=kept["modifiedAt"])
    created: set[str] = set()
    updated: set[str] = set()
    for name, instances in kept["attrs"].items():
        if all(instance["createdAt"] == at for instance in instances.values()):
            created.add(name)
        elif any(instance["modifiedAt"] == at for instance in instances.values()):
            updated.add(name)
    events = (CREATED if created else 0) | (UPDATED if updated else 0)
    events |= ENTITY_CREATED if kept["createdAt"] >= at else 0
    return Seen(at, None, Changes(events, created, updated, set(), ()))
