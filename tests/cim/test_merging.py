"""What the operations mean for one entity: RFC 7396 with NGSI-LD Null, and the clauses beside."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloop.standards.cim.kept import NULL, Kept
from cityloop.standards.cim.merging import (
    Outcome,
    appended,
    merge_patched,
    merged,
    partially_updated,
    updated,
    without,
)
from cityloop.standards.cim.problems import Problem
from cityloop.standards.cim.writes import applied

A, B = "https://example.org/a", "https://example.org/b"
NOW = 99


def instance(value: Any, **members: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value, **members, "createdAt": 1, "modifiedAt": 1}


def fresh(value: Any, **members: Any) -> dict[str, Any]:
    return instance(value, **members) | {"createdAt": NOW, "modifiedAt": NOW}


def entity(**attributes: Any) -> Kept:
    head = {"id": "urn:a:1", "type": ["T"], "createdAt": 1, "modifiedAt": 1}
    return {**head, "attrs": {f"https://example.org/{name}": v for name, v in attributes.items()}}


def after(before: Kept, outcome: Outcome) -> Kept:
    assert outcome.write is not None
    kept = applied(before, outcome.write)
    assert kept is not None
    return kept


def rfc_7396(target: Any, patch: Any) -> Any:
    """The pseudo-code of RFC 7396, section 2, word by word."""
    if isinstance(patch, dict):
        if not isinstance(target, dict):
            target = {}
        target = dict(target)
        for name, value in patch.items():
            if value is None:
                target.pop(name, None)
            else:
                target[name] = rfc_7396(target.get(name), value)
        return target
    return patch


names = st.sampled_from("abc")
documents = st.recursive(
    st.none() | st.integers(0, 3) | st.text("xy", max_size=1),
    lambda inner: st.dictionaries(names, inner, max_size=3) | st.lists(st.integers(), max_size=2),
    max_leaves=8,
)


def with_ngsi_null(value: Any) -> Any:
    if value is None:
        return NULL
    if isinstance(value, dict):
        return {name: with_ngsi_null(inner) for name, inner in value.items()}
    return value


@given(documents, st.dictionaries(names, documents, max_size=3))
def test_a_merge_is_a_json_merge_patch_with_ngsi_ld_null_for_null(target: Any, patch: Any) -> None:
    assert merge_patched(target, with_ngsi_null(patch)) == rfc_7396(target, patch)


def test_an_append_without_overwrite_leaves_what_is_there_and_names_it() -> None:
    before = entity(a={"": instance(1)})
    outcome = appended(before, entity(a={"": fresh(2)}, b={"": fresh(3)}), NOW, overwrite=False)
    kept = after(before, outcome)
    assert kept["attrs"] == {A: {"": instance(1)}, B: {"": fresh(3)}}
    assert (outcome.updated, list(outcome.not_updated)) == ([B], [A])


def test_an_update_replaces_the_whole_attribute_and_keeps_when_it_was_made() -> None:
    before = entity(a={"": instance(1, unitCode="CEL")})
    kept = after(before, updated(before, entity(a={"": fresh(2)}), NOW))
    assert kept["attrs"][A][""] == fresh(2) | {"createdAt": 1}


def test_a_partial_update_replaces_members_alone() -> None:
    before = entity(a={"": instance(1, unitCode="CEL")})
    given_ = {"value": 2, "createdAt": NOW, "modifiedAt": NOW}
    kept = after(before, partially_updated(before, A, {"": given_}, NOW))
    assert kept["attrs"][A][""] == instance(2, unitCode="CEL") | {"modifiedAt": NOW}


def test_null_deletes_one_instance_and_the_attribute_with_its_last() -> None:
    before = entity(a={"": instance(1), "urn:d:1": instance(2)})
    kept = after(before, merged(before, entity(a={"": fresh(NULL)}), NOW))
    assert kept["attrs"] == {A: {"urn:d:1": instance(2)}}
    kept = after(kept, merged(kept, entity(a={"urn:d:1": fresh(NULL)}), NOW))
    assert kept["attrs"] == {}


def test_what_is_not_there_cannot_be_deleted() -> None:
    with pytest.raises(Problem, match="has no attribute"):
        without(entity(), A, "", NOW, every=False)
