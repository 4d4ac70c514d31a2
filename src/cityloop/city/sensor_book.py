"""How every sensor of the city does: heard of, available, rejected, frozen. A fold of the log.

What the gate rejected is no part of the log: those counts begin with what it keeps of them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from math import isnan

import numpy as np
import numpy.typing as npt

from cityloop.analysis.availability import NEVER, Availability
from cityloop.analysis.unchanged import Unchanged
from cityloop.city.surface_alarms import SensorColumns, SensorsShown
from cityloop.kernel.changes import Reject
from cityloop.kernel.clock import CityTime
from cityloop.kernel.frame import Array, Bools, EntityIds, Frame
from cityloop.kernel.ports import Batch
from cityloop.reaction.conditions import Condition

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SILENT_S = 60.0
FROZEN_S, FROZEN_LOOKS = 300.0, 30
ABSURD_AT_LEAST, ABSURD_WITHIN_S, ABSURD_LASTS_S = 3, 300.0, 120.0
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
class Rejected:
    """What the gate refused of one device: in all, and since ``since`` (city time)."""

    total: int = 0
    newest: int = 0
    attribute: str = ""
    since: int = 0
    lately: int = 0

    def take(self, reject: Reject) -> None:
        """One more value refused."""
        if not 0 <= reject.at - self.since <= ABSURD_WITHIN_S * 1000:
            self.since, self.lately = reject.at, 0
        self.total, self.lately = self.total + 1, self.lately + 1
        self.newest, self.attribute = reject.at, reject.attribute

    def absurd(self, now: CityTime) -> bool:
        """Whether it keeps saying what cannot be."""
        lasts = 0 <= now - self.newest <= ABSURD_LASTS_S * 1000
        return self.lately >= ABSURD_AT_LEAST and lasts


@dataclass(slots=True)
class _Field:
    """The sensors of one type."""

    ids: EntityIds
    availability: Availability
    unchanged: Unchanged
    repeats_s: Floats
    rows: dict[bytes, Ints] = field(default_factory=dict)


class SensorBook:
    """Every declared sensor. ``junctions``: device → the junction that it watches for."""

    def __init__(
        self, devices: Mapping[str, EntityIds], junctions: Mapping[str, str], every_s: float
    ) -> None:
        self._fields = {
            type_: _Field(
                ids, Availability(len(ids), every_s), Unchanged(len(ids)), np.zeros(len(ids))
            )
            for type_, ids in devices.items()
        }
        self._known = {name for ids in devices.values() for name in ids}
        self._junctions = junctions
        self._rejected: dict[str, Rejected] = {}
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
        if part.ids is sensors.ids or part.ids == sensors.ids:
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

    def reject(self, rejects: Iterable[Reject]) -> None:
        """Count what the gate refused of declared devices."""
        for reject in rejects:
            if reject.entity in self._known:
                self._rejected.setdefault(reject.entity, Rejected()).take(reject)

    def count_rejected(self, totals: Mapping[str, int]) -> None:
        """Begin with what was refused before this hub started: device → how many."""
        for name, total in totals.items():
            if name in self._known:
                self._rejected.setdefault(name, Rejected()).total += total

    def look(self, latest: Mapping[str, Frame]) -> None:
        """See whether the newest readings are the same as ever; about once a second."""
        for type_, sensors in self._fields.items():
            part = latest.get(type_)
            if part is not None and part.ids == sensors.ids and type_ != CABINET:
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
        for name, rejected in self._rejected.items():
            row = sensors.ids.index.get(name)
            if row is not None and rejected.absurd(now):
                health[row] = Health.ABSURD
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
        for row in np.flatnonzero(health).tolist():
            name, how = sensors.ids.names[row], Health(int(health[row]))
            where = self._junctions.get(name)
            data: dict[str, object] = {"junction": where}
            match how:
                case Health.FROZEN:
                    data["minutes"] = round(float(sensors.repeats_s[row]) / 60, 1)
                    yield Condition("sensor-frozen", name, data, where, family=type_)
                case Health.ABSURD:
                    rejected = self._rejected[name]
                    data |= {"rejected": rejected.lately, "attribute": rejected.attribute}
                    yield Condition("sensor-absurd", name, data, where, family=type_)
                case _ if silence_s[row] > SILENT_S:
                    kind = "cabinet-silent" if type_ == CABINET else "sensor-silent"
                    data["silent_s"] = round(float(silence_s[row]))
                    yield Condition(kind, name, data, where, family=type_)

    def shown(self, now: CityTime) -> SensorsShown:
        """What people see of all sensors, in columns."""
        types = {
            type_: SensorColumns(
                sensors.availability.last_seen().tolist(),
                _or_none(sensors.availability.share()),
                self.health(type_, now).tolist(),
            )
            for type_, sensors in self._fields.items()
        }
        return SensorsShown(types, {name: r.total for name, r in self._rejected.items()})

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
