"""Entity types as data: the tables are sound, and a mistake in one is named with its line."""

import pytest

from cityloop.kernel.errors import ConfigError
from cityloop.standards.attributes import COLUMNS, declared, event_types, read_attributes

HEAD = ",".join(COLUMNS) + "\n"


def test_the_types_of_the_traffic_loop_are_declared() -> None:
    assert {"LaneDetector", "StopLineDetector", "EntryQueue", "SignalController"} <= set(declared())


def test_a_speed_is_in_metres_per_second() -> None:
    assert declared()["LaneDetector"]["meanSpeed"].unit == "MTS"


def test_a_decision_is_an_event_and_a_mode_is_a_state() -> None:
    assert "Decision" in event_types()
    assert "ModeChange" not in event_types()


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("Lamp,on,switch,,0,1,public,state P1D,x", r"lamps\.csv:2: kind is 'switch'"),
        ("Lamp,on,boolean,,0,1,secret,state P1D,x", "class is 'secret'"),
        ("Lamp,on,boolean,,0,1,public,for ever,x", "keep is 'for ever'"),
        ("Lamp,on,boolean,,low,1,public,state P1D,x", "minimum and maximum must be numbers"),
        ("Lamp,on,boolean,,2,1,public,state P1D,x", "minimum 2 is above maximum 1"),
        ("Lamp,on,boolean,,0,1,public,state P1D", "a row needs 9 cells"),
        ("Lamp,on,boolean,,0,1,public,state P1D,x,y", "a row needs 9 cells"),
    ],
)
def test_a_mistake_is_named_with_file_and_line(row: str, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        read_attributes(HEAD + row, "lamps.csv")


def test_an_attribute_is_declared_once() -> None:
    row = "Lamp,on,boolean,,0,1,public,state P1D,x\n"
    with pytest.raises(ConfigError, match=r"lamps\.csv:3: Lamp\.on is declared twice"):
        read_attributes(HEAD + row + row, "lamps.csv")


def test_other_columns_are_refused() -> None:
    with pytest.raises(ConfigError, match="the columns must be type,attribute"):
        read_attributes("type,name\n", "lamps.csv")
