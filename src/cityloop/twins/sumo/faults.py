"""Sensors of a twin that fail on purpose, for drills and tests: the city must notice by itself.

Only what is sent is changed: traffic goes on, and cabinets sense with their own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cityloop.kernel.errors import ConfigError
from cityloop.kernel.frame import Array, Column, EntityIds, Frame
from cityloop.standards.csv_rows import Row, read_rows

COLUMNS = ("device", "fault", "from_s", "until_s")
_Reading = tuple[Any, bool]
"""Value, and whether it is null."""
SILENT, FROZEN, ABSURD = "silent", "frozen", "absurd"


@dataclass(frozen=True, slots=True)
class Fault:
    """Device ``device`` of ``type`` is silent, frozen or absurd in the seconds [from, until)."""

    type: str
    device: str
    fault: str
    from_s: float
    until_s: float


def read_faults(path: Path, devices: Mapping[str, EntityIds]) -> tuple[Fault, ...]:
    """The table at ``path``; ``device`` may leave out ``urn:ngsi-ld:``. Raises MistakeError with
    the line of a device that does not exist or a fault that is none, ConfigError without a file.
    """
    types = {name: type_ for type_, ids in devices.items() for name in ids}
    try:
        content = path.read_bytes()
    except OSError as error:
        why = f"{error.strerror}; mend faults in city.toml"
        raise ConfigError(f"{path} cannot be read: {why}") from error
    return tuple(_fault(row, types) for row in read_rows(content, str(path), COLUMNS))


def _fault(row: Row, types: Mapping[str, str]) -> Fault:
    name = "urn:ngsi-ld:" + row.text("device").removeprefix("urn:ngsi-ld:")
    if name not in types:
        row.fail(f"there is no device {name}", "write one as LaneDetector:NAME; see /api/sensors")
    begins = row.number("from_s", 0)
    return Fault(
        types[name],
        name,
        row.choice("fault", (SILENT, FROZEN, ABSURD)),
        begins,
        row.number("until_s", begins),
    )


class BrokenSensors:
    """Applies ``faults`` to what a twin sends, second by second."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._faults = tuple(faults)
        self._kept: dict[str, Mapping[str, _Reading]] = {}

    def sent(self, second: float, frames: tuple[Frame, ...]) -> tuple[Frame, ...]:
        """``frames`` of ``second`` as the broken sensors send them."""
        present = [fault for fault in self._faults if fault.from_s <= second < fault.until_s]
        if not present:
            return frames
        return tuple(self._broken(part, present) for part in frames)

    def _broken(self, part: Frame, present: list[Fault]) -> Frame:
        columns = dict(part.columns)
        for fault in present:
            if fault.type == part.type:
                row = part.ids.index[fault.device]
                first = {name: _reading(column, row) for name, column in columns.items()}
                kept = self._kept.setdefault(fault.device, first)
                for name, column in columns.items():
                    columns[name] = _column(column, row, fault.fault, kept[name])
        return replace(part, columns=columns)


def _reading(column: Column, row: int) -> _Reading:
    return column.values[row], column.null is not None and bool(column.null[row])


def _column(column: Column, row: int, fault: str, kept: _Reading) -> Column:
    if fault == SILENT:
        absent = np.zeros(len(column.values), np.bool_) if column.absent is None else column.absent
        gone = absent.copy()
        gone[row] = True
        return replace(column, absent=gone)
    values = column.values.copy()
    value, is_null = kept if fault == FROZEN else (_impossible(values), False)
    values[row] = value
    null = None if column.null is None else column.null.copy()
    if null is not None:
        null[row] = is_null
    return replace(column, values=values, null=null)


def _impossible(values: Array) -> float:
    """More than any sensor can say in the column's own type."""
    return 2.0 ** (8 * values.itemsize - 1) - 1 if values.dtype.kind in "iu" else 1e9
