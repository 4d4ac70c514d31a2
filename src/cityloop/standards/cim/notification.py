"""What a write changed, and what a notification says of it (GS CIM 009, 5.3.1 and 5.8.6)."""

from collections.abc import Set
from dataclasses import dataclass
from typing import Any

from cityloop.standards.cim.kept import MEMBERS, NULL, Attributes, Instance, Kept

ENTITY_CREATED, ENTITY_DELETED, CREATED, UPDATED, DELETED = 1, 2, 4, 8, 16
EVENTS = {
    "entityCreated": ENTITY_CREATED,
    "entityDeleted": ENTITY_DELETED,
    "attributeCreated": CREATED,
    "attributeUpdated": UPDATED,
    "attributeDeleted": DELETED,
    "entityUpdated": CREATED | UPDATED | DELETED,
}
"""Each trigger as bits; an updated entity is one whose attributes changed (5.2.12)."""

PREVIOUS = {type_: "previous" + member[0].upper() + member[1:] for type_, member in MEMBERS.items()}
"""By kind of attribute, the member that says what it was before (5.2.5 to 5.2.8)."""

_NO_ATTRIBUTES: Attributes = {}


@dataclass(frozen=True, slots=True)
class Changes:
    """What one write changed of one entity.

    ``events``: bits of ``EVENTS``. Attributes by what happened to them; ``dropped``: every instance
    that is gone: its attribute and datasetId.
    """

    events: int
    created: Set[str]
    updated: Set[str]
    deleted: Set[str]
    dropped: tuple[tuple[str, str], ...]

    def met(self, events: int, attributes: Set[str]) -> bool:
        """Whether one of ``events`` befell one of ``attributes``."""
        return bool(
            (events & CREATED and not self.created.isdisjoint(attributes))
            or (events & UPDATED and not self.updated.isdisjoint(attributes))
            or (events & DELETED and not self.deleted.isdisjoint(attributes))
        )


def changes(before: Kept | None, after: Kept | None) -> Changes:
    """What happened between two states of an entity; instances that were not written are the very
    same objects in both (``writes.applied`` sees to it)."""
    old = before["attrs"] if before else _NO_ATTRIBUTES
    new = after["attrs"] if after else _NO_ATTRIBUTES
    created, updated, deleted = set(), set(), set()
    dropped: list[tuple[str, str]] = []
    for name, instances in new.items():
        had = old.get(name)
        if had is None:
            created.add(name)
        elif had is not instances:
            gone = [(name, dataset) for dataset in had if dataset not in instances]
            dropped += gone
            if gone:
                deleted.add(name)
            if any(had.get(dataset) is not instance for dataset, instance in instances.items()):
                updated.add(name)
    for name, had in old.items():
        if name not in new:
            deleted.add(name)
            dropped += [(name, dataset) for dataset in had]
    events = (CREATED if created else 0) | (UPDATED if updated else 0) | (DELETED if deleted else 0)
    events |= 0 if before else ENTITY_CREATED
    events |= 0 if after else ENTITY_DELETED
    return Changes(events, created, updated, deleted, tuple(dropped))


def notified(
    before: Kept | None,
    after: Kept | None,
    what: Changes,
    at: int,
    *,
    deletions: Set[str] | None,
    previous: bool,
) -> Kept:
    """The entity as a notification shows it.

    ``deletions``: attributes whose deletion shows as NGSI-LD Null (None: of none, the empty set:
    of every one). ``previous``: whether values of before are shown. ``at``: when it was written.
    """
    if after is not None:
        shown = after
    elif before is not None:
        shown = {**before, "modifiedAt": at, "deletedAt": at, "attrs": {}}
    else:
        raise ValueError("an entity that never was has nothing to notify of")
    old = before["attrs"] if before else _NO_ATTRIBUTES
    attributes: Attributes = dict(shown["attrs"])
    if previous:
        for name in what.updated:
            attributes[name] = {
                dataset: _with_previous(instance, old[name].get(dataset))
                for dataset, instance in attributes[name].items()
            }
    if deletions is not None:
        for name, dataset in _shown_deletions(what, old, attributes):
            if not deletions or name in deletions:
                null = _null(old[name][dataset], at, previous)
                attributes[name] = {**attributes.get(name, {}), dataset: null}
    return {**shown, "attrs": attributes}


def _shown_deletions(what: Changes, old: Attributes, left: Attributes) -> list[tuple[str, str]]:
    """Of an attribute that is gone altogether one instance says so, not each of several."""
    first: dict[str, str] = {}
    for name, dataset in what.dropped:
        if name not in left:
            first.setdefault(name, "" if "" in old[name] else dataset)
    return [
        (name, dataset) for name, dataset in what.dropped if first.get(name, dataset) == dataset
    ]


def _with_previous(instance: Instance, old: Instance | None) -> Instance:
    if old is None or old is instance:
        return instance
    return {**instance, PREVIOUS[old["type"]]: old[MEMBERS[old["type"]]]}


def _null(old: Instance, at: int, previous: bool) -> Instance:
    """A deleted instance (4.5.0): NGSI-LD Null in place of its value."""
    type_ = old["type"]
    value: Any = {"@none": NULL} if type_ == "LanguageProperty" else NULL
    gone: Instance = {
        "type": type_,
        MEMBERS[type_]: value,
        "createdAt": old["createdAt"],
        "modifiedAt": at,
        "deletedAt": at,
    }
    return {**gone, PREVIOUS[type_]: old[MEMBERS[type_]]} if previous else gone
