"""The hub's watch: about once a second it looks at everything and says what needs a person."""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from cityloop.city.alarm_rules import (
    Machine,
    SourceHealth,
    Street,
    loop_conditions,
    machine_conditions,
    refusal_conditions,
    source_conditions,
    street_conditions,
)
from cityloop.city.live_sensors import LiveSensors
from cityloop.city.rejections import Rejections
from cityloop.city.sensor_book import SensorBook
from cityloop.city.surface import DecisionRow
from cityloop.city.surface_alarms import SensorsShown
from cityloop.kernel.clock import CityTime, WallTime
from cityloop.kernel.frame import Bools, EntityIds, Frame
from cityloop.kernel.loop import Mode
from cityloop.kernel.ports import Batch
from cityloop.reaction.alarm_kinds import KINDS
from cityloop.reaction.alarms import Act, Alarm
from cityloop.reaction.conditions import Announcer, Condition, Delays, Instant, unexplained
from cityloop.safety.leases import Lease
from cityloop.safety.modes import ModeBook
from cityloop.standards.network import RoadNetwork

_REFUSALS_KEPT = 200
_EVERY_S = 1.0
"""The twin's sensors speak each second."""


class Watch:
    """Rules, delays and causes over what the hub holds; what it finds goes to the desk.

    ``devices``: the twin's, by type; ``registered``: those of live sources. Their books are folds
    of the log. The rest begins anew with each hub: what people were told stands in the record.
    """

    def __init__(
        self,
        network: RoadNetwork,
        devices: Mapping[str, EntityIds],
        modes: ModeBook,
        registered: Mapping[str, EntityIds],
    ) -> None:
        known = (name for ids in (*devices.values(), *registered.values()) for name in ids)
        self.rejections = Rejections(known)
        junctions = watched_junctions(network)
        self.sensors = SensorBook(devices, junctions, self.rejections, _EVERY_S)
        self.live = LiveSensors(registered, self.rejections)
        self._network = network
        self._modes = modes
        self._sources: dict[str, SourceHealth] = {}
        self._failures: dict[str, tuple[CityTime, int, str]] = {}
        self._refused: defaultdict[str, deque[CityTime]] = defaultdict(
            lambda: deque(maxlen=_REFUSALS_KEPT)
        )
        self._delays = Delays()
        self._announcer = Announcer(len(network.bank.junctions))

    def hear_source(self, name: str, health: SourceHealth) -> None:
        """How a source does now."""
        self._sources[name] = health

    def turned(
        self, accepted: Batch, now: CityTime, rows: Iterable[DecisionRow], failures: Iterable[str]
    ) -> None:
        """What one turn of the loops saw and gave; called per tick, so it only counts."""
        self.sensors.see(accepted)
        for row in rows:
            if row.refused:
                self._refused[row.junction].append(now)
        for failure in failures:
            loop, _, why = failure.partition(": ")
            _, times, _ = self._failures.get(loop, (now, 0, ""))
            self._failures[loop] = now, times + 1, why

    def heard(self, batch: Batch) -> None:
        """What a live source said, now or on record."""
        self.live.see(batch)

    def shown(self, now: CityTime, wall: WallTime) -> SensorsShown:
        """What people see of all sensors, in columns."""
        types = self.sensors.shown(now) | self.live.shown(CityTime(wall))
        return SensorsShown(types, self.rejections.told())

    def told(self, alarms: Iterable[Alarm]) -> None:
        """Take up what people know after a restart."""
        # A kind that an older cityloop knew is told to have cleared.
        known = [alarm for alarm in alarms if alarm.kind in KINDS]
        self._delays.hold((alarm.kind, name) for alarm in known for name in alarm.members)

    def look(
        self,
        now: Instant,
        latest: Mapping[str, Frame],
        held: Mapping[str, tuple[Lease, int]],
        machine: Machine,
        alarms: Sequence[Alarm],
    ) -> list[tuple[Act, Alarm]]:
        """What is new: alarms raised, changed or cleared.

        ``latest``: the newest frame of each type; ``held``: what people hold by hand.
        """
        self.sensors.look(latest)
        seen = {c.key: c for c in self._conditions(now.city, latest, held, machine)}
        seen |= {c.key: c for c in self.live.conditions(CityTime(now.wall))}
        told = {(alarm.kind, name): alarm.subject for alarm in alarms for name in alarm.members}
        lasting = self._delays.settle(unexplained(seen, told), now)
        return self._announcer.tell(alarms, lasting, seen, now)

    def _conditions(
        self,
        now: CityTime,
        latest: Mapping[str, Frame],
        held: Mapping[str, tuple[Lease, int]],
        machine: Machine,
    ) -> Iterable[Condition]:
        yield from machine_conditions(machine)
        yield from source_conditions(self._sources)
        yield from loop_conditions(self._failures, now)
        yield from refusal_conditions(self._refused, now)
        yield from self.sensors.conditions(now)
        street = Street(
            now,
            self.sensors.begins,
            self._network,
            latest.get("SignalController"),
            latest.get("LaneDetector"),
            self._acting(),
            held,
        )
        yield from street_conditions(street)

    def _acting(self) -> Bools:
        """(J,): some loop should act there."""
        acting = np.zeros(len(self._network.bank.junctions), dtype=np.bool_)
        for loop in self._modes.names():
            acting |= self._modes.of(loop) == Mode.ACT
        return acting


def watched_junctions(network: RoadNetwork) -> dict[str, str]:
    """Device → the junction it watches for, or is."""
    width, junctions = network.bank.shape[2], network.bank.junctions
    found = {name: junctions[j].id for j, name in enumerate(network.controller_ids)}
    movements, rows, _ = network.feeds
    for movement, row in zip(movements.tolist(), rows.tolist(), strict=True):
        found[network.detector_ids.names[row]] = junctions[movement // width].id
    for movement, row in enumerate(network.stop_line_of.tolist()):
        if row >= 0:
            found[network.stop_line_ids.names[row]] = junctions[movement // width].id
    return found
