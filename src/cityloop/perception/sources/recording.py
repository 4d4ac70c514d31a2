"""A recording: what sensors said, as Parquet or CSV in order of time; columnar throughout."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet

from cityloop.kernel.clock import CityTime, city_time
from cityloop.kernel.errors import InputError
from cityloop.kernel.frame import Column, EntityIds, Frame
from cityloop.standards.feeds.tables import TableMap, read_table, read_texts
from cityloop.standards.readings import Faults, Readings

_MOST_CSV_BYTES = 500_000_000
_BEGIN = CityTime(0)
_Piece = tuple[pa.Table, str]


@dataclass(frozen=True, slots=True)
class Recording:
    """The file at ``path``, read by ``table_map``."""

    path: Path
    table_map: TableMap

    def readings(self, faults: Faults, since: CityTime = _BEGIN) -> Iterator[Readings]:
        """The rows from ``since`` on, in pieces, in order of time within and between them; what
        cannot be read of them goes to ``faults``.

        Raises InputError where the file cannot be read, or is not in order of time.
        """
        newest = -1
        for table, place in self._pieces(faults, since):
            part = read_table(table, self.table_map, faults, place)
            times = part.observed_at
            if not len(part):
                continue
            if times[0] < newest or bool((np.diff(times) < 0).any()):
                raise InputError(f"{place} is not in order of time; sort the recording by time")
            newest = int(times[-1])
            begin = int(np.searchsorted(times, since))
            if begin < len(part):
                yield taken(part, slice(begin, None)) if begin else part

    def span(self) -> tuple[CityTime, CityTime]:
        """The first and the last time; raises InputError when there is no row."""
        first = last = None
        for part in self._ends():
            first = part.observed_at[0] if first is None else first
            last = part.observed_at[-1]
        if first is None or last is None:
            raise InputError(f"{self.path}: no row that can be read")
        return CityTime(int(first)), CityTime(int(last))

    def _ends(self) -> Iterator[Readings]:
        """Readings that hold the first and the last row."""
        if self.path.suffix != ".parquet":
            yield from self.readings(Faults())
            return
        with self._open() as file:
            groups = range(file.num_row_groups)
            for group in (*groups[:1], *groups[1:][-1:]):
                table = file.read_row_group(group)
                part = read_table(table, self.table_map, Faults(), str(self.path))
                if len(part):
                    yield part

    def _pieces(self, faults: Faults, since: CityTime) -> Iterator[_Piece]:
        if self.path.suffix == ".parquet":
            yield from self._row_groups(since)
        elif self.path.suffix == ".csv":
            yield self._csv(faults), self.path.name
        else:
            raise InputError(f"{self.path}: a recording is a .parquet or a .csv file")

    def _csv(self, faults: Faults) -> pa.Table:
        try:
            size = self.path.stat().st_size
            if size > _MOST_CSV_BYTES:
                raise InputError(f"{self.path}: {size} bytes of CSV; convert it to Parquet")
            return read_texts(self.path.read_bytes(), self.path.name, faults)
        except OSError as error:
            raise InputError(f"{self.path}: {error.strerror}") from None

    def _row_groups(self, since: CityTime) -> Iterator[_Piece]:
        with self._open() as file:
            for group in range(file.num_row_groups):
                newest = _newest(file, group, self.table_map.observed_at)
                if newest is None or newest >= since:
                    try:
                        table = file.read_row_group(group)
                    except (pa.ArrowException, OSError) as error:
                        message = f"{self.path} row group {group}: {error}"
                        raise InputError(message) from None
                    yield table, f"{self.path.name} row group {group}"

    def _open(self) -> pyarrow.parquet.ParquetFile:
        try:
            return pyarrow.parquet.ParquetFile(self.path)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{self.path} cannot be read: {error}") from None


def _newest(file: pyarrow.parquet.ParquetFile, group: int, column: str) -> CityTime | None:
    """The newest time of a row group by its statistics; None where they do not tell."""
    parts = file.metadata.row_group(group)
    for index in range(parts.num_columns):
        chunk: Any = parts.column(index)
        if chunk.path_in_schema == column and chunk.statistics is not None:
            newest = chunk.statistics.max if chunk.statistics.has_min_max else None
            if isinstance(newest, datetime) and newest.tzinfo is not None:
                return city_time(newest)
    return None


def taken(part: Readings, rows: slice) -> Readings:
    """Some rows of a part; nothing is copied."""
    columns = {
        name: Column(
            column.values[rows],
            None if column.absent is None else column.absent[rows],
            None if column.null is None else column.null[rows],
        )
        for name, column in part.columns.items()
    }
    return Readings(part.type, part.entities[rows], part.observed_at[rows], columns)


def frames_in_order(parts: Iterable[Readings], run: str) -> Iterator[Frame]:
    """One frame per time, for parts in order of time; the event time stays as recorded.

    Frames share their ``EntityIds`` while the same entities speak in the same order, so a loop's
    table swaps whole columns. Raises InputError for an entity that speaks twice at one time.
    """
    ids = EntityIds(())
    names: npt.NDArray[np.object_] = np.array([], dtype=object)
    for part in _cut(parts):
        if not np.array_equal(part.entities, names):
            names, ids = part.entities, _ids(part)
        at = CityTime(int(part.observed_at[0]))
        yield Frame(part.type, run, at, ids, part.columns)


def _ids(part: Readings) -> EntityIds:
    try:
        return EntityIds(part.entities.tolist())
    except ValueError:
        raise InputError(f"an entity speaks twice at {part.observed_at[0]}") from None


def _cut(parts: Iterable[Readings]) -> Iterator[Readings]:
    """The parts cut and joined so that each holds all rows of one time."""
    open_: list[Readings] = []
    for part in parts:
        edges = np.flatnonzero(np.diff(part.observed_at)) + 1
        bounds = [0, *edges.tolist(), len(part)]
        for begin, end in pairwise(bounds):
            piece = taken(part, slice(begin, end))
            if open_ and open_[0].observed_at[0] != piece.observed_at[0]:
                yield joined(open_)
                open_.clear()
            open_.append(piece)
    if open_:
        yield joined(open_)


def joined(parts: Sequence[Readings]) -> Readings:
    """Parts of one type one after the other; what a part does not speak of is absent there."""
    if len(parts) == 1:
        return parts[0]
    names = dict.fromkeys(name for part in parts for name in part.columns)
    return Readings(
        parts[0].type,
        np.concatenate([part.entities for part in parts]),
        np.concatenate([part.observed_at for part in parts]),
        {name: _column(parts, name) for name in names},
    )


def _column(parts: Sequence[Readings], name: str) -> Column:
    dtype = next(part.columns[name].values.dtype for part in parts if name in part.columns)
    values, absent, null = [], [], []
    for part in parts:
        column = part.columns.get(name)
        nothing = np.zeros(len(part), np.bool_)
        if column is None:
            blank = np.full(len(part), "" if dtype.kind == "O" else 0, dtype)
            column = Column(blank, absent=~nothing)
        values.append(column.values)
        absent.append(nothing if column.absent is None else column.absent)
        null.append(nothing if column.null is None else column.null)
    hidden, void = np.concatenate(absent), np.concatenate(null)
    return Column(
        np.concatenate(values), hidden if hidden.any() else None, void if void.any() else None
    )
