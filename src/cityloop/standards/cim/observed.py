"""What sources say of an entity, in the kept form of the API: the same units, types and places.

An attribute of a declared type is a Property with the ``unitCode`` that its table declares; where
it stands is a GeoProperty too. Names are those of the default @context, so that clients need none.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from cityloop.standards.attributes import Attribute, AttributeTable
from cityloop.standards.cim.core import CORE, DEFAULT_VOCAB
from cityloop.standards.cim.iris import is_iri
from cityloop.standards.cim.kept import Attributes, Instance, Kept
from cityloop.standards.cim.times import read_datetime, write_datetime

LOCATION = CORE["location"]
Places: TypeAlias = Mapping[str, tuple[float, float]]
"""Entity → longitude and latitude [degrees, WGS 84] of what never moves."""
Cells: TypeAlias = Mapping[str, tuple[Any, int]]
"""Attribute → value, None for null, and when it was observed [ms of city time]."""

_UNFIT = re.compile(r"[^A-Za-z0-9._~-]")


class Known(NamedTuple):
    """What is known of entities beside what they say."""

    table: AttributeTable
    places: Places


def iri_of(name: str) -> str:
    """The IRI of a type or attribute that a source speaks of."""
    return CORE.get(name) or DEFAULT_VOCAB + name


def name_of(iri: str) -> str:
    """The name that ``iri_of`` made an IRI of; empty where it made it of none."""
    return iri.removeprefix(DEFAULT_VOCAB) if iri.startswith(DEFAULT_VOCAB) else ""


def entity_iri(type_: str, entity: str) -> str:
    """The id of an entity: its own where that is an IRI, as the standard wants it."""
    if is_iri(entity):
        return entity
    return f"urn:ngsi-ld:{type_}:" + _UNFIT.sub(_quoted, entity)


def _quoted(unfit: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in unfit[0].encode())


def observed(
    before: Kept | None, type_: str, id_: str, cells: Cells, now: int, known: Known
) -> Kept | None:
    """The entity ``id_`` after a source said ``cells`` of it; None where that is nothing new.

    A null leaves the attribute out: NGSI-LD knows none. ``now`` [ms of wall time] stamps it.
    """
    held: Attributes = before["attrs"] if before else {}
    draft = dict(held)
    declared = known.table.get(type_, {})
    for name, (value, at) in cells.items():
        iri, old = iri_of(name), draft.get(iri_of(name), {})
        if value is None:
            rest = {dataset: instance for dataset, instance in old.items() if dataset}
            draft.pop(iri, None)
            draft |= {iri: rest} if rest else {}
            continue
        created = old[""]["createdAt"] if "" in old else now
        instance = observation(value, at, declared.get(name), created, now)
        draft[iri] = {**old, "": instance} if old else {"": instance}
    if LOCATION not in draft or {"latitude", "longitude"} & cells.keys():
        draft |= _located(draft, known.places.get(id_), now)
    name = iri_of(type_)
    if before is None:
        return {"id": id_, "type": [name], "createdAt": now, "modifiedAt": now, "attrs": draft}
    if draft == held and name in before["type"]:
        return None
    types = before["type"] if name in before["type"] else [*before["type"], name]
    return {**before, "type": types, "modifiedAt": now, "attrs": draft}


def observation(
    value: Any, at: int, declared: Attribute | None, created: int, now: int
) -> Instance:
    """The instance of a value that was observed ``at``."""
    instance: Instance = {"type": "Property", "value": value, "observedAt": write_datetime(at)}
    if declared is not None and declared.unit:
        instance["unitCode"] = declared.unit
    instance["createdAt"], instance["modifiedAt"] = created, now
    return instance


def newer(before: Kept, cells: Cells) -> dict[str, tuple[Any, int]]:
    """Of ``cells`` those that no attribute of the entity is as new as, by its ``observedAt``.

    An attribute without one was written by a client, and stays.
    """
    found = {}
    for name, (value, at) in cells.items():
        instance = before["attrs"].get(iri_of(name), {}).get("")
        told = None if instance is None else instance.get("observedAt")
        if instance is None or (told is not None and read_datetime(told) < at):
            found[name] = (value, at)
    return found


def _located(draft: Attributes, place: tuple[float, float] | None, now: int) -> Attributes:
    """The place of an entity, told by itself or known."""
    told = [draft.get(iri_of(name), {}).get("") for name in ("longitude", "latitude")]
    point = [one["value"] for one in told if one is not None] if None not in told else place
    if point is None:
        return {}
    value = {"type": "Point", "coordinates": list(point)}
    old = draft.get(LOCATION, {})
    if old.get("", {}).get("value") == value:
        return {}
    stamps = {"createdAt": old[""]["createdAt"] if "" in old else now, "modifiedAt": now}
    return {LOCATION: {**old, "": {"type": "GeoProperty", "value": value, **stamps}}}
