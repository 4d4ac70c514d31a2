"""A Write to the present as the changes it consists of, and back: nothing is lost (law 2).

Each instance that is set or dropped is one Change; what is of the entity itself (its types, scope,
expiry and stamps, and whether it was put, altered or deleted) is the first Change, whose attribute
is empty. An instance without ``observedAt`` was observed when it was written. Writes to history
alone are overlays on such changes and are not taken apart.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from cityloop.kernel.changes import Change
from cityloop.kernel.clock import CityTime
from cityloop.kernel.ports import API_RUN
from cityloop.standards.cim.kept import MEMBERS, Attributes, Instance
from cityloop.standards.cim.times import read_datetime
from cityloop.standards.cim.writes import Alter, Delete, Put

Present: TypeAlias = Put | Alter | Delete
"""A Write to an entity as it is now."""


def changes_of(write: Present) -> list[Change]:
    """The changes that ``write`` consists of, that of the entity first."""
    if isinstance(write, Delete):
        told = {"kind": "delete", "types": write.types, "created": write.created}
        return [_of_entity(write, write.types[0] if write.types else "", told)]
    if isinstance(write, Put):
        rest = {name: value for name, value in write.kept.items() if name not in ("id", "attrs")}
        type_: str = write.kept["type"][0]
        head = _of_entity(write, type_, {"kind": "put", "entity": rest})
        return [head, *_set(write, type_, write.kept["attrs"])]
    type_ = write.types[0] if write.types else ""
    told = {"types": write.types, "scope": write.scope, "expires": write.expires}
    dropped = [
        Change(
            type_, write.id, attribute, API_RUN, CityTime(write.at), None, "delete", dataset, was
        )
        for (attribute, dataset), was in zip(write.dropped, _was(write), strict=True)
    ]
    head = _of_entity(write, type_, {"kind": "alter", **told})
    return [head, *dropped, *_set(write, type_, write.set)]


def write_of(changes: Sequence[Change]) -> Present:
    """The Write that ``changes_of`` took apart."""
    head, rest = changes[0], changes[1:]
    told: Any = head.value
    if told["kind"] == "delete":
        return Delete(head.entity, head.observed_at, told["types"], told["created"])
    attributes = _attributes(rest)
    if told["kind"] == "put":
        return Put({"id": head.entity, **told["entity"], "attrs": attributes})
    gone = [change for change in rest if change.operation == "delete"]
    dropped = tuple((change.attribute, change.dataset_id) for change in gone)
    was: Any = tuple(
        (each.extras["type"], each.extras["createdAt"]) for each in gone if each.extras
    )
    settled = told["types"], told["scope"], told["expires"]
    return Alter(head.entity, head.observed_at, attributes, dropped, *settled, was)


def _was(write: Alter) -> list[dict[str, Any]]:
    """What is remembered of each instance that is dropped."""
    if not write.was:
        return [{} for _ in write.dropped]
    return [{"type": kind, "createdAt": created} for kind, created in write.was]


def _of_entity(write: Present, type_: str, value: Any) -> Change:
    return Change(type_, write.id, "", API_RUN, CityTime(write.at), value)


def _set(write: Present, type_: str, attributes: Attributes) -> Iterable[Change]:
    for attribute, instances in attributes.items():
        for dataset, instance in instances.items():
            told = instance.get("observedAt")
            at = CityTime(read_datetime(told) if told else write.at)
            member = MEMBERS[instance["type"]]
            extras = {name: value for name, value in instance.items() if name != member}
            head = type_, write.id, attribute, API_RUN, at
            yield Change(*head, instance[member], "set", dataset, extras)


def _attributes(changes: Iterable[Change]) -> Attributes:
    attributes: Attributes = {}
    for change in changes:
        if change.operation == "set":
            instance: Instance = {**change.extras}
            instance[MEMBERS[instance["type"]]] = change.value
            attributes.setdefault(change.attribute, {})[change.dataset_id] = instance
    return attributes
