"""A notified entity as a line for people."""

import re

import pytest

from cityloop.cli.change_lines import Told, change_line, entities
from cityloop.kernel.errors import InputError

THEN, NOW = "2026-11-22T08:00:00Z", "2026-11-22T09:00:00Z"


def lamp(**members: object) -> Told:
    return {"id": "urn:x:1", "type": "Lamp", "createdAt": THEN, "modifiedAt": NOW, **members}


def said(**attribute: object) -> Told:
    return {"type": "Property", "createdAt": THEN, "modifiedAt": NOW, **attribute}


def line(entity: Told) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", change_line("09:00:00", entity))


def test_an_update_shows_old_and_new_of_what_was_written_and_nothing_else() -> None:
    level, name = said(value=4, previousValue=1), said(value="a", modifiedAt=THEN)
    told = line(lamp(level=level, name=name))
    assert told == "09:00:00  updated  urn:x:1  Lamp  level 1 → 4"


def test_a_value_that_was_written_again_shows_once() -> None:
    assert line(lamp(level=said(value=4, previousValue=4))).endswith("Lamp  level 4")


def test_an_attribute_that_is_gone_says_what_it_was() -> None:
    near = said(object="urn:ngsi-ld:null", previousObject="urn:x:2", type="Relationship")
    assert line(lamp(near=near)).endswith('near "urn:x:2" → gone')


def test_a_new_entity_shows_all_it_says() -> None:
    born = lamp(level=said(value=1), on=said(value=True)) | {"createdAt": NOW}
    assert line(born) == "09:00:00  created  urn:x:1  Lamp  level 1  on true"


def test_a_deleted_entity_says_so_with_nothing_left_to_show() -> None:
    assert line(lamp(deletedAt=NOW)) == "09:00:00  deleted  urn:x:1  Lamp"


def test_several_instances_and_types_are_told_apart() -> None:
    levels = [said(value=1), said(value=2, datasetId="urn:x:b")]
    told = line(lamp(level=levels) | {"type": ["Lamp", "Post"]})
    assert told.endswith("Lamp,Post  level 1  level 2 (urn:x:b)")


def test_nothing_that_an_entity_says_reaches_the_terminal_as_a_command() -> None:
    name = said(value="\x1b[2J\x9b2J\u202e", previousValue="灯")
    told = line(lamp(**{"na\x07me": name}))
    assert told.isprintable()
    assert '"灯" → ' in told


@pytest.mark.parametrize("body", [None, [], {}, {"data": {}}, {"data": [1]}, {"data": [{}]}])
def test_what_is_no_notification_is_refused(body: object) -> None:
    with pytest.raises(InputError, match="no notification"):
        entities(body)
