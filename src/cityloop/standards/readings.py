"""What a payload said, as columns: the answer of every payload decoder, before the gate.

A decoder is pure: bytes in, ``Decoded`` out. What it cannot read of a payload becomes a ``Fault``
and the rest goes on; only a payload that is unreadable as a whole raises ``InputError``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from cityloop.kernel.changes import Reject
from cityloop.kernel.clock import CityTime, city_time
from cityloop.kernel.errors import InputError
from cityloop.kernel.frame import Array, Bools, Column
from cityloop.standards.attributes import Attribute
from cityloop.standards.units import convert, unit_code

Ints = npt.NDArray[np.int64]
Texts = npt.NDArray[np.object_]
Absent = type(...)
ABSENT = ...
"""A cell that carries no value at all; ``None`` is an explicit null."""

VALUE_LENGTH = 100
_FAULTS_KEPT = 1000
_LATEST_S = 253_402_300_799


@dataclass(frozen=True, slots=True)
class Fault:
    """What of a payload could not be read. ``place``: where, as a person would point at it.

    ``content``: what it takes to try again (``standards.kept``); may be empty. ``count``: how many
    it stands for.
    """

    place: str
    reason: str
    entity: str = ""
    attribute: str = ""
    value: str = ""
    content: bytes = b""
    count: int = 1

    def reject(self, source: str, run: str, at: CityTime) -> Reject:
        """This fault as the reject log keeps it."""
        reason = f"{self.reason} (at {self.place})" if self.place else self.reason
        what = self.entity, self.attribute, self.value
        return Reject(source, run, at, *what, reason, self.content, self.count)


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """Observations of one entity type, each row with its own entity and time, as a payload names
    them: the gate's door turns names into rows of what is declared (``kernel.rows``).

    ``entities``: shape (n,), str. ``observed_at``: shape (n,), int64 ms since 1970. ``columns``:
    attribute → column of n rows, in the unit and kind that its attribute table declares.
    """

    type: str
    entities: Texts
    observed_at: Ints
    columns: Mapping[str, Column] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.entities)

    @property
    def observations(self) -> int:
        """Rows × attributes, less the absent."""
        gone = sum(int(c.absent.sum()) for c in self.columns.values() if c.absent is not None)
        return len(self) * len(self.columns) - gone


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """All that one payload said. ``fault_count`` counts the faults beyond those kept, too."""

    readings: tuple[Readings, ...] = ()
    faults: tuple[Fault, ...] = ()
    fault_count: int = 0

    def all_faults(self) -> tuple[Fault, ...]:
        """The faults that are kept, and one that stands for all the others."""
        others = self.fault_count - sum(fault.count for fault in self.faults)
        if others <= 0:
            return self.faults
        why = f"too many faults: {others} more of this payload, which are not kept"
        return (*self.faults, Fault("", why, count=others))


class Faults:
    """Collects the faults of one payload; keeps the first thousand, counts all."""

    def __init__(self) -> None:
        self.kept: list[Fault] = []
        self.count = 0

    def add(
        self,
        place: str,
        reason: str,
        *,
        entity: str = "",
        attribute: str = "",
        value: object = ABSENT,
    ) -> None:
        """One more fault; ``value`` is cut where it is long."""
        self.count += 1
        if len(self.kept) < _FAULTS_KEPT:
            text = "" if value is ABSENT else shown(value)
            self.kept.append(Fault(place, reason, entity[:500], attribute[:200], text))

    def of(self, readings: Iterable[Readings]) -> Decoded:
        """What was decoded, with these faults; readings without any column are left out."""
        parts = tuple(part for part in readings if len(part) and part.columns)
        return Decoded(parts, tuple(self.kept), self.count)


def shown(value: object) -> str:
    """``value`` as short text for a fault; never longer than ``VALUE_LENGTH``."""
    if isinstance(value, bytes):
        return repr(value[:VALUE_LENGTH])[:VALUE_LENGTH]
    if isinstance(value, str):
        return value[:VALUE_LENGTH]
    if isinstance(value, int) and value.bit_length() > 256:
        return f"an integer of {value.bit_length()} bits"
    if isinstance(value, list | dict):
        return f"a {type(value).__name__} of {len(value)}"
    return str(value)[:VALUE_LENGTH]


def read_time(text: object) -> CityTime:
    """An instant from ISO 8601 / RFC 3339 text with its zone, or from POSIX seconds.

    Raises InputError for anything else: a time without zone means a different hour in each city.
    """
    if isinstance(text, str):
        try:
            return city_time(datetime.fromisoformat(text))
        except (ValueError, OverflowError) as error:
            raise InputError(f"{text[:40]!r} is not a time with zone: {error}") from None
    if isinstance(text, int | float) and not isinstance(text, bool) and 0 <= text <= _LATEST_S:
        return CityTime(round(text * 1000))
    raise InputError(f"{shown(text)!r} is not a time: give ISO 8601 with zone or POSIX seconds")


def read_local_time(text: object, utc_offset_s: float = 0.0) -> CityTime:
    """As ``read_time``, but text without zone is taken to be ``utc_offset_s`` ahead of UTC."""
    if isinstance(text, str) and len(text) <= 40:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return read_time(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
            return CityTime(city_time(moment) - round(utc_offset_s * 1000))
    return read_time(text)


def column_of(
    cells: Sequence[object], declared: Attribute, unit: str = ""
) -> tuple[Column, Sequence[int], str]:
    """Cells as a column of the declared kind and unit, the rows that do not fit, and why.

    Cells are plain JSON values, ``None`` for null, ``ABSENT`` for no value. ``unit``: symbol or
    code that the numbers are given in; empty for the declared one. A declared
    attribute without unit takes its values as they are. Rows that do not fit are
    absent. Raises InputError where the unit does not convert: then nothing of it can be taken.
    """
    kinds = set(map(type, cells))
    absent, null = _mask(cells, Absent, kinds), _mask(cells, type(None), kinds)
    fits = _FITS[declared.kind]
    bad: list[int] = []
    reason = ""
    if not kinds <= fits | {Absent, type(None)}:
        bad = [
            row
            for row, cell in enumerate(cells)
            if type(cell) not in fits and cell is not None and cell is not ABSENT
        ]
        reason = f"wrong kind: {declared.kind} is declared"
    values, strange = _values(cells, declared, bad)
    if strange:
        reason = reason or f"wrong kind: not a {declared.kind} in range of the machine"
        bad = sorted({*bad, *strange})
    values = converted(values, unit, declared)
    if bad:
        absent = np.zeros(len(cells), np.bool_) if absent is None else absent
        absent[bad] = True
    return Column(values, absent, null), bad, reason


_FITS: dict[str, set[type]] = {
    "number": {float, int},
    "integer": {int, float},
    "boolean": {bool},
    "text": {str},
}
_BLANK: dict[str, object] = {"number": 0.0, "integer": 0, "boolean": False, "text": ""}
_DTYPE: dict[str, type] = {
    "number": np.float64, "integer": np.int64, "boolean": np.bool_, "text": object,
}  # fmt: skip


def _mask(cells: Sequence[object], kind: type, kinds: set[type]) -> Bools | None:
    if kind not in kinds:
        return None
    return np.array([type(cell) is kind for cell in cells], np.bool_)


def _values(
    cells: Sequence[object], declared: Attribute, bad: Sequence[int]
) -> tuple[Array, list[int]]:
    """The dense values, blank where there are none, and the rows that no machine number holds."""
    blank, dtype = _BLANK[declared.kind], _DTYPE[declared.kind]
    out: list[object] = list(cells)
    if bad or not set(map(type, cells)) <= _FITS[declared.kind]:
        for row in bad:
            out[row] = blank
        out = [blank if cell is None or cell is ABSENT else cell for cell in out]
    strange: list[int] = []
    if declared.kind in ("number", "integer"):
        whole = declared.kind == "integer"
        strange = (
            [] if _plain(out, whole) else [r for r, c in enumerate(out) if not _holds(c, whole)]
        )
        for row in strange:
            out[row] = blank
    return np.array(out, dtype=dtype), strange


def _plain(cells: list[object], whole: bool) -> bool:
    """Whether no cell needs a closer look: small integers, or floats where those are meant."""
    try:
        array = np.array(cells)
    except (OverflowError, ValueError):
        return False
    return array.dtype.kind == "i" or (array.dtype.kind == "f" and not whole) or not len(cells)


def _holds(cell: object, whole: bool) -> bool:
    if isinstance(cell, int):
        return -(2**63) <= cell < 2**63
    return isinstance(cell, float) and (not whole or (cell.is_integer() and abs(cell) < 2**63))


def converted(values: Array, unit: str, declared: Attribute) -> Array:
    """Numbers, shape (n,), from ``unit`` (symbol or code; empty for the declared one) to the
    declared unit; raises InputError where it does not convert."""
    if not unit or not declared.unit or declared.kind not in ("number", "integer"):
        return values
    given = unit_code(unit)
    if given == declared.unit:
        return values
    numbers = convert(values.astype(np.float64), given, declared.unit)
    return np.rint(numbers).astype(np.int64) if declared.kind == "integer" else numbers


def readings_of(
    declared: Mapping[str, Attribute],
    type_: str,
    entities: Sequence[str],
    observed_at: Sequence[int] | Ints,
    cells: Mapping[str, Sequence[object]],
    faults: Faults,
    *,
    units: Mapping[str, str] | None = None,
    place: str = "",
) -> Readings:
    """Rows from one list of cells per attribute, in the declared kind and unit.

    A cell that does not fit, an attribute that is not declared and a unit that does not convert
    become faults at ``place``; the rest goes on.
    """
    columns: dict[str, Column] = {}
    for name, values in cells.items():
        if name not in declared:
            faults.add(place, "undeclared attribute", attribute=name)
            continue
        try:
            column, bad, why = column_of(values, declared[name], (units or {}).get(name, ""))
        except InputError as error:
            faults.add(place, f"wrong unit: {error}", attribute=name)
            continue
        for row in bad:
            where = f"{place} row {row}".lstrip()
            faults.add(where, why, entity=entities[row], attribute=name, value=values[row])
        if column.absent is None or not column.absent.all():
            columns[name] = column
    return Readings(
        type_,
        np.array(entities, dtype=object),
        np.asarray(observed_at, dtype=np.int64),
        columns,
    )
