"""Reads the files of the history (``history``): which there are, and the rows of an entity in them.

A segment that is open stays readable after another has taken its place.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cityloop.interconnection.broker.history import open_history, reached
from cityloop.interconnection.broker.past_rows import SCHEMA, coded
from cityloop.interconnection.sqlite import rows, snapshot, sqlite_errors
from cityloop.kernel.errors import CorruptError
from cityloop.kernel.ports import Position

_SEGMENTS = "SELECT name, since, until FROM segments ORDER BY name"
_TRIES = 5
_TIME = SCHEMA.get_field_index("time")


class Segment:
    """One file of the history; for one thread. ``since``, ``until``: first and last time [ms]."""

    def __init__(self, path: Path, since: int, until: int) -> None:
        self.path = path
        self.since = since
        self.until = until
        self._file = pq.ParquetFile(path, memory_map=True)
        groups = range(self._file.num_row_groups)
        told: list[Any] = [self._file.metadata.row_group(g).column(0).statistics for g in groups]
        self._lows: list[str] = [each.min for each in told]
        self._highs: list[str] = [each.max for each in told]
        self._times: list[tuple[int, int]] = [self._time_range(group) for group in groups]
        self._group = -1
        self._rows: pa.Table | None = None

    def of(self, id_: str) -> Iterator[pa.Table]:
        """The rows of one entity, in order, in as many pieces as the file has them."""
        first, end = bisect_left(self._highs, id_), bisect_right(self._lows, id_)
        for group in range(first, end):
            table = self._read(group)
            names, codes = coded(table["id"])
            places = np.flatnonzero(codes == pc.index(names, pa.scalar(id_)).as_py())
            if len(places):
                yield table.slice(int(places[0]), len(places))

    def _read(self, group: int) -> pa.Table:
        """A row group; the one that was read last is at hand, for who asks for the next entity."""
        if self._rows is None or self._group != group:
            try:
                rows_ = self._file.read_row_group(group, use_threads=False)
            except (OSError, pa.ArrowException) as error:
                raise CorruptError(f"{self.path} cannot be read: {error}") from error
            self._rows = rows_.combine_chunks()
            self._group = group
        return self._rows

    def _time_range(self, group: int) -> tuple[int, int]:
        told: Any = self._file.metadata.row_group(group).column(_TIME).statistics
        return told.min_raw, told.max_raw

    def groups_between(self, meets: Callable[[int, int], bool]) -> list[int]:
        """The numbers of the row groups whose first and last time [ms] pass a test."""
        return [group for group, times in enumerate(self._times) if meets(*times)]

    def columns(self, group: int, names: list[str]) -> pa.Table:
        """Some columns of a row group; safe from several threads at once."""
        try:
            return pq.ParquetFile(
                self.path, metadata=self._file.metadata, memory_map=True
            ).read_row_group(group, columns=names, use_threads=False)
        except (OSError, pa.ArrowException) as error:
            raise CorruptError(f"{self.path} cannot be read: {error}") from error


class Files(NamedTuple):
    """The files at one moment: the history up to ``position``."""

    position: Position
    segments: list[Segment]
    connection: apsw.Connection


class PastFiles:
    """Follows what the folding process writes to ``folder``; for one thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "history.db"
        self._connection: apsw.Connection | None = None
        self._segments: dict[str, Segment] = {}

    def now(self) -> Files:
        """The files as they are."""
        with sqlite_errors(self._path):
            if self._connection is None:
                open_history(self._folder, readonly=False).close()
                self._connection = open_history(self._folder, readonly=True)
            for _ in range(_TRIES):
                with snapshot(self._connection) as connection:
                    position = reached(connection)
                    named = rows(connection, _SEGMENTS)
                try:
                    self._open(named)
                except FileNotFoundError:  # it became part of a larger one since
                    continue
                return Files(position, list(self._segments.values()), self._connection)
        raise CorruptError(f"{self._folder} lacks segments that it names: remove it to rebuild it")

    def _open(self, named: list[tuple[str, int, int]]) -> None:
        self._segments = {
            name: self._segments.get(name)
            or Segment(self._folder / f"{name}.parquet", since, until)
            for name, since, until in named
        }

    def close(self) -> None:
        """Let go of the files."""
        if self._connection is not None:
            self._connection.close()
