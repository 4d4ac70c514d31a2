"""Entities as clients write them, as the broker keeps them, as readers get them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityloop.standards.cim.incoming import Nulls, Reading, read_entity, read_fragment
from cityloop.standards.cim.kept import is_deletion
from cityloop.standards.cim.outgoing import View, write_entity, write_geojson
from cityloop.standards.cim.problems import Problem
from cityloop.standards.cim.terms import compile_terms

TERMS = compile_terms([{"speed": "https://x.org/speed", "Vehicle": "https://x.org/Vehicle"}])
READING = Reading(TERMS, now=1_700_000_000_000)
POINT = {"type": "Point", "coordinates": [1.0, 2.0]}

_texts = st.text("abc ü", min_size=1, max_size=5)
_values = st.recursive(
    st.one_of(st.booleans(), st.integers(-9, 9), _texts),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(_texts, inner, max_size=3)
    ),
    max_leaves=5,
)
_uris = st.builds("urn:x:{}".format, st.integers(0, 9))
_metadata = {
    "observedAt": st.just("2026-01-31T08:00:00.5Z"),
    "note": st.just({"type": "Property", "value": 1}),
}


def _kind(kind: str, member: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({"type": st.just(kind), member: values}, optional=_metadata)


_instances = st.one_of(
    _kind("Property", "value", _values),
    _kind("GeoProperty", "value", st.just(POINT)),
    _kind("Relationship", "object", _uris),
    _kind("LanguageProperty", "languageMap", st.dictionaries(_texts, _texts, min_size=1)),
    _kind("VocabProperty", "vocab", st.sampled_from(["speed", "other"])),
    _kind("JsonProperty", "json", st.dictionaries(_texts, _values)),
    _kind("ListProperty", "valueList", st.lists(_values)),
    _kind("ListRelationship", "objectList", st.lists(st.builds(lambda u: {"object": u}, _uris))),
)
_attributes = st.one_of(
    _instances,
    st.builds(lambda a, b: [a, {**b, "datasetId": "urn:d:1"}], _instances, _instances),
)
_entities = st.dictionaries(st.sampled_from(["speed", "name", "width"]), _attributes).map(
    lambda attributes: {"id": "urn:x:1", "type": "Vehicle", **attributes}
)


@settings(max_examples=200, deadline=None)
@given(_entities)
def test_a_normalised_entity_comes_back_as_it_was_written(entity: dict[str, Any]) -> None:
    assert write_entity(read_entity(entity, READING), TERMS) == entity


@settings(max_examples=200, deadline=None)
@given(_entities)
def test_a_concise_entity_says_the_same_as_the_normalised_one(entity: dict[str, Any]) -> None:
    kept = read_entity(entity, READING)
    concise = write_entity(kept, TERMS, View(format="concise"))
    assert read_entity(concise, READING) == kept


@pytest.mark.parametrize(
    "attribute",
    [
        {"type": "Property"},
        {"type": "Property", "value": None},
        {"type": "Property", "value": "urn:ngsi-ld:null"},
        {"type": "Property", "value": {"deep": ["urn:ngsi-ld:null"]}},
        {"type": "Property", "value": 1, "object": "urn:x:1"},
        {"type": "Property", "value": 1, "previousValue": 0},
        {"type": "Property", "value": 1, "observedAt": "2026-02-30T00:00:00Z"},
        {"type": "Property", "value": 1, "observedAt": "2026-02-03T00:00:00+02:00"},
        {"type": "Property", "value": 1, "@context": {}},
        {"type": "Property", "value": 1, "sub": {"type": "Property", "value": None}},
        {"type": "Relationship", "object": "not a uri"},
        {"type": "Relationship", "object": "urn:x:1", "unitCode": "MTR"},
        {"type": "GeoProperty", "value": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}},
        {"type": "GeoProperty", "value": {"type": "GeometryCollection", "geometries": []}},
        {"type": "LanguageProperty", "languageMap": {"en": 5}},
        {"type": "JsonProperty", "json": 5},
        {"type": "ListRelationship", "objectList": ["not a uri"]},
        {"type": "Nothing", "value": 1},
        [{"value": 1}, {"value": 2, "datasetId": "@none"}],
        None,
    ],
)
def test_an_attribute_against_the_rules_is_bad_request_data(attribute: Any) -> None:
    with pytest.raises(Problem) as caught:
        read_entity({"id": "urn:x:1", "type": "T", "a": attribute}, READING)
    assert caught.value.kind == "BadRequestData"


def test_a_fragment_may_ask_for_the_deletion_of_an_attribute() -> None:
    reading = Reading(TERMS, 0, nulls=Nulls.MEMBERS, partial=True)
    attrs = read_fragment({"speed": {"value": "urn:ngsi-ld:null"}}, reading)["attrs"]
    assert is_deletion(attrs["https://x.org/speed"][""])


@pytest.mark.parametrize(
    ("wish", "tag"), [("fr;q=0.2,nl", "nl"), ("FR", "fr"), ("nl-BE", "nl"), ("*", "fr")]
)
def test_a_language_property_is_told_in_the_language_wanted_most(wish: str, tag: str) -> None:
    street = {"type": "LanguageProperty", "languageMap": {"fr": "Place", "nl": "Markt"}}
    kept = read_entity({"id": "urn:x:1", "type": "T", "street": street}, READING)
    written = write_entity(kept, TERMS, View(lang=wish))["street"]
    assert written == {"type": "Property", "value": street["languageMap"][tag], "lang": tag}


def test_a_feature_without_a_geometry_has_a_null_one() -> None:
    kept = read_entity({"id": "urn:x:1", "type": "T", "speed": 5}, READING)
    feature = write_geojson(kept, TERMS, View(format="simplified"))
    assert feature["geometry"] is None
    assert feature["properties"] == {"type": "T", "speed": 5}
