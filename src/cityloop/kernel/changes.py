"""The Change, the canonical record, and its lossless split into frames and a remainder."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import NoneType
from typing import Literal

import numpy as np

from cityloop.kernel.clock import CityTime
from cityloop.kernel.frame import Array, Column, EntityIds, Frame

Value = None | bool | int | float | str | list["Value"] | dict[str, "Value"]
Operation = Literal["set", "delete"]


@dataclass(frozen=True, slots=True)
class Change:
    """One attribute of one entity, set or deleted at one city time of one run.

    ``extras`` holds what a frame's column cannot: unit overrides, sub-attributes, a dataset's own
    metadata. A ``None`` value of a ``set`` is an explicit null, not an absence.
    """

    type: str
    entity: str
    attribute: str
    run: str
    observed_at: CityTime
    value: Value
    operation: Operation = "set"
    dataset_id: str = ""
    extras: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reject:
    """What the gate did not let in, and why. ``value`` as text, cut where it is long.

    ``attribute`` is empty when a whole entity, ``entity`` too when a whole frame was refused.
    ``content``: all of it, as its reader wrote it, so that it can be tried again; may be empty.
    ``count``: how many this one stands for, where there were too many to tell one by one.
    """

    source: str
    run: str
    at: CityTime
    entity: str
    attribute: str
    value: str
    reason: str
    content: bytes = b""
    count: int = 1


_KINDS: dict[type, type] = {bool: np.bool_, int: np.int64, float: np.float64, str: object}
_Cells = dict[str, dict[str, Value]]


def _dense(change: Change) -> bool:
    """Whether a frame can hold this change without loss."""
    if change.operation != "set" or change.dataset_id or change.extras:
        return False
    if type(change.value) is int:
        return -(2**63) <= change.value < 2**63
    return change.value is None or type(change.value) in _KINDS


def read_frames(changes: Iterable[Change]) -> tuple[list[Frame], list[Change]]:
    """Split ``changes`` into frames and the remainder that no frame can hold.

    One frame per (type, run, time). A key written twice, an attribute of mixed types, deletes,
    datasets and extras go to the remainder, and so does all that follows for the same entity and
    attribute. ``write_changes`` restores the same changes; those of one entity, attribute, run and
    time keep their order.
    """
    groups: dict[tuple[str, str, CityTime], _Cells] = defaultdict(dict)
    kinds: dict[tuple[str, str, CityTime, str], type] = {}
    rest: list[Change] = []
    spilled: set[tuple[str, str]] = set()
    for change in changes:
        key = (change.type, change.run, change.observed_at)
        name = (change.entity, change.attribute)
        cells = groups[key].setdefault(change.attribute, {})
        kind = type(change.value)
        if (
            name in spilled
            or not _dense(change)
            or change.entity in cells
            or (kind is not NoneType and kinds.setdefault((*key, change.attribute), kind) != kind)
        ):
            spilled.add(name)
            rest.append(change)
        else:
            cells[change.entity] = change.value
    return [
        _frame(*key, cells, kinds) for key, cells in groups.items() if any(cells.values())
    ], rest


def _frame(
    type_: str,
    run: str,
    at: CityTime,
    cells: _Cells,
    kinds: Mapping[tuple[str, str, CityTime, str], type],
) -> Frame:
    ids = EntityIds(list(dict.fromkeys(name for column in cells.values() for name in column)))
    columns = {
        attribute: _column(ids, values, kinds.get((type_, run, at, attribute), float))
        for attribute, values in cells.items()
        if values
    }
    return Frame(type_, run, at, ids, columns)


def _column(ids: EntityIds, cells: Mapping[str, Value], kind: type) -> Column:
    absent = np.array([name not in cells for name in ids], dtype=np.bool_)
    null = np.array([name in cells and cells[name] is None for name in ids], dtype=np.bool_)
    blank = "" if kind is str else kind()
    values: Array = np.array(
        [blank if cells.get(name) is None else cells[name] for name in ids], dtype=_KINDS[kind]
    )
    return Column(values, absent if absent.any() else None, null if null.any() else None)


def write_changes(frames: Iterable[Frame], rest: Iterable[Change] = ()) -> list[Change]:
    """Every change that the frames and the remainder hold, frames first."""
    changes: list[Change] = []
    for part in frames:
        for attribute, column in part.columns.items():
            values = column.values.tolist()
            for row, entity in enumerate(part.ids):
                if column.absent is not None and column.absent[row]:
                    continue
                null = column.null is not None and column.null[row]
                changes.append(
                    Change(
                        part.type,
                        entity,
                        attribute,
                        part.run,
                        part.observed_at,
                        None if null else values[row],
                    )
                )
    changes.extend(rest)
    return changes
