from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.analysis.crossing import EAST, EAST_WEST, NORTH, NORTH_SOUTH, ROOM, crossing

from cityloop.domains.mobility.signal_timing import COMMITTED_S, OPERATOR, Timing, loop
from cityloop.kernel.clock import CityTime
from cityloop.kernel.view import Memory, Table, View

NETWORK = crossing()
KNOWS = {"network": NETWORK}


class Street:
    """The crossing as its sensors show it: green for north and south, 20 s old, nobody there."""

    def __init__(self) -> None:
        self.now = CityTime(1_000_000)
        self.count = np.zeros(10)
        self.queue = np.zeros(10)
        self.passed = np.zeros(5)
        self.heard_at = np.full(10, self.now, dtype=np.int64)
        self.signal = {"phase": NORTH_SOUTH, "stage": 0, "stageAge": 20.0, "inCharge": 1}
        self.memory: Memory = loop.start(KNOWS)

    def wait(self, lane: int, vehicles: float) -> "Street":
        self.count[lane] = self.queue[lane] = vehicles
        return self

    def view(self) -> View:
        lanes = {"vehicleCount": self.count.copy(), "queueLength": self.queue.copy()}
        signals = {name: np.array([float(value)]) for name, value in self.signal.items()}
        at = self.now
        return View(
            "run",
            at,
            {
                "lanes": Table(NETWORK.detector_ids, lanes, self.heard_at.copy()),
                "stop_lines": Table(
                    NETWORK.stop_line_ids,
                    {"vehicleCount": self.passed.copy()},
                    np.full(5, at, dtype=np.int64),
                ),
                "signals": Table(NETWORK.controller_ids, signals, np.array([at])),
            },
            KNOWS,
        )

    def tick(self) -> Timing:
        """One second passes; the sensors speak again, but those that were silenced."""
        self.now = CityTime(self.now + 1000)
        self.heard_at[self.heard_at == self.now - 1000] = self.now
        self.signal["stageAge"] += 1
        found, self.memory = loop.analyse(self.view(), self.memory, self.now)
        assert isinstance(found, Timing)
        return found


def actions(found: Timing) -> list[int]:
    return [int(action) for action in loop.respond(found).actions]


def test_a_queue_on_red_gets_green_when_nobody_uses_the_other() -> None:
    assert actions(Street().wait(EAST, 6).tick()) == [EAST_WEST]


def test_the_reason_tells_the_numbers() -> None:
    reason = loop.respond(Street().wait(EAST, 6).tick()).reason(0)
    assert reason.sentence.startswith("Change to phase 1, where 6 stand: it would serve ")


def test_to_keep_a_phase_is_an_order_too() -> None:
    assert actions(Street().wait(NORTH, 6).tick()) == [NORTH_SOUTH]


def test_a_discharging_queue_is_served_to_its_end_before_a_single_vehicle() -> None:
    assert actions(Street().wait(NORTH, 6).wait(EAST, 1).tick()) == [NORTH_SOUTH]


def test_nothing_changes_before_the_minimum_green_is_over() -> None:
    street = Street().wait(EAST, 6)
    street.signal["stageAge"] = 3.0
    found = street.tick()
    assert actions(found) == [NORTH_SOUTH]
    assert loop.respond(found).reason(0).sentence == "Keep phase 0: its minimum green is not over."


def test_an_order_is_repeated_until_the_cabinet_shows_it() -> None:
    street = Street().wait(EAST, 6)
    street.tick()
    street.wait(EAST, 0).wait(NORTH, 9)
    assert actions(street.tick()) == [EAST_WEST]
    for _ in range(int(COMMITTED_S)):
        found = street.tick()
    assert actions(found) == [NORTH_SOUTH]


def test_a_full_exit_gets_no_green() -> None:
    street = Street().wait(EAST, 6).wait(5 + EAST, ROOM)
    assert actions(street.tick()) == [NORTH_SOUTH]


def silent(street: Street) -> None:
    street.heard_at[EAST] -= 10_000


def more_standing_than_there(street: Street) -> None:
    street.queue[EAST] = street.count[EAST] + 2


def not_a_number(street: Street) -> None:
    street.count[EAST] = np.nan


def more_than_fit(street: Street) -> None:
    street.count[EAST] = 10 * ROOM


def negative_count_at_the_line(street: Street) -> None:
    street.passed[EAST] = -1


@pytest.mark.parametrize(
    "fault",
    [silent, more_standing_than_there, not_a_number, more_than_fit, negative_count_at_the_line],
)
def test_a_junction_with_a_silent_or_absurd_detector_gets_no_proposal(
    fault: Callable[[Street], None],
) -> None:
    street = Street().wait(NORTH, 3)
    fault(street)
    found = street.tick()
    assert found.blind.tolist() == [True]
    assert actions(found) == []


def test_a_junction_in_an_operators_hands_is_left_alone() -> None:
    street = Street()
    street.signal["inCharge"] = OPERATOR
    assert actions(street.tick()) == []


def test_a_run_that_has_not_spoken_yet_gets_no_proposal() -> None:
    empty = {
        name: Table.empty(getattr(NETWORK, watch.rows.split(".")[1]), watch.attributes)
        for name, watch in loop.watches.items()
    }
    view = View("run", CityTime(5_000), empty, KNOWS)
    found, _ = loop.analyse(view, loop.start(KNOWS), CityTime(5_000))
    assert actions(found) == []


def arrays_of(value: Any) -> dict[str, list[object]]:
    names = value if isinstance(value, dict) else value.__slots__
    read = value.__getitem__ if isinstance(value, dict) else lambda n: getattr(value, n)
    return {n: read(n).tolist() for n in names if isinstance(read(n), np.ndarray)}


def test_the_same_view_and_memory_give_the_same_and_the_memory_is_not_touched() -> None:
    street = Street().wait(EAST, 6)
    street.tick()
    before, kept = street.memory, arrays_of(dict(street.memory))
    once, after_once = loop.analyse(street.view(), before, street.now)
    twice, after_twice = loop.analyse(street.view(), before, street.now)
    assert arrays_of(once) == arrays_of(twice)
    assert arrays_of(dict(after_once)) == arrays_of(dict(after_twice))
    assert arrays_of(dict(before)) == kept
