"""The desk of the replayed city: the real one, with a few alarms to look at."""

from collections.abc import Mapping
from typing import Any

import msgspec

from cityloop.city.alarm_rules import Trouble, trouble_conditions
from cityloop.city.board import Ask
from cityloop.city.desk import Desk, Escalation, Moment
from cityloop.city.desk_reader import DeskReader
from cityloop.city.surface_alarms import SensorColumns, SensorsShown
from cityloop.kernel.clock import CityTime, WallTime
from cityloop.kernel.frame import EntityIds
from cityloop.reaction.conditions import Announcer, Condition, Instant

AT = CityTime(1_523_844_600_000)
NOW = Moment("a", AT)
SENSORS = EntityIds([f"urn:ngsi-ld:LaneDetector:{row}" for row in range(12)])
JUNCTION = "intersection_1_1"
CONDITIONS = (
    *(
        Condition("sensor-silent", name, {"junction": JUNCTION, "silent_s": 61}, JUNCTION)
        for name in SENSORS.names[:3]
    ),
    Condition(
        "long-queue", "intersection_2_2", {"junction": "J", "queued": 31}, "intersection_2_2"
    ),
    *trouble_conditions({"hub": Trouble(WallTime(1_800_000_000_000), 2)}),
)


class ReplayDesk:
    """A desk at which acts are taken as the hub takes them."""

    def __init__(self) -> None:
        self._desk = Desk(Escalation())
        self._desk.hear_time(WallTime(1_800_000_000_000))
        seen = {condition.key: condition for condition in CONDITIONS}
        now = Instant("a", AT, self._desk.wall)
        self._desk.enter(Announcer(16).tell([], set(seen), seen, now), NOW)
        self._desk.note("handover", "Li Wei", "Quiet night; J11 was in flash for works.", {}, NOW)

    def reader(self, ask: Ask) -> DeskReader:
        """What people read of it."""
        found = DeskReader(ask, {"LaneDetector": SENSORS}, dict.fromkeys(SENSORS, JUNCTION))
        states = [1, 1, 1, 2, 3, 4, *[0] * 6]
        columns = SensorColumns([AT] * 5 + [-1] + [AT] * 6, [0.4] * 5 + [0.0] + [1.0] * 6, states)
        refused = {SENSORS.names[4]: (17, "vehicleCount", "out of range: 0 to 1000")}
        shown = SensorsShown({"LaneDetector": columns}, refused)
        found.hear("sensors", msgspec.json.encode(shown))
        self._tell(found)
        return found

    def attend(self, reader: DeskReader, arguments: Mapping[str, Any]) -> None:
        """A person's act; raises RefusedError."""
        self._desk.attend(arguments["act"], arguments, NOW)
        self._tell(reader)

    def _tell(self, reader: DeskReader) -> None:
        alarms, entries = self._desk.fresh()
        reader.hear("alarms", msgspec.json.encode(alarms))
        reader.hear("shift-log", msgspec.json.encode(entries))
