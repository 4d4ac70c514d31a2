"""What clients of the API say of declared types, as observations: loops, context and history see
it as they see what a source says.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from cityloop.standards.attributes import AttributeTable
from cityloop.standards.cim.kept import Instance, Kept
from cityloop.standards.cim.observed import LOCATION, name_of
from cityloop.standards.cim.writes import OF_HISTORY, Write, applied
from cityloop.standards.payloads import Draft
from cityloop.standards.readings import Decoded

Find: TypeAlias = Callable[[str], Kept | None]
"""An entity by its id, as it was before."""


def spoken(writes: Iterable[Write], find: Find, table: AttributeTable) -> Decoded:
    """The observations that ``writes``, done one after the other, make of declared types.

    An attribute that is dropped is said to be null. What is not declared is passed over, what is
    and does not fit becomes a fault. All are of one time, which whoever commits them knows.
    """
    draft = Draft(table)
    after: dict[str, Kept | None] = {}
    for write in writes:
        if isinstance(write, OF_HISTORY):
            continue
        before = after[write.id] if write.id in after else find(write.id)
        after[write.id] = now = applied(before or _blank(write.id, write.at), write)
        for type_ in _types(before, now):
            _say(draft, type_, write.id, before, now, table)
    return draft.decoded()


def _blank(id_: str, at: int) -> Kept:
    return {"id": id_, "type": [], "createdAt": at, "modifiedAt": at, "attrs": {}}


def _types(before: Kept | None, after: Kept | None) -> list[str]:
    both = [type_ for kept in (before, after) if kept for type_ in kept["type"]]
    return list(dict.fromkeys(both))


def _say(
    draft: Draft,
    type_iri: str,
    id_: str,
    before: Kept | None,
    after: Kept | None,
    table: AttributeTable,
) -> None:
    type_ = name_of(type_iri)
    declared = table.get(type_)
    if declared is None:
        return
    old, new = _cells(before), _cells(after)
    plain: dict[str, Any] = {}
    for name, attribute in declared.items():
        was, now = old.get(name), new.get(name)
        if now is None and was is not None:
            plain[name] = None
        elif now is not None and (was is None or _differs(was, now)):
            unit = now.get("unitCode", "")
            if unit in ("", attribute.unit):
                plain[name] = now["value"]
            else:
                draft.add(type_, id_, 0, {name: now["value"]}, ((name, unit),))
    if plain:
        draft.add(type_, id_, 0, plain)


def _differs(was: Instance, now: Instance) -> bool:
    """Whether it was said again, be it the same value."""
    return was is not now and was != now


def _cells(kept: Kept | None) -> Mapping[str, Instance]:
    """The plain properties of an entity by name; a place is latitude and longitude too."""
    found: dict[str, Any] = {}
    for iri, instances in kept["attrs"].items() if kept else ():
        instance, name = instances.get(""), name_of(iri)
        if instance is None:
            continue
        if iri == LOCATION:
            found = {**_place(instance), **found}
        elif name and instance["type"] == "Property":
            found[name] = instance
    return found


def _place(location: Instance) -> Mapping[str, Instance]:
    value = location.get("value")
    if not isinstance(value, dict) or value.get("type") != "Point":
        return {}
    longitude, latitude = value["coordinates"][:2]
    return {"longitude": {"value": longitude}, "latitude": {"value": latitude}}
