"""How the machine does, for the hub's alarms; and what the hub's readers are told of them."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from cityloop.city.alarm_rules import Machine, SourceHealth, Trouble
from cityloop.city.hub import Hub
from cityloop.city.rows import action_name
from cityloop.city.surface_alarms import HeldJunction
from cityloop.city.wire import Roll, Told
from cityloop.interconnection.writer import WriterState
from cityloop.kernel.clock import WallTime, iso

_EVERY_S = 1.0
_SENSORS_EVERY_S = 5.0
_QUIET_S = 10.0


class Lookout:
    """Looks at disk, log, processes and sources about once a second, whatever the city's pace."""

    def __init__(
        self,
        folder: Path,
        writer: Callable[[], WriterState],
        latency_p99_ms: Callable[[], float | None],
    ) -> None:
        self._folder = folder
        self._writer = writer
        self._latency_p99_ms = latency_p99_ms
        self._next = self._sensors_at = 0.0
        self._heard_at: dict[str, float] = {}
        self.roll = Roll({}, 1.0, False)

    def heard(self, source: str) -> None:
        """A source has sent something."""
        self._heard_at[source] = time.monotonic()

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
        )

    def twin(self, name: str, now: float) -> SourceHealth:
        """How a twin's source does: quiet is what a running twin should not be."""
        speed = self.roll.speed
        quiet_s = now - self._heard_at.setdefault(name, now)
        if self.roll.paused:
            self.heard(name)
        longest_s = max(_QUIET_S, 3.0 / speed) if speed else _QUIET_S
        silent_s = quiet_s if quiet_s > longest_s and not self.roll.paused else 0.0
        return SourceHealth("ok", "", silent_s)

    def news(self, hub: Hub, now: float) -> list[Told]:
        """What readers are told of the desk since they were told last."""
        alarms, entries = hub.desk.fresh()
        told = [Told("alarms", msgspec.json.encode(alarms))] if alarms else []
        told += [Told("shift-log", msgspec.json.encode(entries))] if entries else []
        if now >= self._sensors_at:
            self._sensors_at = now + _SENSORS_EVERY_S
            told += [_sensors(hub), _holds(hub)]
        return told

    def welcome(self, hub: Hub) -> list[Told]:
        """All that a new reader should know of the desk."""
        alarms, entries = hub.desk.all()
        return [
            Told("alarms", msgspec.json.encode(alarms)),
            Told("shift-log", msgspec.json.encode(entries)),
            _sensors(hub),
            _holds(hub),
        ]


def _holds(hub: Hub) -> Told:
    rows = [
        HeldJunction(name.rpartition(":")[2], action_name(action), iso(lease.expires_at))
        for name, (lease, action) in hub.holds.held(hub.now).items()
    ]
    return Told("holds", msgspec.json.encode(rows))


def _sensors(hub: Hub) -> Told:
    return Told("sensors", msgspec.json.encode(hub.watch.sensors.shown(hub.now)))
