"""What clients write of declared types is said to loops: each value in its unit, a drop as null."""

from typing import Any

import pytest

from cityloop.standards.attributes import declared
from cityloop.standards.cim.kept import Kept
from cityloop.standards.cim.observed import LOCATION, iri_of
from cityloop.standards.cim.spoken import spoken
from cityloop.standards.cim.writes import Alter, Delete, Put, Write
from cityloop.standards.readings import Decoded

AIR, TEMPERATURE, HUMIDITY = map(iri_of, ("WeatherObserved", "temperature", "relativeHumidity"))


def instance(value: Any, **more: Any) -> dict[str, dict[str, Any]]:
    return {"": {"type": "Property", "value": value, **more}}


def entity(**attributes: Any) -> Kept:
    stamps = {"createdAt": 1, "modifiedAt": 1}
    attrs = {iri_of(name): value for name, value in attributes.items()}
    return {"id": "urn:w:1", "type": [AIR], **stamps, "attrs": attrs}


def said(before: Kept | None, *writes: Write) -> list[dict[str, Any]]:
    return cells(spoken(writes, lambda _: before, declared()))


def cells(decoded: Decoded) -> list[dict[str, Any]]:
    found = []
    for part in decoded.readings:
        for row in range(len(part)):
            values = {}
            for name, column in part.columns.items():
                null = column.null is not None and column.null[row]
                if column.absent is None or not column.absent[row]:
                    values[name] = None if null else column.values[row]
            found.append(values)
    return found


def test_a_value_is_said_in_the_declared_unit() -> None:
    put = Put(entity(temperature=instance(50, unitCode="FAH"), note=instance("x")))
    assert said(None, put) == [{"temperature": pytest.approx(10)}]


def test_only_what_a_write_touches_is_said() -> None:
    before = entity(temperature=instance(10), relativeHumidity=instance(0.5))
    assert said(before, Alter("urn:w:1", 2, {TEMPERATURE: instance(11)})) == [{"temperature": 11}]


def test_what_is_dropped_or_deleted_is_said_to_be_null() -> None:
    before = entity(temperature=instance(10), relativeHumidity=instance(0.5))
    dropped = Alter("urn:w:1", 2, {}, ((HUMIDITY, ""),))
    assert said(before, dropped) == [{"relativeHumidity": None}]
    assert said(before, dropped, Delete("urn:w:1", 3)) == [
        {"relativeHumidity": None},
        {"temperature": None},
    ]


def test_a_place_is_latitude_and_longitude() -> None:
    station = iri_of("BikeHireDockingStation")
    point = {"type": "Point", "coordinates": [120.1, 30.2]}
    kept = entity() | {"type": [station], "attrs": {LOCATION: instance(point)}}
    assert said(None, Put(kept)) == [{"longitude": 120.1, "latitude": 30.2}]


def test_what_no_table_declares_is_nobody_elses_business() -> None:
    kept = entity(level=instance(1)) | {"type": ["https://example.org/Lamp"]}
    assert said(None, Put(kept)) == []
