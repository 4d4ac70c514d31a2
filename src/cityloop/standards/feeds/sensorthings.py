"""Observations as an OGC SensorThings API 1.1 server answers (OGC 18-088, sections 8 and 9).

Read are ``/Observations?$expand=Datastream(...)``, ``/Datastreams?$expand=Observations,...`` and
``resultFormat=dataArray``. A datastream's unit is read from its ``unitOfMeasurement``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cityloop.kernel.clock import CityTime
from cityloop.kernel.errors import InputError
from cityloop.standards.feeds.documents import Object, is_object, objects_at, read_json, urn
from cityloop.standards.readings import ABSENT, Decoded, Faults, read_time
from cityloop.standards.singles import Singles


@dataclass(frozen=True, slots=True)
class _Stream:
    """A datastream as declared: what its results are."""

    type: str
    attribute: str
    unit: str
    thing: object


def read_sensorthings(body: bytes, *, properties: Mapping[str, str]) -> Decoded:
    """The observations of a page.

    ``properties``: name of an ObservedProperty, or of a Datastream, → "Type.attribute". An
    observation of anything else is a fault. The entity is the Thing, else the Datastream. Raises
    InputError for a document without ``value``.
    """
    faults = Faults()
    singles = Singles()
    for row, item in enumerate(objects_at(read_json(body), "value", faults)):
        try:
            stream = _stream(item, properties)
            entity = urn(stream.type, stream.thing)
            for time, result in _observations(item):
                at = _instant(time)
                singles.add(stream.type, stream.attribute, stream.unit, entity, at, result)
        except InputError as error:
            faults.add(f"value[{row}]", str(error))
    return faults.of(singles.readings(faults, "value"))


def next_page(body: bytes) -> str:
    """The address of the page after this one; empty when it is the last."""
    document = read_json(body)
    link = document.get("@iot.nextLink", "") if is_object(document) else ""
    return link if isinstance(link, str) else ""


def _stream(item: Object, properties: Mapping[str, str]) -> _Stream:
    stream = item.get("Datastream", item)
    if not is_object(stream):
        raise InputError("no Datastream: ask with $expand=Datastream($expand=ObservedProperty)")
    observed = stream.get("ObservedProperty")
    names = (observed.get("name") if is_object(observed) else None, stream.get("name"))
    target = next((properties[n] for n in names if isinstance(n, str) and n in properties), None)
    if target is None:
        raise InputError(f"undeclared property: {str(names[0] or names[1])[:100]!r}")
    type_, _, attribute = target.partition(".")
    unit = stream.get("unitOfMeasurement")
    symbol = unit.get("symbol") if is_object(unit) else None
    thing = stream.get("Thing")
    owner = thing if is_object(thing) else stream
    return _Stream(type_, attribute, str(symbol or "C62")[:40], owner.get("@iot.id"))


def _observations(item: Object) -> Iterator[tuple[object, object]]:
    """(time, result) of an Observation, of a Datastream's list, or of a data array."""
    if isinstance(item.get("dataArray"), list):
        yield from _data_array(item)
    elif isinstance(item.get("Observations"), list):
        for one in item["Observations"]:
            if not is_object(one):
                raise InputError("an observation is no object")
            yield one.get("phenomenonTime"), one.get("result", ABSENT)
    else:
        yield item.get("phenomenonTime"), item.get("result", ABSENT)


def _data_array(item: Object) -> Iterator[tuple[object, object]]:
    names = item.get("components")
    if not isinstance(names, list) or not {"phenomenonTime", "result"} <= set(map(str, names)):
        raise InputError("components must name phenomenonTime and result")
    time, result = names.index("phenomenonTime"), names.index("result")
    for row in item["dataArray"]:
        if not isinstance(row, list) or len(row) != len(names):
            raise InputError("a row of the data array has not one cell per component")
        yield row[time], row[result]


def _instant(time: object) -> CityTime:
    """An instant, or the end of an interval "begin/end"."""
    return read_time(time.rpartition("/")[2] if isinstance(time, str) else time)
