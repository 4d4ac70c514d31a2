"""Alarms, shift log and sensors as the web's process knows them, from what the hub tells.

While the hub is away it shows, too, which processes ended: nobody else could.
"""

import itertools
import threading
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import get_args

import msgspec

from cityloop.city.alarm_frames import alarm_row
from cityloop.city.alarm_rules import Trouble, log_conditions, trouble_conditions
from cityloop.city.board import Ask
from cityloop.city.sensor_book import Health
from cityloop.city.surface_alarms import (
    AlarmRow,
    HeldJunction,
    NoteKind,
    SensorRow,
    SensorsShown,
    SensorState,
    ShiftRow,
    ShiftSummary,
)
from cityloop.city.wire import Roll
from cityloop.kernel.clock import CityTime, WallTime, city_time, iso
from cityloop.kernel.errors import BusyError, MissingError
from cityloop.kernel.frame import EntityIds
from cityloop.reaction.alarms import Event
from cityloop.reaction.conditions import Announcer, Condition, Instant

_KEPT = 5000
_STATES: Mapping[Health, SensorState] = {
    Health.OK: "ok",
    Health.SILENT: "silent",
    Health.FROZEN: "frozen",
    Health.ABSURD: "absurd",
    Health.NEVER: "never",
}
_BURST_S = 600.0


class DeskReader:
    """What people read of the desk, and what they do at it. One thread tells, others read.

    ``ask``: carries a command to the hub. ``devices``: entity type → its sensors; ``junctions``:
    sensor → the junction it watches for.
    """

    def __init__(
        self, ask: Ask, devices: Mapping[str, EntityIds], junctions: Mapping[str, str]
    ) -> None:
        self._ask = ask
        self._devices = devices
        self._junctions = junctions
        self._lock = threading.Lock()
        self._newest: dict[str, AlarmRow] = {}
        self._events: deque[AlarmRow] = deque(maxlen=_KEPT)
        self._entries: deque[ShiftRow] = deque(maxlen=_KEPT)
        self._sensors = SensorsShown({}, {})
        self.log_error = ""
        """Why nothing can be recorded now; empty while it can."""
        self._holds: list[HeldJunction] = []
        self._unrecorded: list[Condition] = []
        self._provisional: list[AlarmRow] = []

    def hear(self, topic: str, body: bytes) -> bool:
        """Take in what the hub tells; False for a topic that is not the desk's."""
        match topic:
            case "alarms":
                self._hear_alarms(msgspec.json.decode(body, type=list[AlarmRow]))
            case "shift-log":
                self._hear_entries(msgspec.json.decode(body, type=list[ShiftRow]))
            case "sensors":
                self._sensors = msgspec.json.decode(body, type=SensorsShown)
            case "holds":
                self._holds = msgspec.json.decode(body, type=list[HeldJunction])
            case "log-error":
                self.log_error, waiting = msgspec.json.decode(body, type=tuple[str, int])
                self._unrecorded = list(log_conditions(self.log_error, waiting, 0.0))
            case _:
                return False
        return True

    def _hear_alarms(self, rows: list[AlarmRow]) -> None:
        with self._lock:
            for row in rows:
                known = self._events[-1].number if self._events else 0
                if row.number > known:
                    if row.number > known + 1:
                        self._events.clear()
                    self._events.append(row)
                    self._newest[row.id] = row
            if len(self._newest) > _KEPT:
                closed = [i for i, row in self._newest.items() if row.state == "closed"]
                for alarm_id in closed[: len(closed) // 2]:
                    del self._newest[alarm_id]

    def _hear_entries(self, rows: list[ShiftRow]) -> None:
        with self._lock:
            known = self._entries[-1].number if self._entries else 0
            self._entries.extend(row for row in rows if row.number > known)

    def hear_roll(
        self,
        roll: Roll,
        hub_alive: bool,
        city_time: str | None,
        run: str,
        further: Iterable[Condition] = (),
    ) -> None:
        """What the supervisor says of its processes, and whether the hub could tell it itself.

        ``further``: what this process knows of and the hub, if it turns, records, too.
        """
        troubles = {name: Trouble(WallTime(at), n) for name, (at, n) in roll.troubles.items()}
        there = self._unrecorded if hub_alive else list(trouble_conditions(troubles))
        self._provisional = _provisional([*there, *further], city_time, run)

    async def attend(self, act: str, by: str, **arguments: object) -> None:
        """A person's act: acknowledge, shelve, unshelve, escalate (an alarm's ``id``), or note.

        Raises MissingError for an alarm that does not exist, RefusedError with the reason, and
        BusyError while the hub is away or has not recorded the alarm yet.
        """
        self._expect(str(arguments.get("id", "")))
        await self._ask("attend", act=act, by=by, **arguments)

    def _expect(self, alarm_id: str) -> None:
        with self._lock:
            known = not alarm_id or alarm_id in self._newest
        if not known and any(row.id == alarm_id for row in self._provisional):
            raise BusyError("This alarm is not on record yet; try again when the hub is back.")
        if not known:
            raise MissingError(f"Alarm {alarm_id} does not exist; see the list for its id.")

    def alarms(self) -> list[AlarmRow]:
        """The newest row of every alarm at hand, oldest number first; what the hub cannot
        record, for it or the disk is away, comes with number 0 and cannot be handled yet."""
        with self._lock:
            rows = sorted(self._newest.values(), key=lambda row: row.number)
        known = {row.id for row in rows}
        return [*(row for row in self._provisional if row.id not in known), *rows]

    def alarms_after(self, number: int, limit: int) -> list[AlarmRow]:
        """What happened after a number, oldest first, as far as it is at hand without a hole."""
        with self._lock:
            rows = list(self._events)
        return list(itertools.islice((row for row in rows if row.number > number), limit))

    def newest_alarm(self) -> int:
        """The highest number of what happened; 0 when nothing has."""
        with self._lock:
            return self._events[-1].number if self._events else 0

    def shift_log(self, limit: int, after: int, before: int | None) -> list[ShiftRow]:
        """Entries with ``after < number < before``, newest first."""
        with self._lock:
            rows = list(self._entries)
        wanted = (
            row
            for row in reversed(rows)
            if row.number > after and (before is None or row.number < before)
        )
        return list(itertools.islice(wanted, limit))

    @property
    def shift_ends(self) -> int:
        """One more than the newest entry's number."""
        with self._lock:
            return self._entries[-1].number + 1 if self._entries else 1

    def sensors(self) -> list[SensorRow]:
        """Every device of the city."""
        return [row for type_, ids in self._devices.items() for row in self._sensors_of(type_, ids)]

    def _sensors_of(self, type_: str, ids: EntityIds) -> Iterable[SensorRow]:
        shown, rejected = self._sensors.types.get(type_), self._sensors.rejected
        for row, name in enumerate(ids):
            count, attribute, reason = rejected.get(name, (0, "", ""))
            seen = shown.seen[row] if shown else -1
            yield SensorRow(
                id=name,
                type=type_,
                junction=self._junctions.get(name),
                last_seen=iso(CityTime(seen)) if seen >= 0 else None,
                available_share=shown.share[row] if shown else None,
                rejected=count,
                state=_STATES[Health(shown.state[row])] if shown else "never",
                data={"attribute": attribute, "reason": reason} if count else {},
                values=_values(shown.values, row) if shown else {},
            )

    def summary(self, since: datetime, until: datetime) -> ShiftSummary:
        """A shift in figures, for the hand-over; ``since`` and ``until`` in city time."""
        first, last = city_time(since), city_time(until)
        with self._lock:
            events = [r for r in self._newest.values() if first <= _ms(r.raised_at) <= last]
            entries = [row for row in self._entries if first <= _ms(row.at) <= last]
        return ShiftSummary(
            since=iso(first),
            until=iso(last),
            raised=dict(Counter(row.severity for row in events)),
            acknowledged=sum(row.acknowledged_by is not None for row in events),
            escalated=sum(row.escalated_to is not None for row in events),
            busiest_10_min=_busiest([_ms(row.raised_at) for row in events]),
            acts=dict(Counter(row.kind for row in entries)),
            notes=[row for row in entries if row.kind in get_args(NoteKind)],
            open_alarms=[row for row in self.alarms() if row.state != "closed"],
            holds=self._holds,
        )


def _provisional(
    conditions: Iterable[Condition], city_time: str | None, run: str
) -> list[AlarmRow]:
    """The rows that the hub will record when it can."""
    seen = {condition.key: condition for condition in conditions}
    at = CityTime(_ms(city_time) if city_time else 0)
    wall = max((c.since for c in seen.values() if c.since is not None), default=WallTime(0))
    told = Announcer(0).tell([], set(seen), seen, Instant(run, at, wall))
    return [alarm_row(Event(0, act, alarm, at, wall)) for act, alarm in told]


def _ms(time: str) -> int:
    return city_time(datetime.fromisoformat(time))


def _busiest(raised_ms: list[int]) -> int:
    """Most alarms within ten minutes."""
    times, first, most = sorted(raised_ms), 0, 0
    for last, at in enumerate(times):
        while at - times[first] > _BURST_S * 1000:
            first += 1
        most = max(most, last - first + 1)
    return most


def _values(columns: Mapping[str, Sequence[float | None]], row: int) -> dict[str, float]:
    held = ((name, column[row]) for name, column in columns.items())
    return {name: value for name, value in held if value is not None}
