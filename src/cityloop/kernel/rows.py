"""Rows: observations of one entity type, each row with an entity and a time of its own."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from cityloop.kernel.clock import CityTime
from cityloop.kernel.frame import Bools, Column, EntityIds, Frame


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Rows:
    """What devices said that speak when they like: a frame's sparse sister.

    ``ids``: the devices of one source that may speak, one list for many batches. ``entity``: shape
    (n,), int32, each row's index into ``ids``; ``observed_at``: shape (n,), int64, ms of city time.
    Every column has n rows. An entity may have several rows, in any order of time.
    """

    type: str
    run: str
    ids: EntityIds
    entity: npt.NDArray[np.int32]
    observed_at: npt.NDArray[np.int64]
    columns: Mapping[str, Column] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = self.entity.shape
        for name, array in (
            ("observed_at", self.observed_at),
            *((name, column.values) for name, column in self.columns.items()),
        ):
            if array.shape != shape:
                raise ValueError(f"{self.type}.{name} has shape {array.shape}, not {shape}")

    def __len__(self) -> int:
        return len(self.entity)

    @property
    def observations(self) -> int:
        """How many observations the rows hold (rows × attributes, less the absent)."""
        gone = sum(int(c.absent.sum()) for c in self.columns.values() if c.absent is not None)
        return len(self) * len(self.columns) - gone

    @property
    def newest(self) -> CityTime:
        """The newest time of any row; 0 when there is none."""
        return CityTime(int(self.observed_at.max())) if len(self) else CityTime(0)

    @property
    def oldest(self) -> CityTime:
        """The oldest time of any row; 0 when there is none."""
        return CityTime(int(self.observed_at.min())) if len(self) else CityTime(0)

    def taken(self, rows: npt.NDArray[np.int64] | Bools) -> "Rows":
        """The rows that an index or a mask names."""
        columns = {
            name: Column(
                column.values[rows],
                None if column.absent is None else column.absent[rows],
                None if column.null is None else column.null[rows],
            )
            for name, column in self.columns.items()
        }
        entity, times = self.entity[rows], self.observed_at[rows]
        return replace(self, entity=entity, observed_at=times, columns=columns)

    def frames(self) -> Iterator[Frame]:
        """The same observations as frames, in order of time.

        One frame per time; where an entity has several rows of one time, one per turn.
        """
        turn = self._turns()
        order = np.lexsort((turn, self.observed_at))
        times, turns = self.observed_at[order], turn[order]
        cuts = np.flatnonzero((np.diff(times) != 0) | (np.diff(turns) != 0)) + 1
        for rows in np.split(order, cuts) if len(order) else ():
            part = self.taken(rows)
            ids = EntityIds([self.ids.names[i] for i in part.entity.tolist()])
            yield Frame(self.type, self.run, CityTime(int(part.observed_at[0])), ids, part.columns)

    def _turns(self) -> npt.NDArray[np.int64]:
        """How many earlier rows have the same entity and time, row by row."""
        order = np.lexsort((np.arange(len(self)), self.observed_at, self.entity))
        entity, times = self.entity[order], self.observed_at[order]
        first = np.ones(len(self), np.bool_)
        first[1:] = (np.diff(entity) != 0) | (np.diff(times) != 0)
        starts = np.maximum.accumulate(np.where(first, np.arange(len(self)), 0))
        turns = np.empty(len(self), np.int64)
        turns[order] = np.arange(len(self)) - starts
        return turns


def joined(parts: Iterable[Rows]) -> list[Rows]:
    """The same rows in as few parts as their types, ids and columns allow; in the same order for
    each type."""
    groups: dict[object, list[Rows]] = {}
    for part in parts:
        kinds = tuple((name, c.values.dtype.char) for name, c in part.columns.items())
        groups.setdefault((part.type, part.run, id(part.ids), kinds), []).append(part)
    return [group[0] if len(group) == 1 else _joined(group) for group in groups.values()]


def _joined(parts: Sequence[Rows]) -> Rows:
    def mask(masks: Sequence[Bools | None]) -> Bools | None:
        if all(one is None for one in masks):
            return None
        zeros = (
            np.zeros(len(part), np.bool_) if one is None else one
            for part, one in zip(parts, masks, strict=True)
        )
        return np.concatenate(list(zeros))

    columns = {}
    for name in parts[0].columns:
        held = [part.columns[name] for part in parts]
        values = np.concatenate([column.values for column in held])
        absent, null = mask([c.absent for c in held]), mask([c.null for c in held])
        columns[name] = Column(values, absent, null)
    entity = np.concatenate([part.entity for part in parts])
    times = np.concatenate([part.observed_at for part in parts])
    return replace(parts[0], entity=entity, observed_at=times, columns=columns)
