"""The Frame: a dense, columnar, lossless view of changes that share run, type and time."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import repeat
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from cityloop.kernel.clock import CityTime

Array = npt.NDArray[np.generic]
Bools = npt.NDArray[np.bool_]


class EntityIds:
    """An immutable sequence of distinct entity ids, shared by all frames of one sensor field.

    The digest lets a log store the ids once, and a table swap whole columns when they match.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names: tuple[str, ...] = tuple(names)
        if len(self.index) != len(self.names):
            raise ValueError("entity ids of a frame must be distinct")

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Entity id → row."""
        return MappingProxyType(self._rows)

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.names)}

    def rows(self, names: Sequence[str]) -> npt.NDArray[np.int32]:
        """The row of each name, shape (n,); -1 where it is none of them."""
        return np.fromiter(map(self._rows.get, names, repeat(-1)), np.int32, len(names))

    @cached_property
    def digest(self) -> bytes:
        """16 bytes that name this sequence of ids."""
        # Lengths make it unambiguous: an id may hold any character.
        text = "".join(f"{len(name)}:{name}" for name in self.names)
        return hashlib.blake2b(text.encode(), digest_size=16).digest()

    def __reduce__(self) -> tuple[type["EntityIds"], tuple[tuple[str, ...]]]:
        """Pickled by its names alone."""
        return EntityIds, (self.names,)

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, EntityIds) and self.names == other.names)

    def __hash__(self) -> int:
        return hash(self.digest)


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One attribute over all rows: values, and which rows hold one.

    ``values``: shape (n,), bool, integer, float or object (str). ``absent`` rows carry no change
    at all; ``null`` rows carry an explicit null. ``None`` stands for "no such row".
    """

    values: Array
    absent: Bools | None = None
    null: Bools | None = None


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Frame:
    """Observations of one entity type at one city time of one run.

    ``columns`` maps the attribute's name to its column; every column has ``len(ids)`` rows.
    Units are those the attribute tables declare (``standards/attributes``).
    """

    type: str
    run: str
    observed_at: CityTime
    ids: EntityIds
    columns: Mapping[str, Column] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, column in self.columns.items():
            if column.values.shape != (len(self.ids),):
                shape = column.values.shape
                raise ValueError(f"{self.type}.{name} has shape {shape}, not ({len(self.ids)},)")

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, attribute: str) -> Array:
        return self.columns[attribute].values

    @property
    def observations(self) -> int:
        """How many observations the frame holds (rows × attributes, less the absent)."""
        gone = sum(int(c.absent.sum()) for c in self.columns.values() if c.absent is not None)
        return len(self.ids) * len(self.columns) - gone


def frame(
    type_: str, run: str, at: CityTime, ids: EntityIds, /, **columns: Sequence[object] | Array
) -> Frame:
    """A frame whose rows are all present, from plain arrays or sequences."""
    return Frame(type_, run, at, ids, {name: Column(_array(v)) for name, v in columns.items()})


def _array(values: Sequence[object] | Array) -> Array:
    if isinstance(values, np.ndarray):
        return values
    if any(isinstance(value, str) for value in values):
        return np.array(values, dtype=object)
    return np.asarray(values)
