"""Alarms, shift log and sensors as the web's process knows them, from what the hub tells.

While the hub is away it shows, too, which processes ended: nobody else could.
"""

import itertools
import threading
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from cityloop.city.alarm_frames import alarm_row
from cityloop.city.alarm_rules import Trouble, trouble_conditions
from cityloop.city.board import Ask
from cityloop.city.sensor_book import Health
from cityloop.city.surface_alarms import (
    AlarmRow,
    HeldJunction,
    SensorRow,
    SensorsShown,
    SensorState,
    ShiftRow,
    ShiftSummary,
)
from cityloop.city.wire import Roll
from cityloop.kernel.clock import CityTime, WallTime, city_time, iso
from cityloop.kernel.frame import EntityIds
from cityloop.reaction.alarms import Event
from cityloop.reaction.conditions import Announcer, Instant

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
        self._holds: list[HeldJunction] = []
        self._ended: list[AlarmRow] = []

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
            case _:
                return False
        return True

    def _hear_alarms(self, rows: list[AlarmRow]) -> None:
        with self._lock:
            known = self._events[-1].number if self._events else 0
            for row in rows:
                if row.number > known:
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

    def hear_roll(self, roll: Roll, hub_alive: bool, city_time: str | None, run: str) -> None:
        """What the supervisor says of its processes, and whether the hub could tell it itself."""
        self._ended = [] if hub_alive else _ended(roll, city_time, run)

    async def attend(self, act: str, by: str, **arguments: object) -> None:
        """A person's act: acknowledge, shelve, unshelve, escalate (an alarm's ``id``), or note.

        Raises RefusedError with the reason, BusyError while the hub is away.
        """
        await self._ask("attend", act=act, by=by, **arguments)

    def alarms(self) -> list[AlarmRow]:
        """The newest row of every alarm at hand, oldest number first; those of processes that
        ended while the hub is away come with number 0 and cannot be handled yet."""
        with self._lock:
            rows = sorted(self._newest.values(), key=lambda row: row.number)
        known = {row.id for row in rows}
        return [*(row for row in self._ended if row.id not in known), *rows]

    def alarms_after(self, number: int, limit: int) -> list[AlarmRow]:
        """What happened after a number, oldest first, as far as it is at hand."""
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

    def sensors(self) -> list[SensorRow]:
        """Every device of the city."""
        return [row for type_, ids in self._devices.items() for row in self._sensors_of(type_, ids)]

    def _sensors_of(self, type_: str, ids: EntityIds) -> Iterable[SensorRow]:
        shown, rejected = self._sensors.types.get(type_), self._sensors.rejected
        for row, name in enumerate(ids):
            seen = shown.seen[row] if shown else -1
            yield SensorRow(
                id=name,
                type=type_,
                junction=self._junctions.get(name),
                last_seen=iso(CityTime(seen)) if seen >= 0 else None,
                available_share=shown.share[row] if shown else None,
                rejected=rejected.get(name, 0),
                state=_STATES[Health(shown.state[row])] if shown else "never",
                data={},
            )

    def summary(self, since: datetime, until: datetime) -> ShiftSummary:
        """A shift in figures, for the hand-over; ``since`` and ``until`` in city time."""
        first, last = city_time(since), city_time(until)
        with self._lock:
            events = [row for row in self._events if first <= _ms(row.raised_at) <= last]
            entries = [row for row in self._entries if first <= _ms(row.at) <= last]
        raised = {row.id: row for row in events}
        return ShiftSummary(
            since=iso(first),
            until=iso(last),
            raised=dict(Counter(row.severity for row in raised.values())),
            acknowledged=sum(row.acknowledged_by is not None for row in raised.values()),
            escalated=sum(row.escalated_to is not None for row in raised.values()),
            busiest_10_min=_busiest([_ms(row.raised_at) for row in raised.values()]),
            acts=dict(Counter(row.kind for row in entries)),
            notes=[row for row in entries if not row.data],
            open_alarms=[row for row in self.alarms() if row.state != "closed"],
            holds=self._holds,
        )


def _ended(roll: Roll, city_time: str | None, run: str) -> list[AlarmRow]:
    """The rows that the hub will record when it is back."""
    troubles = {name: Trouble(WallTime(at), n) for name, (at, n) in roll.troubles.items()}
    seen = {condition.key: condition for condition in trouble_conditions(troubles)}
    at = CityTime(_ms(city_time) if city_time else 0)
    wall = max((trouble.since for trouble in troubles.values()), default=WallTime(0))
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
