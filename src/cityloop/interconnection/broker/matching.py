"""Which subscriptions a write concerns: one engine for loops, departments and partners alike.

Every subscription hangs in a dictionary under what it asks for most narrowly: an id, else a type,
else an attribute; only one that asks for neither is asked about every write. So the cost of a
write is that of the subscriptions it may concern, not of all there are.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from cityloop.standards.cim.kept import Kept
from cityloop.standards.cim.notification import (
    ENTITY_CREATED,
    ENTITY_DELETED,
    EVENTS,
    Changes,
    changes,
)
from cityloop.standards.cim.selection.ast import And, Expression, Or, Selection, Selector
from cityloop.standards.cim.selection.memory import matcher
from cityloop.standards.cim.subscription import Subscribed, selectors, triggers

Holds = Callable[[Kept], bool]


@dataclass(eq=False, slots=True)
class Watcher:
    """One subscription, ready to be asked.

    ``key``: its row. ``events``: bits it is triggered by. ``watched``: attributes, empty for any.
    ``holds``: its q, geoQ and scopeQ; None where it has none.
    """

    key: int
    id: str
    events: int
    watched: frozenset[str]
    holds: Holds | None
    places: list[tuple[dict[str, dict["Watcher", list[Holds | None]]], str]] = field(
        default_factory=list
    )

    def wants(self, what: Changes, kept: Kept) -> bool:
        """Whether what changed triggers it."""
        if not self.events & what.events:
            return False
        if not self.watched:
            return True
        if self.events & what.events & (ENTITY_CREATED | ENTITY_DELETED):
            return not self.watched.isdisjoint(kept["attrs"])
        return what.met(self.events, self.watched)


Places = dict[str, dict[Watcher, list[Holds | None]]]
"""Under each word its watchers, with what else of an entity they ask there."""


def watcher(key: int, subscription: Subscribed, holds: Holds | None) -> Watcher:
    """The watcher of a subscription."""
    events = 0
    for trigger in triggers(subscription):
        events |= EVENTS[trigger]
    watched = frozenset(subscription.get("watchedAttributes", ()))
    return Watcher(key, subscription["id"], events, watched, holds)


class Matching:
    """The subscriptions of one tenant that are to be asked."""

    def __init__(self) -> None:
        self._by_id: Places = {}
        self._by_type: Places = {}
        self._by_attribute: Places = {}
        self._always: Places = {}

    @property
    def empty(self) -> bool:
        """Whether nobody is to be asked."""
        return not (self._by_id or self._by_type or self._by_attribute or self._always)

    def add(self, watcher: Watcher, subscription: Subscribed) -> None:
        """Ask it from now on."""
        for selector in selectors(subscription):
            self._add_selector(watcher, selector)
        if not watcher.places:
            for attribute in watcher.watched:
                self._put(self._by_attribute, attribute, watcher, None)

    def _add_selector(self, watcher: Watcher, selector: Selector) -> None:
        if selector.ids:
            for id_ in selector.ids:
                self._put(self._by_id, id_, watcher, _of_types(selector.types))
        elif selector.types is not None:
            for type_ in _first_types(selector.types):
                self._put(self._by_type, type_, watcher, _rest(selector))
        else:
            self._put(self._always, "", watcher, matcher(Selection((selector,))))

    def _put(self, places: Places, word: str, watcher: Watcher, holds: Holds | None) -> None:
        places.setdefault(word, {}).setdefault(watcher, []).append(holds)
        watcher.places.append((places, word))

    def remove(self, watcher: Watcher) -> None:
        """Ask it no more."""
        for places, word in watcher.places:
            here = places.get(word, {})
            here.pop(watcher, None)
            if not here:
                places.pop(word, None)
        watcher.places.clear()

    def concerned(self, before: Kept | None, after: Kept | None) -> "Concern | None":
        """Whom a write concerns, each once, and what it changed; None where nobody asks about an
        entity like this.
        """
        kept = after or before
        if kept is None:
            return None
        near = self._near(kept, before)
        if not near:
            return None
        what = changes(before, after)
        found: dict[Watcher, None] = {}
        for here in near:
            for watcher, ways in here.items():
                if (
                    watcher not in found
                    and watcher.wants(what, kept)
                    and any(way is None or way(kept) for way in ways)
                    and (watcher.holds is None or watcher.holds(kept))
                ):
                    found[watcher] = None
        return Concern(what, list(found))

    def about(self, kept: Kept) -> list[int]:
        """The numbers of those that ask about entities like this one, each once."""
        near = self._near(kept, None)
        found = {
            watcher.key: None
            for here in near
            for watcher, ways in here.items()
            if any(way is None or way(kept) for way in ways)
        }
        return list(found)

    def _near(self, kept: Kept, before: Kept | None) -> list[dict[Watcher, list[Holds | None]]]:
        """All under which a watcher may hang that is concerned."""
        words: list[tuple[Places, Iterable[str]]] = [
            (self._by_id, (kept["id"],)),
            (self._by_type, kept["type"]),
            (self._always, ("",)),
        ]
        if self._by_attribute:
            words.append((self._by_attribute, {*kept["attrs"], *(before or kept)["attrs"]}))
        return [
            here
            for places, names in words
            for name in names
            if (here := places.get(name)) is not None
        ]


class Concern(NamedTuple):
    """What a write changed, and whom that concerns."""

    what: Changes
    watchers: list[Watcher]


def _first_types(types: Expression[str]) -> set[str]:
    """Types of which an entity has one, whenever ``types`` holds for it."""
    if isinstance(types, Or):
        return {name for part in types.parts for name in _first_types(part)}
    if isinstance(types, And):
        return _first_types(types.parts[0])
    return {types}


def _of_types(types: Expression[str] | None) -> Holds | None:
    """What is left to ask under an id; None for nothing."""
    return None if types is None else matcher(Selection((Selector(types=types),)))


def _rest(selector: Selector) -> Holds | None:
    """What is left to ask under one of the selector's types; None for nothing."""
    if selector.id_pattern:
        return matcher(Selection((selector,)))
    return None if isinstance(selector.types, str) else _of_types(selector.types)
