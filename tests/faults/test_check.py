"""The checker of kill runs finds what is planted."""

from collections.abc import Callable
from typing import Any

import pytest
from scripts.faults.check import Event, check

KEY = "lamp"


def good() -> list[Event]:
    """What a city leaves that lost nothing."""
    events: list[Event] = []

    def add(kind: str, value: int, **more: Any) -> None:
        events.append({"e": kind, "k": KEY, "v": value, **more})

    for value in range(1, 6):
        add("sent", value)
        add("acked", value)
        add("heard", value, s="each")
        add("read", value, who="reader", least=value)
        add("past", value)
        events.append({"e": "act", "id": f"d{value}", "actuator": "J1", "at": value})
    add("heard", 5, s="newest")
    add("now", 5)
    return events


def where(events: list[Event], kind: str, value: int) -> int:
    return next(i for i, e in enumerate(events) if e["e"] == kind and e.get("v") == value)


def change(kind: str, value: int, **to: Any) -> Callable[[list[Event]], None]:
    return lambda events: events[where(events, kind, value)].update(to)


def drop(kind: str, value: int) -> Callable[[list[Event]], None]:
    return lambda events: events.pop(where(events, kind, value)) and None


def twice(kind: str, value: int) -> Callable[[list[Event]], None]:
    def plant(events: list[Event]) -> None:
        at = where(events, kind, value)
        events.insert(at, events[at])

    return plant


def act_again(events: list[Event]) -> None:
    events.append(next(e for e in events if e["e"] == "act") | {"at": 99})


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert check(good()).faults() == []
    assert check(good()).acknowledged == 5


@pytest.mark.parametrize(
    ("plant", "found"),
    [
        (drop("past", 3), "lost"),
        (drop("now", 5), "lost"),
        (change("now", 5, v=4), "lost"),
        (change("read", 4, v=3), "lost"),
        (twice("past", 3), "duplicated"),
        (change("past", 3, v=9), "resurrected"),
        (change("read", 4, v=1, least=0), "resurrected"),
        (change("now", 5, v=7), "resurrected"),
        (drop("heard", 3), "untold"),
        (drop("heard", 5), "untold"),
        (act_again, "double_acts"),
    ],
)
def test_a_planted_fault_is_found(plant: Callable[[list[Event]], None], found: str) -> None:
    events = good()
    plant(events)
    assert check(events).counts()[found] == 1


@pytest.mark.parametrize("kind", ["past", "heard"])
def test_two_values_of_a_key_in_the_wrong_order_are_found(kind: str) -> None:
    events = good()
    second, third = where(events, kind, 2), where(events, kind, 3)
    events[second], events[third] = events[third], events[second]
    assert check(events).counts()["reordered"] == 1
