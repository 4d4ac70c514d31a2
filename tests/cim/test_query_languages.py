from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloop.standards.cim.kept import Kept
from cityloop.standards.cim.problems import Problem
from cityloop.standards.cim.selection.ast import (
    And,
    Hop,
    Or,
    Path,
    Pattern,
    Range,
    Scope,
    Term,
    Text,
    Values,
)
from cityloop.standards.cim.selection.collation import read_collation
from cityloop.standards.cim.selection.ids import is_uri, read_pattern
from cityloop.standards.cim.selection.memory import has_types
from cityloop.standards.cim.selection.order import in_order, read_ordering, sort_keys
from cityloop.standards.cim.selection.projection import read_projection
from cityloop.standards.cim.selection.q import Names, attributes_of, depth, read_q
from cityloop.standards.cim.selection.scopes import in_scope, read_scopes
from cityloop.standards.cim.selection.types import read_types

NAMES = Names(expand=lambda name: f"iri:{name}", expand_value=lambda value: f"vocab:{value}")
A, B = Path(("iri:a",)), Path(("iri:b",))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", Term(A)),
        ("a==5", Term(A, "==", 5)),
        ("a!=-2.5e1", Term(A, "!=", -25.0)),
        ('a=="5"', Term(A, "==", Text("5"))),
        ("a==true", Term(A, "==", True)),
        ("a==urn:x:1", Term(A, "==", Text("urn:x:1"))),
        ("a==4..5", Term(A, "==", Range(4, 5))),
        ('a=="x","y"', Term(A, "==", Values((Text("x"), Text("y"))))),
        ('a!~="^x;|y"', Term(A, "!~=", Pattern("^x;|y"))),
        ('a~="\\d"', Term(A, "~=", Pattern("\\d"))),
        ("a>2026-01-01T00:00:00Z", Term(A, ">", Text("2026-01-01T00:00:00Z", 1767225600000))),
        ("a.b", Term(Path(("iri:a", "iri:b")))),
        ("a.observedAt", Term(Path(("iri:a",), "observedAt"))),
        ("createdAt", Term(Path((), "createdAt"))),
        ("a[x.y]", Term(Path(("iri:a",), "", ("x", "y")))),
        ("a[*]", Term(Path(("iri:a",), "", ("*",)))),
        ("https://x.y/a#b==1", Term(Path(("iri:https://x.y/a#b",)), "==", 1)),
        ("a{b}", Term(Path(("iri:b",), hops=(Hop("iri:a"),)))),
        ("a{T:b}", Term(Path(("iri:b",), hops=(Hop("iri:a", "iri:T"),)))),
        ("a;b", And((Term(A), Term(B)))),
        ("a|b;a", Or((Term(A), And((Term(B), Term(A)))))),
        ("(a|b);a", And((Or((Term(A), Term(B))), Term(A)))),
    ],
)
def test_q_means_what_the_standard_says(text: str, expected: object) -> None:
    assert read_q(text, NAMES) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "a==", "a=5", "(a", "a)", "a;", "a||b", "a..b", "a[", "a[]", "a{", "a{b", "a{}"),
        *("a>4..5", "a>word", "a>true", 'a=="x', "a==1..x", "a==1e400", 'a~="("', "a==1,2..3"),
        *('a=="\\x"', "==5", "a b", "((((" * 20 + "a", "a" * 9000),
    ],
)
def test_what_is_no_q_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(Problem, match="q") as refused:
        read_q(text, NAMES)
    assert refused.value.kind == "BadRequestData"


def test_a_pattern_that_could_run_for_ever_is_too_complex() -> None:
    with pytest.raises(Problem) as refused:
        read_q('a~="(x+)+$"', NAMES)
    assert refused.value.kind == "TooComplexQuery"


@given(st.text())
def test_any_text_is_a_query_or_a_problem(text: str) -> None:
    with suppress(Problem):
        read_q(text, NAMES)


def test_values_are_expanded_for_the_attributes_that_are_named() -> None:
    names = Names(NAMES.expand, NAMES.expand_value, ("a",))
    assert read_q("a==x", names) == Term(A, "==", Text("vocab:x"))
    assert read_q("b==x", names) == Term(B, "==", Text("x"))


def test_a_query_knows_what_it_looks_at() -> None:
    query = read_q("createdAt;a{b{a}}|b.a", NAMES)
    assert depth(query) == 2
    assert attributes_of(query) == {"iri:a", "iri:b"}


def test_types_are_alternatives_of_conjunctions() -> None:
    types = read_types("A,(B;C)", str)
    kept: Kept = {"type": ["B", "C"]}
    assert has_types(types)(kept)
    assert not has_types(types)({"type": ["B"]})


@pytest.mark.parametrize("text", ["", "A,", "(A", "A B", ";A"])
def test_what_names_no_types_is_refused(text: str) -> None:
    with pytest.raises(Problem):
        read_types(text, str)


@pytest.mark.parametrize(
    ("text", "scope", "holds"),
    [
        ("/m", "/m", True),
        ("/m", "/m/g", False),
        ("/m/#", "/m", True),
        ("/m/#", "/m/g/p", True),
        ("/m/#", "/mm", False),
        ("/+/g", "/m/g", True),
        ("/+", "/m/g", False),
        ("/#", "/m", True),
        ("m/g", "/m/g", True),
    ],
)
def test_wildcards_of_scopes(text: str, scope: str, holds: bool) -> None:
    wanted = read_scopes(text)
    assert isinstance(wanted, Scope)
    assert in_scope(wanted, [scope]) is holds


@pytest.mark.parametrize("text", ["", "/#/m", "//", "/m;", "(/m"])
def test_what_is_no_scope_query_is_refused(text: str) -> None:
    with pytest.raises(Problem):
        read_scopes(text)


def test_a_projection_speaks_of_linked_entities_in_braces() -> None:
    projection = read_projection("pick", "id,a{name|b{c}}", lambda name: f"iri:{name}")
    assert set(projection.members) == {"id", "iri:a"}
    assert set(projection.below("iri:a").members) == {"iri:name", "iri:b"}
    assert projection.depth == 2
    assert projection.whole == {"id"}


@pytest.mark.parametrize("text", ["", "a,,b", "a{", "a{}", "a{,b}", "a{{b}", "a;b", "{a}", "a}"])
def test_what_is_no_projection_is_refused(text: str) -> None:
    with pytest.raises(Problem):
        read_projection("pick", text, str)


def ordered(criteria: list[str], entities: list[Kept], **said: str) -> list[str]:
    ordering = read_ordering(criteria, str, **said)
    keys = sort_keys(ordering)
    return [kept["id"] for kept in in_order(entities, ordering, keys)]


def entity(name: str, **values: object) -> Kept:
    attrs = {key: {"": {"type": "Property", "value": value}} for key, value in values.items()}
    return {"id": name, "type": ["T"], "createdAt": 0, "modifiedAt": 0, "attrs": attrs}


def test_kinds_have_an_order_and_what_is_absent_comes_last() -> None:
    entities = [entity("none"), entity("text", a="x"), entity("one", a=1), entity("no", a=False)]
    assert ordered(["a"], entities) == ["one", "text", "no", "none"]
    assert ordered(["a;desc"], entities) == ["no", "text", "one", "none"]


def test_a_later_criterion_decides_where_the_first_finds_them_equal() -> None:
    entities = [entity("1", a=1, b=1), entity("2", a=1, b=2), entity("3", a=0, b=0)]
    assert ordered(["a", "b;desc"], entities) == ["3", "2", "1"]


def test_near_comes_before_far() -> None:
    places = {"far": [10.0, 45.0], "near": [8.01, 40.0], "mid": [9.0, 41.0]}
    entities = [
        entity(name, a={"type": "Point", "coordinates": place}) for name, place in places.items()
    ]
    reference = '{"type": "Point", "coordinates": [8, 40]}'
    assert ordered(["a;dist-asc"], entities, reference=reference) == ["near", "mid", "far"]
    with pytest.raises(Problem, match="orderFrom"):
        ordered(["a;dist-asc"], entities)


def test_a_collation_puts_accents_beside_their_letter() -> None:
    words = ["Zebra", "b", "á", "A", "a"]
    assert sorted(words, key=read_collation("")) == ["A", "Zebra", "a", "b", "á"]
    assert sorted(words, key=read_collation("und")) == ["a", "A", "á", "b", "Zebra"]
    assert sorted(["Ähre", "Af"], key=read_collation("de")) == ["Af", "Ähre"]
    assert sorted(["Ähre", "Af"], key=read_collation("de-u-co-phonebk")) == ["Ähre", "Af"]


def test_a_collation_that_would_be_wrong_is_refused() -> None:
    with pytest.raises(Problem) as refused:
        read_collation("sv")
    assert refused.value.kind == "OperationNotSupported"
    with pytest.raises(Problem) as refused:
        read_collation("!!nope")
    assert refused.value.kind == "BadRequestData"


def test_ids_are_uris_and_patterns_are_searched() -> None:
    assert is_uri("urn:x:1")
    assert not is_uri("no uri")
    assert read_pattern("x:.").search("urn:x:1")
    with pytest.raises(Problem):
        read_pattern("a**")
