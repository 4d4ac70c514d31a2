"""What later writes change about the past that was written before: overlays, merged at read."""

from collections.abc import Iterable
from typing import Any

from cityloop.standards.cim.kept import Instance, Kept
from cityloop.standards.cim.writes import Delete, Forget, Past, Put, Revise, Write

EVERY = "*"
"""In place of an attribute or a datasetId: all of them."""
_ID = "urn:ngsi-ld:Instance:"


class Corrections:
    """Of one entity: what is forgotten, which instances are revised, what only the past tells.

    ``forgotten``: by attribute and datasetId, the number of the last write that is.
    ``revised``: by number of the write and place in it; None is deleted.
    ``described``: type, scope and stamps of an entity whose past was written; None where not.
    """

    def __init__(
        self,
        forgotten: dict[tuple[str, str], int] | None = None,
        revised: dict[tuple[int, int], Instance | None] | None = None,
        described: Kept | None = None,
    ) -> None:
        self.forgotten = forgotten or {}
        self.revised = revised or {}
        self.described = described

    def take(self, number: int, write: Write) -> None:
        """Take in the next write of this entity."""
        if isinstance(write, Past):
            self.described = _described(self.described, write)
        elif isinstance(write, Revise):
            place = read_instance_id(write.instance_id)
            if place is not None:
                self.revised[place] = write.instance
        elif isinstance(write, Delete) and write.types:
            self.described = _ended(self.described, write)
        elif isinstance(write, Delete | Forget):
            self._forget(number, write)

    def _forget(self, number: int, write: Delete | Forget) -> None:
        attribute = write.attribute if isinstance(write, Forget) else None
        dataset = write.dataset if isinstance(write, Forget) else None
        if attribute is None:
            self.described = None
        # A forgotten attribute is one row, whatever was forgotten of it before.
        self.forgotten[attribute or EVERY, EVERY if dataset is None else dataset] = number

    def until(self, attribute: str, dataset: str) -> int:
        """The number of the last write whose instances of an attribute are forgotten; -1: none."""
        if not self.forgotten:
            return -1
        places = (attribute, dataset), (attribute, EVERY), (EVERY, EVERY)
        return max(self.forgotten.get(place, -1) for place in places)


def corrects(write: Write) -> bool:
    """Whether a write is more than instances of the past."""
    return not isinstance(write, Put) and isinstance(write, Past | Revise | Delete | Forget)


def _described(known: Kept | None, write: Past) -> Kept:
    kept: Kept = dict(known or {"id": write.id, "type": [], "createdAt": write.at})
    kept["type"] = list(dict.fromkeys([*kept["type"], *write.types]))
    kept["modifiedAt"] = write.at
    kept.pop("deletedAt", None)
    if write.scope is not None:
        kept["scope"] = write.scope
    return kept


def _ended(known: Kept | None, write: Delete) -> Kept:
    kept: Kept = dict(known or {"id": write.id, "type": [], "createdAt": write.created})
    kept["type"] = list(dict.fromkeys([*kept["type"], *write.types]))
    kept["modifiedAt"] = kept["deletedAt"] = write.at
    return kept


def instance_id(number: int, place: int) -> str:
    """The id of an instance: the number of its write, and its place in that."""
    return f"{_ID}{number:x}.{place:x}"


def read_instance_id(text: str) -> tuple[int, int] | None:
    """Where an instance lies by its id; None when it is none of this broker's."""
    parts = text.removeprefix(_ID).split(".")
    if not text.startswith(_ID) or len(parts) != 2:
        return None
    try:
        number, place = (int(part, 16) for part in parts)
    except ValueError:
        return None
    return number, place


def corrected_by(writes: Iterable[tuple[int, Any]], known: Corrections) -> Corrections:
    """``known``, and what ``writes`` of the entity say since."""
    for number, write in writes:
        known.take(number, write)
    return known
