"""SQL and memory give one answer: the two back ends of a selection."""

import apsw
import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cityloop.interconnection.broker.sql import count, page
from cityloop.interconnection.broker.statement import Sql, prepare
from cityloop.standards.cim.kept import Kept
from cityloop.standards.cim.selection.ast import Selection, Selector
from cityloop.standards.cim.selection.memory import matcher
from cityloop.standards.cim.selection.q import Names, read_q
from cityloop.standards.cim.selection.scopes import read_scopes
from cityloop.standards.cim.selection.types import read_types
from tests.cim.kept_entities import IDS, cities, queries

NAMES = Names(expand=str, expand_value=str)
NOW = 1_800_000_000_000
_connection = apsw.Connection(":memory:")
_connection.execute(
    "CREATE TABLE entities(e INTEGER PRIMARY KEY, id TEXT UNIQUE, doc TEXT, expires INTEGER);"
    "CREATE TABLE entity_types(type TEXT, e INTEGER, PRIMARY KEY (type, e)) WITHOUT ROWID"
)
prepare(_connection)


def stored(city: list[Kept]) -> apsw.Connection:
    _connection.execute("DELETE FROM entities; DELETE FROM entity_types")
    for number, kept in enumerate(city):
        doc = msgspec.json.encode(kept).decode()
        _connection.execute(
            "INSERT INTO entities VALUES (?, ?, ?, NULL)", (number, kept["id"], doc)
        )
        for type_ in kept["type"]:
            _connection.execute("INSERT INTO entity_types VALUES (?, ?)", (type_, number))
    return _connection


def answer(connection: apsw.Connection, asked: Sql) -> list[str]:
    documents = connection.execute(asked.text, asked.parameters)
    return [msgspec.json.decode(doc)["id"] for (doc,) in documents]


def meant(city: list[Kept], selection: Selection) -> list[str]:
    known = {kept["id"]: kept for kept in city}
    holds = matcher(selection, known.get)
    return [kept["id"] for kept in city if holds(kept)]


@settings(max_examples=80, deadline=None)
@given(cities(), queries)
@example([], 'a=="x"')
def test_q_in_sql_is_q_in_memory(city: list[Kept], text: str) -> None:
    selection = Selection(q=read_q(text, NAMES))
    assert answer(stored(city), page(selection, NOW, 10, 0)) == meant(city, selection)


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
@given(cities(), selections)
def test_a_selection_in_sql_is_one_in_memory(city: list[Kept], selection: Selection) -> None:
    connection = stored(city)
    expected = meant(city, selection)
    assert answer(connection, page(selection, NOW, 10, 0)) == expected
    asked = count(selection, NOW)
    assert connection.execute(asked.text, asked.parameters).get == len(expected)


@settings(max_examples=20, deadline=None)
@given(cities(), st.integers(0, 3), st.integers(0, 4))
def test_pages_are_slices_of_the_answer(city: list[Kept], limit: int, offset: int) -> None:
    connection = stored(city)
    for text in ("T", "T,U"):
        selection = Selection((Selector(types=read_types(text, str)),))
        expected = meant(city, selection)[offset : offset + limit]
        assert answer(connection, page(selection, NOW, limit, offset)) == expected


def test_an_entity_whose_time_has_come_is_in_no_answer() -> None:
    kept: Kept = {"id": "urn:x:0", "type": ["T"], "attrs": {}}
    connection = stored([kept])
    connection.execute("UPDATE entities SET expires = ?", (NOW,))
    assert answer(connection, page(Selection(), NOW, 10, 0)) == []
    assert answer(connection, page(Selection(), NOW - 1, 10, 0)) == ["urn:x:0"]
