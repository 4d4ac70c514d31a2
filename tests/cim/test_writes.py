"""A Write is what the log holds of an operation: lossless, replayable, and never in place."""

from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cityloop.standards.cim.kept import MEMBERS
from cityloop.standards.cim.record import Present, changes_of, write_of
from cityloop.standards.cim.writes import (
    Alter,
    Delete,
    Put,
    Write,
    applied,
    read_write,
    write_kept,
    write_put,
    write_write,
)

iris = st.sampled_from([f"https://example.org/{name}" for name in "abcd"])
datasets = st.sampled_from(["", "urn:d:1", "urn:d:2"])
stamps = st.integers(0, 2**45)
values = st.recursive(
    st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)


@st.composite
def instances(draw: st.DrawFn, depth: int = 1) -> dict[str, Any]:
    kind = draw(st.sampled_from(sorted(MEMBERS)))
    instance = {"type": kind, MEMBERS[kind]: draw(values)}
    if draw(st.booleans()):
        instance["observedAt"] = "2026-01-15T10:30:00.250Z"
    if depth and draw(st.booleans()):
        instance["sub"] = draw(st.dictionaries(iris, st.just({"": draw(instances(0))}), max_size=2))
    return instance | {"createdAt": draw(stamps), "modifiedAt": draw(stamps)}


attributes = st.dictionaries(
    iris, st.dictionaries(datasets, instances(), min_size=1, max_size=2), max_size=3
)


@st.composite
def entities(draw: st.DrawFn) -> dict[str, Any]:
    kept = {"id": "urn:a:1", "type": draw(st.lists(iris, min_size=1, max_size=2, unique=True))}
    if draw(st.booleans()):
        kept["scope"] = ["/a", "/b/c"]
    return kept | {
        "createdAt": draw(stamps),
        "modifiedAt": draw(stamps),
        "attrs": draw(attributes),
    }


alters = st.builds(
    Alter,
    st.just("urn:a:1"),
    stamps,
    attributes,
    st.lists(st.tuples(iris, datasets), max_size=2).map(tuple),
    st.none() | st.lists(iris, min_size=1, max_size=2),
    st.none() | st.just([]) | st.just(["/x"]),
    st.none() | st.just("") | st.just("2030-01-01T00:00:00Z"),
)
told = alters.map(lambda alter: replace(alter, was=(("Property", 1),) * len(alter.dropped)))
gone = st.builds(Delete, st.just("urn:a:1"), stamps, st.lists(iris, max_size=2), stamps)
writes = st.builds(Put, entities()) | alters | told | gone


@given(writes)
def test_a_write_comes_back_from_the_log_as_it_went(write: Write) -> None:
    assert read_write(write_write(write)) == write


@given(writes)
def test_a_write_is_a_lossless_view_of_changes(write: Present) -> None:
    assert write_of(changes_of(write)) == write


@given(entities())
def test_a_put_is_written_the_same_from_bytes_that_are_there_already(
    kept: dict[str, Any],
) -> None:
    assert write_put(write_kept(kept)) == write_write(Put(kept))


@given(entities(), alters)
def test_altering_touches_nothing_of_the_entity_before(kept: dict[str, Any], write: Alter) -> None:
    before = deepcopy(kept)
    after = applied(kept, write)
    assert kept == before
    assert after is not None
    assert after["modifiedAt"] == write.at
    for attribute, instances_ in write.set.items():
        assert after["attrs"][attribute].items() >= instances_.items()
    gone = {pair for pair in write.dropped if pair[1] not in write.set.get(pair[0], {})}
    assert not [d for a, d in gone if d in after["attrs"].get(a, {})]
