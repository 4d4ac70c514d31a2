"""Devices that speak when they like: when each was heard last. A fold of the log.

How often they should speak nobody has declared, so silence alone is no alarm of theirs.
"""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from cityloop.analysis.availability import NEVER
from cityloop.city.rejections import Rejections, lying_condition
from cityloop.city.sensor_book import Health
from cityloop.city.surface_alarms import SensorColumns
from cityloop.kernel.clock import CityTime
from cityloop.kernel.frame import Array, EntityIds
from cityloop.kernel.ports import Batch
from cityloop.kernel.rows import Rows
from cityloop.perception.devices import Declared, Device
from cityloop.reaction.conditions import Condition
from cityloop.standards.network import RoadNetwork

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_LISTS_KEPT = 64
VALUES_OF = 500
"""Of a type with more registered devices than this, people are not told the values now: the hub
would write them all again every few seconds. The context has them."""


def registered_sensors(sources: Mapping[str, Declared]) -> dict[str, EntityIds]:
    """Entity type → the devices that all ``sources`` have registered by name."""
    names: dict[str, list[str]] = {}
    for declared in sources.values():
        for type_, ids in declared.ids.items():
            names.setdefault(type_, []).extend(ids)
    return {type_: EntityIds(of) for type_, of in names.items()}


def stand_for(devices: Iterable[Device], network: RoadNetwork) -> dict[str, str]:
    """Device → the detector of the network in whose name it speaks: that of the lane it counts.

    Those whose lane has no detector of their type are left out; ``survey`` tells of them.
    """
    known = lane_detectors(network)
    found = {it.id: known.get((it.type, it.lane)) for it in devices if it.lane}
    return {device: detector for device, detector in found.items() if detector is not None}


def lane_detectors(network: RoadNetwork) -> dict[tuple[str, str], str]:
    """(type, lane) → the detector of that type there; of two, the one before the stop line."""
    pieces, lines = network.detectors, network.stop_lines
    areas = zip(pieces.lanes, pieces.ids, strict=True)
    stops = zip(lines.lanes, lines.ids, strict=True)
    return {("LaneDetector", lane): name for lane, name in areas} | {
        ("StopLineDetector", lane): name for lane, name in stops
    }


class LiveSensors:
    """Every registered device: entity type → ids."""

    def __init__(self, devices: Mapping[str, EntityIds], rejections: Rejections) -> None:
        self._devices = devices
        self._rejections = rejections
        self._seen = {type_: np.full(len(ids), NEVER, np.int64) for type_, ids in devices.items()}
        self._values: dict[str, dict[str, Floats]] = {
            type_: {} for type_, ids in devices.items() if len(ids) <= VALUES_OF
        }
        self._rows: dict[tuple[str, bytes], Ints] = {}

    def see(self, batch: Batch) -> None:
        """Fold what was heard."""
        for part in batch.rows:
            seen = self._seen.get(part.type)
            if seen is not None:
                rows = self._rows_of(part)[part.entity]
                known = rows >= 0
                if part.type in self._values:
                    self._keep(self._values[part.type], part, rows, seen)
                np.maximum.at(seen, rows[known], part.observed_at[known])

    def _keep(self, values: dict[str, Floats], part: Rows, rows: Ints, seen: Ints) -> None:
        """Keep the newest value of each attribute that is a number."""
        news = np.flatnonzero((rows >= 0) & (part.observed_at >= seen[rows]))
        news = news[np.argsort(part.observed_at[news], kind="stable")]
        for name, column in part.columns.items():
            if column.values.dtype.kind in "iuf":
                held = values.setdefault(name, np.full(len(seen), np.nan))
                said = news if column.absent is None else news[~column.absent[news]]
                numbers = column.values[said].astype(np.float64)
                null = column.null is not None and column.null[said]
                held[rows[said]] = np.where(null, np.nan, numbers)

    def _rows_of(self, part: Rows) -> Ints:
        key = part.type, part.ids.digest
        if key not in self._rows:
            if len(self._rows) >= _LISTS_KEPT:
                self._rows.clear()
            index = self._devices[part.type].index
            self._rows[key] = np.array([index.get(name, -1) for name in part.ids], np.int64)
        return self._rows[key]

    def conditions(self, now: CityTime) -> Iterator[Condition]:
        """Those that lie; ``now`` by the clock of live sources."""
        for type_, ids in self._devices.items():
            for row, rejected in self._rejections.lying(ids, now):
                yield lying_condition(ids.names[row], rejected, now, None, type_)

    def shown(self, now: CityTime) -> dict[str, SensorColumns]:
        """What people see of them, by type."""
        return {type_: self._columns(type_, ids, now) for type_, ids in self._devices.items()}

    def _columns(self, type_: str, ids: EntityIds, now: CityTime) -> SensorColumns:
        seen = self._seen[type_]
        health = np.where(seen == NEVER, Health.NEVER, Health.OK)
        for row, rejected in self._rejections.lying(ids, now):
            health[row] = Health.FROZEN if rejected.frozen else Health.ABSURD
        values = {
            name: [None if np.isnan(value) else value for value in held.tolist()]
            for name, held in self._values.get(type_, {}).items()
        }
        return SensorColumns(seen.tolist(), [None] * len(ids), health.tolist(), values)

    def save(self) -> dict[str, Array]:
        """When each was heard and what it said, as named arrays."""
        state: dict[str, Array] = {type_: seen.copy() for type_, seen in self._seen.items()}
        for type_, values in self._values.items():
            state |= {f"{type_}|{name}": held.copy() for name, held in values.items()}
        return state

    def load(self, state: Mapping[str, Array]) -> None:
        """Go on from what ``save`` gave; other devices than then start afresh."""
        for type_, seen in self._seen.items():
            if type_ in state and state[type_].shape == seen.shape:
                self._seen[type_] = state[type_].astype(np.int64)
                self._load_values(type_, state)

    def _load_values(self, type_: str, state: Mapping[str, Array]) -> None:
        for name, held in state.items():
            of, _, attribute = name.partition("|")
            if attribute and of == type_ and type_ in self._values:
                self._values[type_][attribute] = held.astype(np.float64)
