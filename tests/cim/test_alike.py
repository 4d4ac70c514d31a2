"""Entities that are written alike say what they would say if each were read by itself."""

import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from cityloop.standards.cim.alike import Draft, Layouts
from cityloop.standards.cim.incoming import Reading, read_entity
from cityloop.standards.cim.kept import NULL
from cityloop.standards.cim.problems import Problem
from cityloop.standards.cim.terms import compile_terms

TERMS = compile_terms([{"speed": "https://x.org/100%speed", "Vehicle": "https://x.org/Vehicle"}])
NOW = 1_700_000_000_000
READING = Reading(TERMS, NOW)
VEHICLE = {
    "id": "urn:x:1",
    "type": ["Vehicle", "Car"],
    "scope": "/a/b",
    "speed": {
        "type": "Property",
        "value": 57.25,
        "unitCode": "KMH",
        "observedAt": "2026-01-31T08:00:00Z",
        "accuracy": {"type": "Property", "value": 1, "source": "gps"},
    },
    "name": {"value": "100 % Ü"},
    "parked": True,
    "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [13.4, 52.5]}},
    "place": {"type": "Point", "coordinates": [1, 2, 3]},
    "lot": {"type": "Relationship", "object": "urn:x:Lot:1", "observedAt": "2026-02-28T23:59:59Z"},
    "label": {"type": "LanguageProperty", "languageMap": {"en": "car"}},
    "kind": {"type": "VocabProperty", "vocab": "speed"},
    "note": {"street": "A", "number": 5},
}
ODD: list[Any] = [
    *(NULL, None, "", 'a "quoted" one', "back\\slash", "new\nline", "ü%s%d", "no iri"),
    *("urn:y:2", "\\u0041", "𝄞", "\x00\x7f", "urn:ngsi-ld:nul"),
    *(2**63, 2**70, -0.0, 1e300, 123456789012345678, True, False, 0, [1, 2], ["urn:y:1"], {}),
    *({"type": "Point", "coordinates": [1, 2]}, {"@none": NULL}, "1.10001", 8_000_000_000_001),
    *("2026-02-29T08:00:00Z", "2024-02-29T08:00:00.5Z", "2026-04-31T00:00:00Z"),
    *("0000-01-01T00:00:00Z", "2026-12-31T23:59:60Z", "2026-01-31T08:00:00+01:00", "mark 0003"),
    "urn:mark:0000",
]


def compact(entity: Any) -> bytes:
    return msgspec.json.encode(entity)


def spaced(entity: Any) -> bytes:
    return json.dumps(entity).encode()


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to all that lies in ``value``."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    found: list[tuple[Any, ...]] = []
    for key, each in inside:
        found.append((*path, key))
        if isinstance(each, dict | list):
            found += leaves(each, (*path, key))
    return found


def with_leaf(entity: Any, path: tuple[Any, ...], value: Any) -> Any:
    copy = json.loads(json.dumps(entity))
    into = copy
    for key in path[:-1]:
        into = into[key]
    into[path[-1]] = value
    return copy


def kept_of(draft: Draft) -> Any:
    return json.loads(draft.doc(NOW))


def test_what_is_written_alike_is_read_by_the_layout_of_the_first() -> None:
    other = with_leaf(VEHICLE, ("id",), "urn:x:2")
    for path, value in (
        (("speed", "value"), "fast"),
        (("speed", "observedAt"), "2026-03-31T08:00:00.123456Z"),
        (("speed", "accuracy", "value"), -1.5e-7),
        (("name", "value"), "Ö"),
        (("parked",), False),
        (("location", "value", "coordinates"), [-1, 2.25]),
        (("place", "coordinates"), [4, 5.5, 6]),
        (("lot", "object"), "urn:x:Lot:2"),
    ):
        other = with_leaf(other, path, value)
    layouts = Layouts(READING)
    layouts.learn(compact(VEHICLE))

    draft = layouts.read(compact(other), NOW)

    assert draft is not None
    assert (draft.id, draft.types) == ("urn:x:2", "\n".join(kept_of(draft)["type"]))
    assert kept_of(draft) == read_entity(other, READING)


def test_both_ways_of_spacing_json_are_known_at_once() -> None:
    layouts = Layouts(READING)
    other = {**VEHICLE, "name": {"value": "Ö\n"}}
    for written in (compact, spaced):
        assert layouts.read(written(VEHICLE), NOW) is None
        layouts.learn(written(VEHICLE))

    for written in (compact, spaced):
        draft = layouts.read(written(other), NOW)
        assert draft is not None
        assert kept_of(draft) == read_entity(other, READING)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from([compact, spaced]),
    st.lists(st.tuples(st.sampled_from(leaves(VEHICLE)), st.sampled_from(ODD)), max_size=2),
    st.tuples(st.sampled_from(leaves(VEHICLE)), st.sampled_from(ODD)),
    st.booleans(),
)
def test_a_layout_reads_nothing_otherwise_than_the_reader(
    write: Any, changes: list[Any], last: tuple[Any, Any], simplified: bool
) -> None:
    reading = READING._replace(simplified=simplified)
    entity: Any = VEHICLE
    for path, value in changes:
        if path in leaves(entity):
            entity = with_leaf(entity, path, value)
    if last[0] not in leaves(entity):
        return
    layouts = Layouts(reading)
    try:
        read_entity(json.loads(write(entity)), reading)
        layouts.learn(write(entity))
    except (Problem, OverflowError):
        return
    for other in (entity, with_leaf(entity, *last)):
        draft = layouts.read(write(other), NOW)
        if draft is not None:
            assert kept_of(draft) == read_entity(json.loads(write(other)), reading)


def test_a_null_is_found_however_it_is_spelt() -> None:
    layouts = Layouts(READING)
    layouts.learn(spaced(VEHICLE))
    text = spaced(with_leaf(VEHICLE, ("name", "value"), NULL))
    for spelt in (text, text.replace(b"urn:ngsi-ld:null", b"urn:ngsi-ld:nul\\u006c")):
        assert layouts.read(spelt, NOW) is None


def test_text_that_is_no_entity_is_left_to_the_reader() -> None:
    layouts = Layouts(READING)
    layouts.learn(compact(VEHICLE))
    for text in (b"null", b"[]", b"{}", compact(VEHICLE)[:-1], compact(VEHICLE) + b" "):
        assert layouts.read(text, NOW) is None
