"""How the machine does, for the hub's alarms; and what the hub's readers are told of them."""

import shutil
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path

import msgspec

from cityloop.city.alarm_rules import BusState, LostTrace, Machine, SourceHealth, Trouble
from cityloop.city.hub import Hub
from cityloop.city.rows import action_name
from cityloop.city.surface_alarms import AlarmRow, HeldJunction, ShiftRow
from cityloop.city.wire import Roll, Told
from cityloop.interconnection.writer import WriterState
from cityloop.kernel.clock import WallTime, iso
from cityloop.kernel.ports import Position

_EVERY_S = 1.0
_SENSORS_EVERY_S = 5.0
_QUIET_S = 50.0
_FIRST_S = 120.0
"""Until a twin's first word: it reads its network first."""


class Lookout:
    """Looks at disk, log, processes and sources about once a second, whatever the city's pace."""

    def __init__(
        self,
        hub: Hub,
        folder: Path,
        writer: Callable[[], WriterState],
        latency_p99_ms: Callable[[], float | None],
        silent_after_s: Mapping[str, float | None],
    ) -> None:
        self._hub = hub
        self._folder = folder
        self._writer = writer
        self._latency_p99_ms = latency_p99_ms
        self._silent_after_s = silent_after_s
        self._next = self._sensors_at = 0.0
        self._heard_at: dict[str, float] = {}
        self._told_error = ""
        self._alarms: deque[AlarmRow] = deque()
        self._entries: deque[ShiftRow] = deque()
        self._recorded = hub.desk.numbers
        self.roll = Roll({}, 1.0, False)
        self.lost_trace: Callable[[], LostTrace | None] = lambda: None

    def heard(self, source: str, now: float) -> None:
        """A twin has sent something at ``now`` (s, monotonic)."""
        self._heard_at[source] = now

    def due(self, now: float) -> bool:
        """Whether it is time to look."""
        if now < self._next:
            return False
        self._next = now + _EVERY_S
        return True

    def machine(self) -> Machine:
        """How it does now."""
        log, disk = self._writer(), shutil.disk_usage(self._folder)
        return Machine(
            {
                name: Trouble(WallTime(since), times)
                for name, (since, times) in self.roll.troubles.items()
            },
            log.failing,
            log.depth,
            log.age_s,
            disk.free,
            disk.total,
            self._latency_p99_ms(),
            self.lost_trace(),
            self.bus(),
            self.roll.behind.get("worker", ""),
        )

    def bus(self) -> BusState:
        """How the bus does; well where there is none."""
        told = self.roll.bus
        return BusState() if told is None else BusState(told.state, told.reason, told.age_s)

    def twin(self, name: str, now: float) -> SourceHealth:
        """How a twin's source does: quiet is what a running twin should not be."""
        speed = self.roll.speed
        if self.roll.paused:
            self.heard(name, now)
        quiet_s = now - self._heard_at.setdefault(name, now + _FIRST_S)
        longest_s = max(_QUIET_S, 3.0 / speed) if speed else _QUIET_S
        return SourceHealth("ok", "", quiet_s if quiet_s > longest_s else 0.0)

    def source(
        self, name: str, state: str, reason: str, last: WallTime, wall: WallTime
    ) -> SourceHealth:
        """How a live source does whose ``last`` rows came then."""
        longest_s, quiet_s = self._silent_after_s.get(name), (wall - last) / 1000
        silent = longest_s is not None and quiet_s > longest_s
        return SourceHealth(state, reason, quiet_s if silent else 0.0)

    def recorded(
        self, alarms: list[AlarmRow], entries: list[ShiftRow], done: "Future[Position]"
    ) -> None:
        """These may be on record now, says the writer's thread: people are told of what is, for a
        number then never comes to mean another."""
        if done.cancelled() or done.exception() is not None:
            return
        alarm, entry = self._recorded
        self._recorded = (
            alarms[-1].number if alarms else alarm,
            entries[-1].number if entries else entry,
        )
        self._alarms.extend(alarms)
        self._entries.extend(entries)

    def news(self, now: float) -> list[Told]:
        """What readers are told of the desk since they were told last."""
        told = _rows("alarms", [self._alarms.popleft() for _ in range(len(self._alarms))])
        told += _rows("shift-log", [self._entries.popleft() for _ in range(len(self._entries))])
        if self._writer().failing != self._told_error:
            told.append(self._log_error())
        if now >= self._sensors_at:
            self._sensors_at = now + _SENSORS_EVERY_S
            told += [self._sensors(), self._holds()]
        return told

    def welcome(self) -> list[Told]:
        """All that a new reader should know of the desk."""
        alarms, entries = self._hub.desk.all()
        known, entered = self._recorded
        return [
            *_rows("alarms", [row for row in alarms if row.number <= known]),
            *_rows("shift-log", [row for row in entries if row.number <= entered]),
            self._sensors(),
            self._holds(),
            self._log_error(),
        ]

    def _log_error(self) -> Told:
        state = self._writer()
        self._told_error = state.failing
        return Told("log-error", msgspec.json.encode((state.failing, state.depth)))

    def _holds(self) -> Told:
        hub = self._hub
        rows = [
            HeldJunction(name.rpartition(":")[2], action_name(action), iso(lease.expires_at))
            for name, (lease, action) in hub.holds.held(hub.now).items()
        ]
        return Told("holds", msgspec.json.encode(rows))

    def _sensors(self) -> Told:
        shown = self._hub.watch.shown(self._hub.now, self._hub.desk.wall)
        return Told("sensors", msgspec.json.encode(shown))


def _rows(topic: str, rows: list[AlarmRow] | list[ShiftRow]) -> list[Told]:
    return [Told(topic, msgspec.json.encode(rows))] if rows else []
