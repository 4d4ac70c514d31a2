"""Which devices may speak: registered one by one in devices.csv, or declared by a pattern."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import translate

import numpy as np

from cityloop.kernel.errors import Gathered
from cityloop.kernel.frame import EntityIds
from cityloop.kernel.rows import Rows
from cityloop.standards.csv_rows import Row, read_rows
from cityloop.standards.readings import Readings

COLUMNS = ("id", "type", "source", "longitude", "latitude", "owner")
MOST_BY_PATTERN = 100_000
"""So many devices of a type may a pattern let in; then something invents ids."""


@dataclass(frozen=True, slots=True)
class Device:
    """One registered device. ``longitude``, ``latitude``: WGS 84 degrees; None where not known.

    ``lane``: of the network, which it counts; empty where it counts none.
    """

    id: str
    type: str
    source: str
    longitude: float | None
    latitude: float | None
    owner: str
    lane: str = ""


def read_devices(content: bytes, name: str) -> list[Device]:
    """What a devices.csv, called ``name`` in messages, registers; raises all mistakes at once.

    An id belongs to one source: two that speak of it are two devices with one id.
    """
    told = Gathered()
    devices: dict[str, Device] = {}
    for row in read_rows(content, name, COLUMNS):
        with told:
            device = _read_device(row)
            if device.id in devices:
                row.fail(f"{device.id} is registered twice", "give each device an id of its own")
            devices[device.id] = device
    told.check()
    return list(devices.values())


def _read_device(row: Row) -> Device:
    def degrees(column: str, most: float) -> float | None:
        return row.number(column, -most, most) if row.cells[column].strip() else None

    id_, type_, source = row.text("id"), row.text("type"), row.text("source")
    longitude, latitude = degrees("longitude", 180), degrees("latitude", 90)
    lane = row.cells.get("lane", "").strip()
    return Device(id_, type_, source, longitude, latitude, row.cells["owner"], lane)


@dataclass(frozen=True, slots=True)
class Declared:
    """The devices one source may speak of: ``ids`` and ``patterns`` by entity type."""

    ids: Mapping[str, EntityIds] = field(default_factory=dict)
    patterns: Mapping[str, str] = field(default_factory=dict)

    @property
    def types(self) -> set[str]:
        """Entity types of which the source may deliver anything."""
        return {*self.ids, *self.patterns}

    def allows(self, type_: str) -> "Allows":
        """Tells of a name whether it may speak for the type."""
        return Allows(self.ids.get(type_, EntityIds(())), self.patterns.get(type_))


class Allows:
    """Whether a device is declared, by id or by pattern (``*`` stands for anything)."""

    def __init__(self, ids: EntityIds, pattern: str | None) -> None:
        self.ids = ids
        self._pattern = re.compile(translate(pattern)) if pattern else None

    def __call__(self, name: str) -> bool:
        """Whether ``name`` may speak."""
        return name in self.ids.index or (
            self._pattern is not None and self._pattern.match(name) is not None
        )


def declared_devices(
    devices: Iterable[Device], patterns: Mapping[str, Mapping[str, str]]
) -> dict[str, Declared]:
    """What each source may speak of. ``patterns``: source → type → pattern."""
    ids: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for device in devices:
        ids[device.source][device.type].append(device.id)
    return {
        source: Declared({type_: EntityIds(names) for type_, names in ids[source].items()}, by_type)
        for source, by_type in patterns.items()
    }


class Register:
    """Turns the names in readings into rows of one list of ids per type, which only grows."""

    def __init__(self, declared: Declared) -> None:
        self._declared = declared
        self._allows = {type_: declared.allows(type_) for type_ in declared.types}
        self._ids = {type_: allows.ids for type_, allows in self._allows.items()}

    @property
    def devices(self) -> int:
        """How many devices are declared, or have spoken where a pattern declares them."""
        return sum(map(len, self._ids.values()))

    def rows(self, readings: Readings, run: str) -> tuple[Rows | None, Sequence[int]]:
        """The rows of declared devices, and which of the readings name no such device."""
        ids = self._ids.get(readings.type)
        if ids is None:
            return None, range(len(readings))
        names = readings.entities.tolist()
        entity = ids.rows(names)
        if entity.min(initial=0) < 0:
            ids = self._grown(readings.type, ids, readings.entities[entity < 0].tolist())
            entity = ids.rows(names)
        rows = Rows(readings.type, run, ids, entity, readings.observed_at, readings.columns)
        known = entity >= 0
        if known.all():
            return rows, ()
        return rows.taken(known) if known.any() else None, np.flatnonzero(~known).tolist()

    def _grown(self, type_: str, ids: EntityIds, names: Iterable[str]) -> EntityIds:
        allows = self._allows[type_]
        fresh = [name for name in dict.fromkeys(names) if allows(name)]
        if fresh and len(ids) + len(fresh) <= MOST_BY_PATTERN:
            self._ids[type_] = ids = EntityIds((*ids.names, *fresh))
        return ids
