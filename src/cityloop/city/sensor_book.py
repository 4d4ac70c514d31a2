"""How every sensor of the twin does: heard of, available, rejected, frozen. A fold of the log."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from math import isnan

import numpy as np
import numpy.typing as npt

from cityloop.analysis.availability import NEVER, Availability
from cityloop.analysis.unchanged import Unchanged
from cityloop.city.rejections import Rejections, lying_condition
from cityloop.city.surface_alarms import SensorColumns
from cityloop.kernel.clock import CityTime
from cityloop.kernel.frame import Array, Bools, EntityIds, Frame
from cityloop.kernel.ports import Batch
from cityloop.reaction.alarm_kinds import Datum
from cityloop.reaction.conditions import Condition

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SILENT_S = 60.0
FROZEN_S, FROZEN_LOOKS = 300.0, 30
_MOVING_MPS = 0.5
CABINET = "SignalController"


class Health(IntEnum):
    """How a sensor does; in this order, ``surface_alarms.SensorState`` in words."""

    OK = 0
    SILENT = 1
    FROZEN = 2
    ABSURD = 3
    NEVER = 4


@dataclass(slots=True)
class _Field:
    """The sensors of one type."""

    ids: EntityIds
    availability: Availability
    unchanged: Unchanged
    repeats_s: Floats
    rows: dict[bytes, Ints] = field(default_factory=dict)


class SensorBook:
    """Every declared sensor; each speaks every ``every_s`` seconds. ``junctions``: device → the
    junction that it watches for."""

    def __init__(
        self,
        devices: Mapping[str, EntityIds],
        junctions: Mapping[str, str],
        rejections: Rejections,
        every_s: float,
    ) -> None:
        self._fields = {
            type_: _Field(
                ids, Availability(len(ids), every_s), Unchanged(len(ids)), np.zeros(len(ids))
            )
            for type_, ids in devices.items()
        }
        self._junctions = junctions
        self._rejections = rejections
        self._run = ""
        self.begins = self._now = CityTime(0)
        """When the run began, as far as sensors tell."""

    def see(self, batch: Batch) -> None:
        """Fold what was heard; a frame in which nothing is missing costs next to nothing."""
        for part in batch.frames:
            sensors = self._fields.get(part.type)
            if sensors is not None:
                self._hear(sensors, part)

    def _hear(self, sensors: _Field, part: Frame) -> None:
        if part.run != self._run:
            self._run, self.begins = part.run, part.observed_at
        self._now = max(self._now, part.observed_at)
        if part.ids.digest == sensors.ids.digest:
            sensors.availability.see(part.run, part.observed_at, whole=_whole(part))
            return
        rows = sensors.rows.get(part.ids.digest)
        if rows is None:
            sensors.rows.clear()
            rows = np.array([sensors.ids.index.get(name, -1) for name in part.ids], dtype=np.int64)
            sensors.rows[part.ids.digest] = rows
        known = rows >= 0
        whole = _whole(part)
        known = known if whole is None else known & whole
        sensors.availability.see(part.run, part.observed_at, rows, known)

    def look(self, latest: Mapping[str, Frame]) -> None:
        """See whether the newest readings are the same as ever; about once a second."""
        for type_, sensors in self._fields.items():
            part = latest.get(type_)
            if part is not None and part.ids.digest == sensors.ids.digest and type_ != CABINET:
                repeats_s, looks = sensors.unchanged.look(part.run, part.observed_at, _moving(part))
                sensors.repeats_s = np.where(looks >= FROZEN_LOOKS, repeats_s, 0.0)

    def health(self, type_: str, now: CityTime) -> npt.NDArray[np.int8]:
        """(n,) of Health, for the devices of a type."""
        sensors = self._fields[type_]
        seen = sensors.availability.last_seen()
        health = np.zeros(len(sensors.ids), dtype=np.int8)
        health[sensors.repeats_s >= FROZEN_S] = Health.FROZEN
        health[self._silence_s(seen, now) > SILENT_S] = Health.SILENT
        health[seen == NEVER] = Health.NEVER
        for row, rejected in self._rejections.lying(sensors.ids, now):
            health[row] = Health.FROZEN if rejected.frozen else Health.ABSURD
        return health

    def _silence_s(self, seen: Ints, now: CityTime) -> Floats:
        """(n,): since when nothing was heard within the run."""
        return (now - np.maximum(seen, self.begins)) / 1000.0

    def conditions(self, now: CityTime) -> Iterator[Condition]:
        """The sensors that need a person."""
        for type_, sensors in self._fields.items():
            health = self.health(type_, now)
            if health.any():
                yield from self._conditions(type_, sensors, health, now)

    def _conditions(
        self, type_: str, sensors: _Field, health: Array, now: CityTime
    ) -> Iterator[Condition]:
        silence_s = self._silence_s(sensors.availability.last_seen(), now)
        lying = dict(self._rejections.lying(sensors.ids, now))
        for row in np.flatnonzero(health).tolist():
            name, how = sensors.ids.names[row], Health(int(health[row]))
            where = self._junctions.get(name)
            data: dict[str, Datum] = {"junction": where}
            if row in lying:
                yield lying_condition(name, lying[row], now, where, type_)
            elif how == Health.FROZEN:
                data["minutes"] = round(float(sensors.repeats_s[row]) / 60, 1)
                yield Condition("sensor-frozen", name, data, where, family=type_)
            elif silence_s[row] > SILENT_S:
                kind = "cabinet-silent" if type_ == CABINET else "sensor-silent"
                data["silent_s"] = round(float(silence_s[row]))
                yield Condition(kind, name, data, where, family=type_)

    def shown(self, now: CityTime) -> dict[str, SensorColumns]:
        """What people see of them, by type."""
        return {
            type_: SensorColumns(
                sensors.availability.last_seen().tolist(),
                _or_none(sensors.availability.share()),
                self.health(type_, now).tolist(),
            )
            for type_, sensors in self._fields.items()
        }

    def save(self) -> dict[str, Array]:
        """What is folded of the log, as named arrays."""
        state: dict[str, Array] = {
            "run": np.array(self._run),
            "times": np.array([self.begins, self._now]),
        }
        for type_, sensors in self._fields.items():
            state |= {f"{type_}|{n}": a for n, a in sensors.availability.save().items()}
        return state

    def load(self, state: Mapping[str, Array]) -> None:
        """Go on from what ``save`` gave."""
        self._run = str(state["run"])
        self.begins, self._now = (CityTime(int(at)) for at in state["times"])
        for type_, sensors in self._fields.items():
            prefix = f"{type_}|"
            own = {n.removeprefix(prefix): a for n, a in state.items() if n.startswith(prefix)}
            if own:
                sensors.availability.load(own)


def _whole(part: Frame) -> Bools | None:
    """Rows none of whose attributes is absent; None where that is all of them."""
    gone = [column.absent for column in part.columns.values() if column.absent is not None]
    return None if not gone else ~np.logical_or.reduce(gone)


def _moving(part: Frame) -> Floats:
    """(n, attributes): readings while vehicles move or pass; NaN where nothing has to change."""
    columns = []
    for column in part.columns.values():
        values = column.values.astype(np.float64)
        for mask in (column.absent, column.null):
            if mask is not None:
                values = np.where(mask, np.nan, values)
        columns.append(values)
    values = np.stack(columns, axis=1)
    speed = part.columns.get("meanSpeed")
    still = values[:, 0] == 0 if speed is None else ~(speed.values.astype(np.float64) > _MOVING_MPS)
    values[still] = np.nan
    return values


def _or_none(shares: Floats) -> list[float | None]:
    rounded = np.round(shares, 4)
    return [None if isnan(share) else share for share in rounded.tolist()]
