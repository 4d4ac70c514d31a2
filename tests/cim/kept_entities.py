"""Kept entities and queries about them, drawn so that both meet often."""

import json
from typing import Any

from hypothesis import strategies as st

from cityloop.standards.cim.kept import MEMBERS, Instance, Kept

NAMES = ("a", "b", "c")
LANGUAGES = ("en", "fr")
IDS = tuple(f"urn:x:{n}" for n in range(4))
TYPES = ("T", "U", "V")
INSTANTS = (
    "2026-01-01T00:00:00Z",
    "2026-01-01T00:00:00.000Z",
    "2026-06-01T12:00:00.5Z",
)
texts = st.sampled_from(["", "red", "Rot", "rouge", "é", "zz", "4", "true", *INSTANTS, *IDS])
numbers = st.one_of(
    st.integers(-3, 5), st.sampled_from([0.1, 2.5, 4.0, 1e300, 0.30000000000000004, 2**62])
)
scalars = st.one_of(texts, numbers, st.booleans())
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["x", "y"]), inner, max_size=2)
    ),
    max_leaves=4,
)
_OF_KIND: dict[str, st.SearchStrategy[Any]] = {
    "Property": values,
    "GeoProperty": st.just({"type": "Point", "coordinates": [1.0, 2.0]}),
    "Relationship": st.one_of(st.sampled_from(IDS), st.lists(st.sampled_from(IDS), max_size=2)),
    "LanguageProperty": st.dictionaries(
        st.sampled_from(LANGUAGES), st.one_of(texts, st.lists(texts, max_size=2)), max_size=2
    ),
    "VocabProperty": st.one_of(texts, st.lists(texts, max_size=2)),
    "JsonProperty": values,
    "ListProperty": st.lists(values, max_size=3),
    "ListRelationship": st.lists(st.sampled_from(IDS), max_size=3),
}


@st.composite
def instances(draw: st.DrawFn, below: int = 1) -> Instance:
    kind = draw(st.sampled_from(sorted(MEMBERS)))
    instance: Instance = {
        "type": kind,
        MEMBERS[kind]: draw(_OF_KIND[kind]),
        "createdAt": draw(st.sampled_from([0, 1_767_225_600_000, 1_780_315_200_500])),
        "modifiedAt": 1_767_225_600_000,
    }
    if draw(st.booleans()):
        instance["observedAt"] = draw(st.sampled_from(INSTANTS))
    if draw(st.booleans()):
        instance["unitCode"] = draw(st.sampled_from(["CEL", "GQ"]))
    if below and draw(st.booleans()):
        instance["sub"] = draw(attributes(below - 1))
    return instance


def attributes(below: int = 1) -> st.SearchStrategy[dict[str, dict[str, Instance]]]:
    by_dataset = st.dictionaries(
        st.sampled_from(["", "urn:d:1"]), instances(below), min_size=1, max_size=2
    )
    return st.dictionaries(st.sampled_from(NAMES), by_dataset, max_size=3)


@st.composite
def entities(draw: st.DrawFn, id_: str) -> Kept:
    kept: Kept = {
        "id": id_,
        "type": draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=2, unique=True)),
        "createdAt": draw(st.sampled_from([0, 1_767_225_600_000])),
        "modifiedAt": 1_780_315_200_500,
        "attrs": draw(attributes()),
    }
    if draw(st.booleans()):
        scopes = st.sampled_from(["/m", "/m/g", "/m/g/p", "/c"])
        kept["scope"] = draw(st.lists(scopes, min_size=1, max_size=2))
    return kept


def cities() -> st.SearchStrategy[list[Kept]]:
    """Entities of different ids."""
    return st.tuples(*(entities(name) for name in IDS)).map(list)


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if not isinstance(value, float) else repr(value)


_operands = scalars.map(_written)
_ordered = st.one_of(numbers.map(_written), texts.map(_written), st.sampled_from(INSTANTS))
_ranges = st.one_of(
    st.tuples(numbers, numbers).map(lambda ends: f"{ends[0]!r}..{ends[1]!r}"),
    st.tuples(texts, texts).map(lambda ends: f"{_written(ends[0])}..{_written(ends[1])}"),
)
_comparisons = st.one_of(
    st.just(""),
    st.tuples(st.sampled_from(["==", "!="]), _operands).map("".join),
    st.tuples(st.sampled_from(["==", "!="]), st.lists(_operands, min_size=1, max_size=3)).map(
        lambda pair: pair[0] + ",".join(pair[1])
    ),
    st.tuples(st.sampled_from(["==", "!="]), _ranges).map("".join),
    st.tuples(st.sampled_from([">", ">=", "<", "<="]), _ordered).map("".join),
    st.tuples(st.sampled_from(["~=", "!~="]), st.sampled_from(['"^r"', '"e"', '"\\d"'])).map(
        "".join
    ),
)
_plain_paths = st.sampled_from(
    [
        *("a", "b", "a.b", "a.a.b", "a[x]", "a[x.y]", "b[en]", "b[*]", "a.observedAt"),
        *("a.createdAt", "b.unitCode", "createdAt", "modifiedAt", "a.b.modifiedAt", "a.b[x]"),
    ]
)
_linked_paths = st.one_of(
    _plain_paths.map(lambda path: f"a{{{path}}}"),
    _plain_paths.map(lambda path: f"b{{T:{path}}}"),
    _plain_paths.map(lambda path: f"a{{T,U:b{{{path}}}}}"),
)
_terms = st.tuples(st.one_of(_plain_paths, _linked_paths), _comparisons).map("".join)
queries = st.recursive(
    _terms,
    lambda inner: st.tuples(inner, st.sampled_from([";", "|"]), inner).map(
        lambda parts: f"({parts[0]}){parts[1]}({parts[2]})"
    ),
    max_leaves=3,
)
"""Texts in the language ``q``, valid ones."""
