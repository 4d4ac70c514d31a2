"""What a write changed of an entity, and what a notification shows of it (CIM 5.3.1, 5.8.6)."""

from typing import Any

import pytest
from hypothesis import given

from cityloop.standards.cim.kept import NULL, Kept
from cityloop.standards.cim.notification import (
    CREATED,
    DELETED,
    ENTITY_CREATED,
    ENTITY_DELETED,
    UPDATED,
    changes,
    notified,
)
from tests.cim.kept_entities import entities

THEN, NOW = 1_000, 2_000


def said(value: Any, dataset: str = "", at: int = THEN) -> dict[str, Any]:
    instance = {"type": "Property", "value": value, "createdAt": THEN, "modifiedAt": at}
    return {dataset: instance}


def lamp(**attributes: Any) -> Kept:
    return {
        "id": "urn:x:1",
        "type": ["Lamp"],
        "createdAt": THEN,
        "modifiedAt": THEN,
        "attrs": attributes,
    }


def shown(before: Kept | None, after: Kept | None, **how: Any) -> Kept:
    usual: dict[str, Any] = {"deletions": None, "previous": False}
    return notified(before, after, changes(before, after), NOW, **usual | how)


def test_an_attribute_counts_as_updated_when_it_was_written_not_when_it_differs() -> None:
    kept, same, other = said(1), said(2), said(2, at=NOW)
    what = changes(lamp(a=kept, b=same), lamp(a=kept, b=other))
    assert (what.events, what.updated) == (UPDATED, {"b"})


def test_what_came_and_what_went_are_told_apart() -> None:
    what = changes(lamp(a=said(1)), lamp(b=said(2)))
    assert what.events == CREATED | DELETED
    assert (what.created, what.deleted) == ({"b"}, {"a"})
    assert what.dropped == (("a", ""),)


def test_an_instance_that_went_is_a_deletion_though_its_attribute_stays() -> None:
    one = said(1)
    what = changes(lamp(a=one | said(2, "urn:x:d")), lamp(a=one))
    assert (what.deleted, what.updated) == ({"a"}, set())
    assert what.dropped == (("a", "urn:x:d"),)


def test_birth_and_death_of_an_entity_are_those_of_its_attributes_too() -> None:
    assert changes(None, lamp(a=said(1))).events == ENTITY_CREATED | CREATED
    assert changes(lamp(a=said(1)), None).events == ENTITY_DELETED | DELETED


def test_an_update_shows_the_value_of_before_to_whoever_asked() -> None:
    before, after = lamp(a=said(1)), lamp(a=said(2, at=NOW))
    assert shown(before, after, previous=True)["attrs"]["a"][""]["previousValue"] == 1
    assert "previousValue" not in shown(before, after)["attrs"]["a"][""]


def test_a_deletion_shows_as_null_only_to_whoever_asked() -> None:
    before, after = lamp(a=said(1), b=said(2)), lamp()
    assert shown(before, after)["attrs"] == {}
    assert shown(before, after, deletions={"a"})["attrs"].keys() == {"a"}
    gone = shown(before, after, deletions=set(), previous=True)["attrs"]["b"][""]
    assert (gone["value"], gone["previousValue"], gone["deletedAt"]) == (NULL, 2, NOW)


def test_a_deleted_entity_says_when() -> None:
    assert shown(lamp(a=said(1)), None) == lamp() | {"modifiedAt": NOW, "deletedAt": NOW}


def test_of_several_instances_that_go_together_one_speaks_for_all() -> None:
    before = lamp(a=said(1, "urn:x:d") | said(2))
    assert shown(before, lamp(), deletions=set())["attrs"]["a"].keys() == {""}


def test_there_is_nothing_to_tell_of_an_entity_that_never_was() -> None:
    with pytest.raises(ValueError, match="never was"):
        shown(None, None)


@given(entities("urn:x:1"))
def test_a_write_that_touched_nothing_is_no_event_and_shows_the_entity_as_it_is(it: Kept) -> None:
    assert changes(it, it).events == 0
    assert shown(it, it, deletions=set(), previous=True) == it


@given(entities("urn:x:1"), entities("urn:x:1"))
def test_neither_state_is_touched_by_what_is_told_of_them(before: Kept, after: Kept) -> None:
    kept = repr(before), repr(after)
    shown(before, after, deletions=set(), previous=True)
    assert (repr(before), repr(after)) == kept
