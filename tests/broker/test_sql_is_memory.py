"""SQL and memory give one answer: the back ends of a selection, of each store."""

from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cityloop.interconnection.broker.held import Held, Written, written
from cityloop.interconnection.broker.ports import State
from cityloop.kernel.ports import Position
from cityloop.standards.cim.asked import Asked, Shape
from cityloop.standards.cim.found import Found
from cityloop.standards.cim.kept import Kept
from cityloop.standards.cim.outgoing import View
from cityloop.standards.cim.selection.ast import GeoQuery, Selection, Selector
from cityloop.standards.cim.selection.geo import read_geo
from cityloop.standards.cim.selection.memory import matcher
from cityloop.standards.cim.selection.q import Names, read_q
from cityloop.standards.cim.selection.scopes import read_scopes
from cityloop.standards.cim.selection.types import read_types
from cityloop.standards.cim.writes import Delete, Put
from tests.broker.places import Place
from tests.cim.kept_entities import IDS, cities, queries

NAMES = Names(expand=str, expand_value=str)
NOW = 1_800_000_000_000
SHAPE = Shape(View())


@pytest.fixture(scope="module")
def state(shared_place: Place) -> Iterator[State]:
    opened = shared_place.tables().state()
    yield opened
    opened.close()


def stored(state: State, city: list[Kept]) -> None:
    """Have the tables hold this city and nothing else."""
    before = state.find_many(IDS)
    done: list[Written] = [written(held, None, Delete(id_, 1)) for id_, held in before.items()]
    done += [written(None, Held(state.next_key(), kept), Put(kept)) for kept in city]
    with state.database.transaction():
        state.apply(done, Position(1))


def answer(state: State, selection: Selection, limit: int = 10, offset: int = 0) -> Found:
    asked = Asked(selection, SHAPE, limit, offset, count=True)
    return state.reader.answer(asked, NOW)


def ids(found: Found) -> list[str]:
    return [kept["id"] for kept in found.entities]


def meant(city: list[Kept], selection: Selection) -> list[str]:
    known = {kept["id"]: kept for kept in city}
    holds = matcher(selection, known.get)
    return [kept["id"] for kept in city if holds(kept)]


@settings(max_examples=80, deadline=None)
@given(city=cities(), text=queries)
@example([], 'a=="x"')
def test_q_in_sql_is_q_in_memory(state: State, city: list[Kept], text: str) -> None:
    selection = Selection(q=read_q(text, NAMES))
    stored(state, city)
    assert ids(answer(state, selection)) == meant(city, selection)


type_texts = st.sampled_from(["T", "T,U", "T;U", "(T;U),V", "T|V;U", "W"])
scope_texts = st.sampled_from(["/m", "/m/#", "/+/g", "/#", "/m;/c", "(/m;/c)|/m/g/p", "/x"])
selectors = st.builds(
    Selector,
    ids=st.lists(st.sampled_from(IDS), max_size=2).map(tuple),
    id_pattern=st.sampled_from(["", "[01]$", "^urn"]),
    types=st.one_of(st.none(), type_texts.map(lambda text: read_types(text, str))),
)
selections = st.builds(
    Selection,
    selectors=st.lists(selectors, max_size=2).map(tuple),
    attributes=st.lists(st.sampled_from(["a", "b", "z"]), max_size=2).map(tuple),
    scope=st.one_of(st.none(), scope_texts.map(read_scopes)),
    q=st.one_of(st.none(), queries.map(lambda text: read_q(text, NAMES))),
)


@settings(max_examples=40, deadline=None)
@given(city=cities(), selection=selections)
def test_a_selection_in_sql_is_one_in_memory(
    state: State, city: list[Kept], selection: Selection
) -> None:
    stored(state, city)
    found, expected = answer(state, selection), meant(city, selection)
    assert (ids(found), found.total) == (expected, len(expected))
    assert sorted(state.reader.ids(selection, NOW)) == sorted(expected)


@settings(max_examples=20, deadline=None)
@given(city=cities(), limit=st.integers(0, 3), offset=st.integers(0, 4))
def test_pages_are_slices_of_the_answer(
    state: State, city: list[Kept], limit: int, offset: int
) -> None:
    stored(state, city)
    for selector in (
        Selector(types=read_types("T", str)),
        Selector(types=read_types("T,U", str)),
        Selector(id_pattern="^urn", types=read_types("T,U", str)),
    ):
        selection = Selection((selector,))
        found, expected = answer(state, selection, limit, offset), meant(city, selection)
        assert ids(found) == expected[offset : offset + limit]
        assert found.total == len(expected)
        assert found.more == (limit > 0 and len(expected) > offset + limit)


places = st.tuples(st.sampled_from([-1.0, 0.0, 0.5, 179.99, -180.0]), st.sampled_from([0.0, 60.5]))
geometries = st.one_of(
    places.map(lambda place: {"type": "Point", "coordinates": place}),
    st.tuples(places, places).map(lambda ends: {"type": "LineString", "coordinates": ends}),
    st.tuples(places, places, places).map(
        lambda ring: {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
    ),
    st.sampled_from([{"type": "Point", "coordinates": []}, {"type": "Here"}, 3]),
)
relations = st.sampled_from(
    [
        *("within", "contains", "intersects", "equals", "disjoint", "overlaps"),
        *("near;maxDistance==1000", "near;maxDistance==60000", "near;minDistance==3000000"),
    ]
)


@st.composite
def geo_queries(draw: st.DrawFn) -> GeoQuery:
    west, south = draw(places)
    around = [[west, south], [west + 1, south], [west + 1, south + 1], [west, south]]
    geometry = draw(st.sampled_from([("Point", [west, south]), ("Polygon", [around])]))
    return read_geo(draw(relations), *geometry, "where")


@settings(max_examples=60, deadline=None)
@given(values=st.lists(geometries, max_size=len(IDS)), query=geo_queries())
def test_a_geographical_query_in_sql_is_one_in_memory(
    state: State, values: list[object], query: GeoQuery
) -> None:
    stamps = {"createdAt": 1, "modifiedAt": 1}
    city: list[Kept] = [
        {
            "id": id_,
            "type": ["T"],
            **stamps,
            "attrs": {"where": {"": {"type": "GeoProperty", "value": value, **stamps}}},
        }
        for id_, value in zip(IDS, values, strict=False)
    ]
    stored(state, city)
    selection = Selection(geo=query)
    assert ids(answer(state, selection)) == meant(city, selection)
