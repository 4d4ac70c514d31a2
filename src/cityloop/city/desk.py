"""The operators' desk in the hub: alarms and the shift log, and what people do about them.

Everything in here is a fold of its own events: whatever happens is recorded first, as frames.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from cityloop.city.alarm_frames import (
    ALARM_EVENT,
    SHIFT_ENTRY,
    alarm_row,
    entry_frame,
    event_frame,
    read_entries,
    read_events,
    shift_row,
)
from cityloop.city.surface_alarms import AlarmRow, ShiftRow
from cityloop.kernel.clock import CityTime, WallTime
from cityloop.kernel.errors import RefusedError
from cityloop.kernel.frame import Array, Frame
from cityloop.reaction.alarm_kinds import Datum
from cityloop.reaction.alarms import (
    Act,
    Alarm,
    AlarmBook,
    Event,
    acknowledged,
    escalated,
    shelved,
    unshelved,
)
from cityloop.reaction.approvals import Advice
from cityloop.reaction.shift_log import Entry, ShiftLog
from cityloop.safety.modes import ModeChange

BY_ITSELF = "automatic"


@dataclass(frozen=True, slots=True)
class Moment:
    """When something is written down."""

    run: str
    at: CityTime


@dataclass(frozen=True, slots=True)
class Escalation:
    """Who is called, and after how long, when nobody looks at a critical alarm."""

    after_s: float = 600.0
    to: str = "shift lead"


class Desk:
    """Alarms and shift log of one tenant. The wall time is that of the newest ``hear_time``, for
    nothing in here reads a clock.
    """

    def __init__(self, escalation: Escalation) -> None:
        self._escalation = escalation
        self._alarms = AlarmBook()
        self._shift = ShiftLog()
        self.wall = WallTime(0)
        self._fresh_alarms: list[AlarmRow] = []
        self._fresh_entries: list[ShiftRow] = []

    @property
    def alarms(self) -> list[Alarm]:
        """Those that are not closed, oldest first."""
        return list(self._alarms)

    @property
    def numbers(self) -> tuple[int, int]:
        """The newest of an alarm's event, and of an entry of the shift log."""
        return self._alarms.number, self._shift.number

    def hear_time(self, wall: WallTime) -> None:
        """The wall time now."""
        self.wall = wall

    # what happens by itself

    def enter(self, happened: Iterable[tuple[Act, Alarm]], now: Moment) -> list[Frame]:
        """Take in what the watch found and what the time brings; the frames that record it."""
        frames = self._events([(act, alarm, "", "") for act, alarm in happened], now)
        due = self._alarms.due(self.wall, self._escalation.after_s, self._escalation.to)
        return frames + self._events([(act, alarm, BY_ITSELF, "") for act, alarm in due], now)

    # what people do

    def attend(self, verb: str, arguments: Mapping[str, Any], now: Moment) -> list[Frame]:
        """A person's act at the desk; raises RefusedError with the reason."""
        by = str(arguments["by"])
        if verb == "note":
            return [self.note(arguments["kind"], by, arguments["text"], {}, now)]
        alarm = self._alarms.find(arguments["id"])
        words = str(arguments.get("note") or arguments.get("reason") or "")
        act, after = self._handled(verb, alarm, arguments)
        text = f"{act.capitalize()}: {alarm.text}" + (f" ({words})" if words else "")
        data = {"act": act, "alarm": alarm.id, "kind": alarm.kind, "note": words} | alarm.data
        entry = self.note("alarm", by, text, data, now)
        return [*self._events([(act, after, by, words)], now), entry]

    def _handled(self, verb: str, alarm: Alarm, arguments: Mapping[str, Any]) -> tuple[Act, Alarm]:
        match verb:
            case "acknowledge":
                return "acknowledged", acknowledged(alarm, str(arguments["by"]))
            case "shelve":
                minutes, reason = arguments["minutes"], arguments["reason"]
                return "shelved", shelved(alarm, minutes, reason, self.wall)
            case "unshelve":
                return "unshelved", unshelved(alarm, self.wall)
            case "escalate":
                return "escalated", escalated(alarm, arguments["to"])
        raise RefusedError(f"The desk knows no act {verb}.")

    def note(self, kind: str, by: str, text: str, data: Mapping[str, Datum], now: Moment) -> Frame:
        """Enter an act or a note; the frame that records it, to be committed with the act."""
        number = self._shift.number + 1
        entry = Entry(number, now.at, self.wall, by, kind, text, dict(data))
        self._take_entry(entry)
        return entry_frame(entry, now.run)

    def mode_switched(self, change: ModeChange, by: str, now: Moment) -> Frame:
        """Enter that a person switched a mode."""
        mode = change.mode.name.lower()
        text = f"{change.loop} may {mode} on {change.group}."
        data: dict[str, Datum] = {"loop": change.loop, "group": change.group, "mode": mode}
        return self.note("mode", by, text, data | {"evidence": change.evidence}, now)

    def operated(
        self, junction: str, operation: str, phase: int, minutes: float, by: str, now: Moment
    ) -> Frame:
        """Enter that a person took a junction by hand, or gave it back."""
        text = f"{junction}: {operation.replace('_', ' ')}"
        text += f" phase {phase}" if operation == "hold" else ""
        text += "." if operation == "release" else f" for {minutes:g} minutes."
        data: dict[str, Datum] = {"junction": junction, "phase": max(phase, -1), "minutes": minutes}
        return self.note(operation, by, text, data, now)

    def answered(self, advice: Advice, confirm: bool, by: str, now: Moment) -> Frame:
        """Enter that a person answered advice."""
        junction = advice.actuator.rpartition(":")[2]
        text = f"Advice of {advice.loop} for {junction} {'confirmed' if confirm else 'rejected'}."
        data: dict[str, Datum] = {"loop": advice.loop, "junction": junction, "phase": advice.action}
        return self.note("advice", by, text, data | {"confirmed": confirm}, now)

    def _events(self, happened: list[tuple[Act, Alarm, str, str]], now: Moment) -> list[Frame]:
        if not happened:
            return []
        first = self._alarms.number + 1
        events = [
            Event(first + i, act, alarm, now.at, self.wall, by, note)
            for i, (act, alarm, by, note) in enumerate(happened)
        ]
        for event in events:
            self._take_event(event)
        return [event_frame(events, now.run, now.at)]

    def _take_event(self, event: Event) -> None:
        self._alarms.fold(event)
        self._fresh_alarms.append(alarm_row(event))

    def _take_entry(self, entry: Entry) -> None:
        self._shift.fold(entry)
        self._fresh_entries.append(shift_row(entry))

    # who reads it

    def fresh(self) -> tuple[list[AlarmRow], list[ShiftRow]]:
        """What nobody was told yet."""
        alarms, entries = self._fresh_alarms, self._fresh_entries
        self._fresh_alarms, self._fresh_entries = [], []
        return alarms, entries

    def all(self) -> tuple[list[AlarmRow], list[ShiftRow]]:
        """What is at hand, for a reader who knows nothing yet."""
        alarms = [alarm_row(event) for event in self._alarms.events()]
        return alarms, [shift_row(entry) for entry in self._shift]

    # over restarts

    def replay(self, frames: Iterable[Frame]) -> None:
        """Fold what the log holds of alarms and the shift log."""
        for part in frames:
            if part.type == ALARM_EVENT:
                for event in read_events(part):
                    self._alarms.fold(event)
            elif part.type == SHIFT_ENTRY:
                for entry in read_entries(part):
                    self._shift.fold(entry)

    def save(self) -> dict[str, Array]:
        """Everything a new desk needs to go on from here."""
        events, entries = self._alarms.events(), list(self._shift)
        return {
            "alarms": np.array(msgspec.json.encode((self._alarms.number, events)).decode()),
            "shift": np.array(msgspec.json.encode((self._shift.number, entries)).decode()),
        }

    def load(self, state: Mapping[str, Array]) -> None:
        """Go on from what ``save`` gave."""
        number, events = msgspec.json.decode(str(state["alarms"]), type=tuple[int, list[Event]])
        self._alarms.load(events, number)
        number, entries = msgspec.json.decode(str(state["shift"]), type=tuple[int, list[Entry]])
        for entry in entries:
            self._shift.fold(entry)
        self._shift.number = number
