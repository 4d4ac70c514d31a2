"""What a loop sees: its declared inputs, aligned at one instant of city time, never changing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from cityloop.kernel.clock import CityTime
from cityloop.kernel.frame import Array, Column, EntityIds, Frame
from cityloop.kernel.rows import Rows

NEVER = -1
"""``observed_at`` of a row that was never observed."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """The latest value of some attributes of one entity type, row by row.

    ``columns[a]``: shape (n,), float64, NaN where never observed or null. ``observed_at``: shape
    (n,), int64 ms of city time of the row's newest observation, ``NEVER`` where there is none.
    """

    ids: EntityIds
    columns: Mapping[str, npt.NDArray[np.float64]]
    observed_at: npt.NDArray[np.int64]

    @classmethod
    def empty(cls, ids: EntityIds, attributes: tuple[str, ...]) -> "Table":
        """A table in which nothing was observed yet."""
        blank = np.full(len(ids), np.nan)
        return cls(ids, dict.fromkeys(attributes, blank), np.full(len(ids), NEVER, dtype=np.int64))

    def __getitem__(self, attribute: str) -> npt.NDArray[np.float64]:
        return self.columns[attribute]

    def age_s(self, now: CityTime) -> npt.NDArray[np.float64]:
        """Seconds since each row was observed; infinite where it never was. Shape (n,)."""
        age = (now - self.observed_at) / 1000.0
        return np.where(self.observed_at == NEVER, np.inf, age)

    def fold(self, frame: Frame) -> "Table":
        """This table after ``frame``; rows it does not know are left out, older ones keep."""
        late = len(self.ids) and frame.observed_at < self.observed_at.max()
        if frame.ids.digest == self.ids.digest and not late:
            whole = all(frame.columns[a].absent is None for a in self.columns if a in frame.columns)
            if whole and all(name in frame.columns for name in self.columns):
                return self._swap(frame)
        return self._scatter(frame)

    def _swap(self, frame: Frame) -> "Table":
        columns = {name: _floats(frame.columns[name]) for name in self.columns}
        times = np.full(len(self.ids), frame.observed_at, dtype=np.int64)
        return Table(self.ids, columns, times)

    def _scatter(self, frame: Frame) -> "Table":
        rows = np.array([self.ids.index.get(name, -1) for name in frame.ids], dtype=np.int64)
        fresh = rows >= 0
        fresh[fresh] = frame.observed_at >= self.observed_at[rows[fresh]]
        columns, times = dict(self.columns), self.observed_at.copy()
        for name in self.columns:
            column = frame.columns.get(name)
            if column is None:
                continue
            seen = fresh if column.absent is None else fresh & ~column.absent
            values = columns[name].copy()
            values[rows[seen]] = _floats(column)[seen]
            columns[name] = values
            times[rows[seen]] = frame.observed_at
        return Table(self.ids, columns, times)

    def hear(self, part: Rows, places: npt.NDArray[np.int64]) -> "Table":
        """This table after ``part``, as if its ``frames`` were folded one after the other.

        ``places``: for each of ``part.ids`` its row here, -1 where it has none.
        """
        columns, times = dict(self.columns), self.observed_at.copy()
        for name in self.columns:
            news = self.news(part, places, name)
            if not news.size:
                continue
            rows, values = places[part.entity[news]], columns[name].copy()
            values[rows] = _floats(part.columns[name])[news]
            columns[name] = values
            np.maximum.at(times, rows, part.observed_at[news])
        return Table(self.ids, columns, times)

    def news(self, part: Rows, places: npt.NDArray[np.int64], name: str) -> npt.NDArray[np.int64]:
        """Which rows of ``part`` tell of an attribute no older than what is known, by time."""
        column = part.columns.get(name)
        if column is None:
            return np.zeros(0, dtype=np.int64)
        rows = places[part.entity]
        news = rows >= 0
        news[news] = part.observed_at[news] >= self.observed_at[rows[news]]
        if column.absent is not None:
            news &= ~column.absent
        found = np.flatnonzero(news)
        return found[np.argsort(part.observed_at[found], kind="stable")]


def _floats(column: Column) -> npt.NDArray[np.float64]:
    values = column.values.astype(np.float64, copy=False)
    return values if column.null is None else np.where(column.null, np.nan, values)


Memory = Mapping[str, Array]
"""A loop's memory: named arrays, never changed in place, checkpointed with a log position."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """All declared inputs of a loop at ``at``.

    ``watches``: input name → table. ``knows``: reference name → its versioned object (road graph,
    signal plans). Nothing else is reachable from ``analyse``.
    """

    run: str
    at: CityTime
    watches: Mapping[str, Table]
    knows: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Table:
        return self.watches[name]
