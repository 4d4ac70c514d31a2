"""NGSI-LD entities as devices send them: normalised, concise or key-values (ETSI GS CIM 009).

Smart Data Models JSON is the key-values form, with ``dateObserved`` for the time; an NGSI-LD or
NGSI-v2 notification carries its entities in ``data``. What describes an entity and observes
nothing (``name``, ``address`` …) is passed over; ``location`` becomes latitude and longitude.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from cityloop.kernel.errors import InputError
from cityloop.standards.attributes import AttributeTable
from cityloop.standards.payloads import (
    Alike,
    Draft,
    Message,
    Units,
    entities_in,
    place_of,
    read_json,
)
from cityloop.standards.readings import ABSENT, Decoded, read_time

_DESCRIBES = frozenset(
    {
        "id", "type", "@context", "location", "address", "alternateName", "areaServed",
        "dataProvider", "dateCreated", "dateModified", "createdAt", "modifiedAt", "description",
        "name", "owner", "seeAlso", "source", "scope", "refDevice", "refPointOfInterest",
        "refRoadSegment", "dateObserved", "dateObservedFrom", "dateObservedTo", "observedAt",
        "TimeInstant", "timestamp",
    }
)  # fmt: skip
_TIMES = ("observedAt", "dateObserved", "TimeInstant", "timestamp", "dateObservedTo")


class _Told(NamedTuple):
    """An entity, when it arrived, and where it stood."""

    entity: dict[str, Any]
    received_at: int
    place: str


class NgsiLd:
    """``payloads.Decoder`` for the types of ``table``."""

    def __init__(self, table: AttributeTable) -> None:
        self._table = table

    def __call__(self, messages: Sequence[Message]) -> Decoded:
        """All entities of all messages."""
        draft = Draft(self._table)
        told: list[_Told] = []
        for number, message in enumerate(messages):
            place = place_of(number, message, len(messages))
            document = read_json(message, place, draft.faults)
            if document is ABSENT:
                continue
            if isinstance(document, dict) and isinstance(document.get("data"), list):
                document = document["data"]
            entities = entities_in(document, place, draft.faults)
            told += [_Told(entity, message.received_at, place) for entity in entities]
        for keys, run in groupby(told, key=lambda one: tuple(one.entity)):
            of_keys = list(run)
            rows = _alike(keys, of_keys, self._table) if len(of_keys) > 1 else None
            if rows is not None:
                draft.add_alike(rows)
                continue
            for one in of_keys:
                self._entity(one.entity, one.received_at, one.place, draft)
        return draft.decoded()

    def _entity(self, entity: dict[str, Any], received: int, place: str, draft: Draft) -> None:
        name, type_ = entity.get("id"), entity.get("type")
        if isinstance(type_, list) and type_:
            type_ = type_[0]
        if not isinstance(name, str) or not isinstance(type_, str) or not name:
            draft.faults.add(place, "no entity: it has no id or no type", value=entity)
            return
        # The expanded form of a type is an address that ends in its name.
        type_ = type_.rpartition("/")[2]
        try:
            at = _time(entity, received)
            rows = _rows(entity, self._table.get(type_, {}), at)
        except InputError as error:
            draft.faults.add(place, f"wrong time: {error}", entity=name)
            return
        if not rows:
            draft.faults.add(place, "no attribute: it observes nothing", entity=name)
        for (moment, units), values in rows.items():
            draft.add(type_, name, moment, values, units)


def _alike(keys: tuple[str, ...], told: Sequence[_Told], table: AttributeTable) -> Alike | None:
    """Key-values entities of one type with the same keys as columns; None where they have to be
    read one by one, because one of them says anything in another way.
    """
    columns = dict(zip(keys, zip(*(one.entity.values() for one in told), strict=True), strict=True))
    names, types = columns.get("id", ()), columns.get("type", ())
    if set(map(type, names)) != {str} or "" in names or set(map(type, types)) != {str}:
        return None
    type_ = types[0].rpartition("/")[2]
    declared = table.get(type_)
    if (
        declared is None
        or len(set(types)) > 1
        or ("location" in columns and "latitude" in declared)
    ):
        return None
    cells = {
        key: values for key, values in columns.items() if key not in _DESCRIBES or key in declared
    }
    times = _times(columns, told)
    if not cells or times is None or any(dict in set(map(type, one)) for one in cells.values()):
        return None
    return Alike(type_, names, times, cells)


def _times(columns: Mapping[str, Sequence[Any]], told: Sequence[_Told]) -> Sequence[int] | None:
    """When each was observed; None where one does not say it as the others do, or says it wrong."""
    key = next((key for key in _TIMES if key in columns), "")
    if not key:
        return [one.received_at for one in told]
    if set(map(type, columns[key])) != {str}:
        return None
    try:
        return [read_time(text.rpartition("/")[2]) for text in columns[key]]
    except InputError:
        return None


def _rows(
    entity: dict[str, Any], declared: Any, at: int
) -> dict[tuple[int, Units], dict[str, Any]]:
    """The values that stand at one time and in the same units; mostly there is one such group."""
    plain: dict[str, Any] = {}
    rows: dict[tuple[int, Units], dict[str, Any]] = {}
    for key, value in entity.items():
        if key in _DESCRIBES and key not in declared:
            if key == "location" and "latitude" in declared:
                plain |= _place(value)
        elif type(value) is dict:
            moment, unit, inner = _property(value, at)
            if moment == at and not unit:
                plain[key] = inner
            else:
                rows.setdefault((moment, ((key, unit),) if unit else ()), {})[key] = inner
        else:
            plain[key] = value
    if plain:
        rows[at, ()] = plain | rows.get((at, ()), {})
    return rows


def _property(value: dict[str, Any], at: int) -> tuple[int, str, Any]:
    """Time, unit and value of a normalised or concise attribute."""
    seen = value.get("observedAt")
    metadata = value.get("metadata")
    unit = value.get("unitCode", "")
    if isinstance(metadata, dict):  # NGSI-v2
        unit = unit or _value(metadata.get("unitCode", ""))
        seen = seen or _value(metadata.get("TimeInstant"))
    inner = value.get("value", value.get("object", ABSENT))
    if inner is ABSENT:
        return at, "", value
    return read_time(seen) if seen else at, unit if isinstance(unit, str) else "", inner


def _value(attribute: Any) -> Any:
    return attribute.get("value") if isinstance(attribute, dict) else attribute


def _time(entity: dict[str, Any], received: int) -> int:
    """When the entity was observed, as it says; when it arrived, where it does not say."""
    for key in _TIMES:
        told = entity.get(key)
        if told is None:
            continue
        told = _value(told)
        if isinstance(told, dict):
            told = told.get("@value")
        if isinstance(told, str):
            # An interval ends when it was observed.
            told = told.rpartition("/")[2]
        return read_time(told)
    return received


def _place(location: Any) -> dict[str, Any]:
    """Latitude and longitude of a GeoProperty, or nothing."""
    point = _value(location)
    if isinstance(point, dict) and point.get("type") == "Point":
        coordinates = point.get("coordinates")
        if isinstance(coordinates, list) and len(coordinates) >= 2:
            return {"longitude": coordinates[0], "latitude": coordinates[1]}
    return {}
