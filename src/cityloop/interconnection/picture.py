"""The city as it is now: the newest change of every entity and attribute, folded from commits.

Held in columns per entity type, so that a frame is folded with a few array operations. What no
column can hold (deletes, datasets, extras) is held change by change.
"""

from collections.abc import Collection, Iterator, Mapping, Set
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cityloop.kernel.changes import Change
from cityloop.kernel.clock import CityTime
from cityloop.kernel.frame import Array, Bools, Column, EntityIds, Frame
from cityloop.kernel.ports import Batch
from cityloop.kernel.rows import Rows
from cityloop.kernel.view import Table

Ints = npt.NDArray[np.int64]


class Sight(NamedTuple):
    """What was said anew of one entity: attribute → value (None for null) and when."""

    type: str
    entity: str
    cells: Mapping[str, tuple[Any, CityTime]]


_UNSEEN = -(2**63)
_LISTS_KEPT = 1024


class _Cells:
    """One attribute over all entities of a type; ``at`` is ``_UNSEEN`` where there is no value."""

    def __init__(self, rows: int, dtype: np.dtype[Any]) -> None:
        self.values: Array = np.zeros(rows, dtype)
        self.null: Bools = np.zeros(rows, np.bool_)
        self.at: Ints = np.full(rows, _UNSEEN, np.int64)
        self.run: npt.NDArray[np.int32] = np.zeros(rows, np.int32)
        self.fresh: Bools = np.zeros(rows, np.bool_)

    def grow(self, rows: int) -> None:
        self.values = _grown(self.values, rows, 0)
        self.null = _grown(self.null, rows, 0)
        self.at = _grown(self.at, rows, _UNSEEN)
        self.run = _grown(self.run, rows, 0)
        self.fresh = _grown(self.fresh, rows, 0)

    def put(self, rows: Ints, values: Array, null: Bools | None, at: int | Ints, run: int) -> None:
        """Write ``values`` to ``rows``; kinds of values that differ are kept as they are."""
        if values.dtype != self.values.dtype:
            self.values = self.values.astype(_common(self.values.dtype, values.dtype))
        self.values[rows] = values
        self.null[rows] = False if null is None else null
        self.at[rows] = at
        self.run[rows] = run
        self.fresh[rows] = True


def _grown(array: Array, rows: int, fill: int) -> Any:
    more = np.full(rows - len(array), fill, array.dtype)
    return np.concatenate([array, more])


def _common(left: np.dtype[Any], right: np.dtype[Any]) -> np.dtype[Any]:
    """A dtype that holds both without changing a value or its kind; else Python objects."""
    if {left.kind, right.kind} <= {"i", "u"} or left.kind == right.kind:
        both = np.promote_types(left, right)
        if both.kind in {left.kind, right.kind}:
            return both
    return np.dtype(object)


class _Field:
    """All entities of one type. ``rest``: entity → (attribute, dataset) → change."""

    def __init__(self) -> None:
        self.index: dict[str, int] = {}
        self.cells: dict[str, _Cells] = {}
        self.dirty: Bools = np.zeros(0, np.bool_)
        self.rest: dict[str, dict[tuple[str, str], Change]] = {}
        self._rows: dict[bytes, Ints] = {}

    def rows(self, ids: EntityIds) -> Ints:
        """The row of each entity, new ones appended."""
        found = self._rows.get(ids.digest)
        if found is None:
            found = np.array([self._row(name) for name in ids], np.int64)
            self._grow()
            if len(self._rows) >= _LISTS_KEPT:
                self._rows.clear()
            self._rows[ids.digest] = found
        return found

    def rows_of(self, only: Collection[str] | None) -> Ints:
        """The rows of some entities, as far as they are known; of all where that is None."""
        if only is None:
            return np.arange(len(self.index))
        return np.array([self.index[name] for name in only if name in self.index], np.int64)

    def row(self, name: str) -> int:
        """The row of one entity, appended when new."""
        row = self._row(name)
        self._grow()
        return row

    def _row(self, name: str) -> int:
        return self.index.setdefault(name, len(self.index))

    def _grow(self) -> None:
        if len(self.index) > len(self.dirty):
            size = max(len(self.index), 2 * len(self.dirty))
            self.dirty = _grown(self.dirty, size, 0)
            for cells in self.cells.values():
                cells.grow(size)

    def cells_of(self, attribute: str, dtype: np.dtype[Any]) -> _Cells:
        if attribute not in self.cells:
            self.cells[attribute] = _Cells(len(self.dirty), dtype)
        return self.cells[attribute]

    def known(self) -> int:
        """How many entities have a value."""
        seen = np.zeros(len(self.dirty), np.bool_)
        for cells in self.cells.values():
            seen |= cells.at != _UNSEEN
        for entity, rest in self.rest.items():
            seen[self.index[entity]] |= any(c.operation == "set" for c in rest.values())
        return int(seen.sum())


def _last_of_each(rows: Ints, times: Ints, candidates: Bools) -> Ints:
    """Of the candidates of each row, the place of the newest; the later one of two of a time."""
    places = np.flatnonzero(candidates)
    order = places[np.lexsort((places, times[places], rows[places]))]
    last = np.ones(len(order), np.bool_)
    last[:-1] = rows[order[1:]] != rows[order[:-1]]
    return order[last]


class Picture:
    """The fold. A change wins over one of the same key that was observed earlier, or at the same
    time and committed earlier; a delete wins and is remembered likewise, so nothing late revives
    what it deleted. Types in ``skip`` are left out: records of events have a history, but no now.
    """

    def __init__(self, skip: Set[str] = frozenset()) -> None:
        self._skip = skip
        self._fields: dict[str, _Field] = {}
        self._runs: list[str] = []
        self._run_code: dict[str, int] = {}

    def fold(self, batch: Batch) -> None:
        """Take in all changes of ``batch``: frames, then rows, then what neither holds."""
        for part in batch.frames:
            self._fold_frame(part)
        for rows in batch.rows:
            self._fold_rows(rows)
        for change in batch.changes:
            self._fold_change(change)

    def _field(self, type_: str) -> _Field:
        return self._fields.setdefault(type_, _Field())

    def _run(self, run: str) -> int:
        if run not in self._run_code:
            self._run_code[run] = len(self._runs)
            self._runs.append(run)
        return self._run_code[run]

    def _fold_frame(self, part: Frame) -> None:
        if part.type in self._skip:
            return
        field = self._field(part.type)
        rows, run = field.rows(part.ids), self._run(part.run)
        for attribute, column in part.columns.items():
            cells = field.cells_of(attribute, column.values.dtype)
            fresh = part.observed_at >= cells.at[rows]
            if column.absent is not None:
                fresh &= ~column.absent
            if field.rest:
                fresh &= self._wins_over_rest(field, part, attribute, fresh)
            self._put(cells, rows, column, fresh, part.observed_at, run)
            field.dirty[rows[fresh]] = True

    def _fold_rows(self, part: Rows) -> None:
        if part.type in self._skip or not len(part):
            return
        field = self._field(part.type)
        if field.rest:
            for one in part.frames():
                self._fold_frame(one)
            return
        run = self._run(part.run)
        rows = field.rows(part.ids)[part.entity]
        for attribute, column in part.columns.items():
            cells = field.cells_of(attribute, column.values.dtype)
            fresh = part.observed_at >= cells.at[rows]
            if column.absent is not None:
                fresh &= ~column.absent
            newest = _last_of_each(rows, part.observed_at, fresh)
            null = None if column.null is None else column.null[newest]
            times = part.observed_at[newest]
            cells.put(rows[newest], column.values[newest], null, times, run)
            field.dirty[rows[newest]] = True

    def _put(
        self, cells: _Cells, rows: Ints, column: Column, fresh: Bools, at: int, run: int
    ) -> None:
        if fresh.all():
            cells.put(rows, column.values, column.null, at, run)
        else:
            null = None if column.null is None else column.null[fresh]
            cells.put(rows[fresh], column.values[fresh], null, at, run)

    def _wins_over_rest(
        self, field: _Field, part: Frame, attribute: str, candidates: Bools
    ) -> Bools:
        wins = candidates.copy()
        for row in np.flatnonzero(candidates).tolist():
            rest = field.rest.get(part.ids.names[row], {})
            held = rest.get((attribute, ""))
            if held is not None:
                wins[row] = part.observed_at >= held.observed_at
                if wins[row]:
                    del rest[attribute, ""]
        return wins

    def _fold_change(self, change: Change) -> None:
        if change.type in self._skip:
            return
        field = self._field(change.type)
        row = field.row(change.entity)
        rest = field.rest.setdefault(change.entity, {})
        held = rest.get((change.attribute, change.dataset_id))
        if held is not None and held.observed_at > change.observed_at:
            return
        cells = field.cells.get(change.attribute)
        if cells is not None and not change.dataset_id:
            if cells.at[row] > change.observed_at:
                return
            cells.at[row] = _UNSEEN
        rest[change.attribute, change.dataset_id] = change
        field.dirty[row] = True

    def types(self) -> dict[str, int]:
        """How many entities of each type have a value."""
        return {type_: field.known() for type_, field in self._fields.items()}

    def held(self, type_: str, entity: str) -> list[Change]:
        """The newest change of each attribute and dataset of an entity, deletes too."""
        field = self._fields.get(type_)
        if field is None or entity not in field.index:
            return []
        row = field.index[entity]
        found = [
            Change(
                type_,
                entity,
                attribute,
                self._runs[cells.run[row]],
                CityTime(int(cells.at[row])),
                None if cells.null[row] else cells.values[row : row + 1].tolist()[0],
            )
            for attribute, cells in field.cells.items()
            if cells.at[row] != _UNSEEN
        ]
        return found + list(field.rest.get(entity, {}).values())

    def table(self, type_: str, attributes: tuple[str, ...]) -> Table:
        """The newest numbers of all entities of a type; what is no number is NaN."""
        field = self._fields.get(type_, _Field())
        table = Table.empty(EntityIds(tuple(field.index)), attributes)
        for attribute in attributes:
            table = self._with_column(table, field, attribute)
        for entity, rest in field.rest.items():
            for (attribute, dataset), change in rest.items():
                number = _number(change)
                if attribute in attributes and not dataset and number is not None:
                    row = field.index[entity]
                    table.columns[attribute][row] = number
                    table.observed_at[row] = max(table.observed_at[row], change.observed_at)
        return table

    def _with_column(self, table: Table, field: _Field, attribute: str) -> Table:
        rows, cells = len(table.ids), field.cells.get(attribute)
        values = np.full(rows, np.nan)
        times = table.observed_at
        if cells is not None and cells.values.dtype != object:
            seen = cells.at[:rows] != _UNSEEN
            known = seen & ~cells.null[:rows]
            values[known] = cells.values[:rows][known]
            times = np.where(seen, np.maximum(times, cells.at[:rows]), times)
        return Table(table.ids, {**table.columns, attribute: values}, times)

    def changed(self) -> Iterator[tuple[str, str]]:
        """Type and id of each entity that changed since ``forget_changed``."""
        for type_, field in self._fields.items():
            rows = np.flatnonzero(field.dirty[: len(field.index)]).tolist()
            names = tuple(field.index) if rows else ()
            yield from ((type_, names[row]) for row in rows)

    def sights(self, but: str, only: Collection[str] | None = None) -> list[Sight]:
        """What was said anew of each entity, or of ``only`` some, and not told here since; but in
        the run ``but``.
        """
        code = self._run_code.get(but, -1)
        found: list[Sight] = []
        for type_, field in self._fields.items():
            rows = field.rows_of(only)
            if len(rows):
                found += _sights(type_, field, code, rows)
        return found

    def renew(self, sight: Sight) -> None:
        """Tell of ``sight`` once more, as far as it still holds."""
        field = self._fields[sight.type]
        for attribute in sight.cells:
            field.cells[attribute].fresh[field.index[sight.entity]] = True

    def forget_changed(self) -> None:
        """From here on, count changes anew."""
        for field in self._fields.values():
            field.dirty[:] = False


def _sights(type_: str, field: _Field, but: int, places: Ints) -> Iterator[Sight]:
    names = tuple(field.index)
    found: dict[int, dict[str, tuple[Any, CityTime]]] = {}
    for attribute, cells in field.cells.items():
        fresh = cells.fresh[places] & (cells.at[places] != _UNSEEN)
        rows = places[fresh & (cells.run[places] != but)]
        cells.fresh[places] = False
        values, times = cells.values[rows].tolist(), cells.at[rows].tolist()
        nulls = cells.null[rows].tolist()
        for row, value, at, null in zip(rows.tolist(), values, times, nulls, strict=True):
            found.setdefault(row, {})[attribute] = (None if null else value), CityTime(at)
    return (Sight(type_, names[row], cells) for row, cells in found.items())


def _number(change: Change) -> float | None:
    """The number that ``change`` sets, if it is one."""
    if change.operation == "set" and isinstance(change.value, (int, float)):
        return float(change.value)
    return None
