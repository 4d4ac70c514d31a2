"""What sources say as entities of the API: declared units, known places, no nulls."""

from typing import Any

from cityloop.standards.attributes import declared
from cityloop.standards.cim.kept import Kept
from cityloop.standards.cim.observed import LOCATION, Known, entity_iri, iri_of, newer, observed

LAMP = "urn:ngsi-ld:Streetlight:1"
LEVEL = iri_of("illuminanceLevel")
KNOWN = Known(declared(), {LAMP: (120.1, 30.2)})
SECOND = 1_000


def seen(before: Kept | None = None, at: int = SECOND, **values: Any) -> Kept | None:
    cells = {name: (value, at) for name, value in values.items()}
    return observed(before, "Streetlight", LAMP, cells, 5, KNOWN)


def lamp(**values: Any) -> Kept:
    found = seen(**values)
    assert found is not None
    return found


def test_a_value_has_its_time_its_declared_unit_and_the_entity_its_place() -> None:
    found = lamp(illuminanceLevel=0.5)
    told = {"value": 0.5, "observedAt": "1970-01-01T00:00:01Z", "unitCode": "C62"}
    assert found["attrs"][LEVEL][""].items() >= told.items()
    assert found["attrs"][LOCATION][""]["value"]["coordinates"] == [120.1, 30.2]
    assert found["type"] == [iri_of("Streetlight")]


def test_a_null_leaves_the_attribute_out_and_no_other_dataset_of_it() -> None:
    before = lamp(illuminanceLevel=0.5, powerState="on")
    before["attrs"][iri_of("powerState")]["urn:by:hand"] = {"type": "Property", "value": "off"}
    after = seen(before, illuminanceLevel=None, powerState=None)
    assert after is not None
    assert LEVEL not in after["attrs"]
    assert list(after["attrs"][iri_of("powerState")]) == ["urn:by:hand"]


def test_what_is_said_of_a_clients_entity_makes_it_one_of_that_type_too() -> None:
    before: Kept = {"id": LAMP, "type": ["urn:Pole"], "createdAt": 1, "modifiedAt": 1, "attrs": {}}
    after = seen(before, illuminanceLevel=0.5)
    assert after is not None
    assert after["type"] == ["urn:Pole", iri_of("Streetlight")]


def test_after_a_start_only_what_is_newer_than_the_tables_is_taken_in() -> None:
    before = lamp(illuminanceLevel=0.5)
    said = {"illuminanceLevel": (0.5, SECOND), "powerState": ("on", SECOND)}
    assert newer(before, said) == {"powerState": ("on", SECOND)}
    later = {"illuminanceLevel": (0.6, 2 * SECOND)}
    assert newer(before, later) == later


def test_a_device_whose_name_is_no_uri_gets_one() -> None:
    assert entity_iri("Streetlight", LAMP) == LAMP
    assert entity_iri("Streetlight", "pole 7/b") == "urn:ngsi-ld:Streetlight:pole%207%2Fb"
