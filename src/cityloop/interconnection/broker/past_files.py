"""Reads the files of the history (``history``): which there are, and the rows of an entity in them.

A segment that is open stays readable after another has taken its place.
"""

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cityloop.interconnection.broker.history import open_history, reached
from cityloop.interconnection.broker.past_rows import SCHEMA, TEXTS, changes, coded, texts
from cityloop.interconnection.sqlite import rows, snapshot, sqlite_errors
from cityloop.kernel.errors import CorruptError
from cityloop.kernel.ports import Position

_SEGMENTS = "SELECT name, since, until FROM segments ORDER BY name"
_KEYS = ("id", "attribute", "datasetId")
_ALL = tuple(SCHEMA.names)
_TRIES = 5
_BEYOND = "\U0010ffff"
_TIME = SCHEMA.get_field_index("time")


class Segment:
    """One file of the history; for one thread. ``since``, ``until``: first and last time [ms]."""

    def __init__(self, path: Path, since: int, until: int) -> None:
        self.path = path
        self.since = since
        self.until = until
        self._file = self._opened(None)
        groups = range(self._file.num_row_groups)
        told: list[Any] = [self._file.metadata.row_group(g).column(0).statistics for g in groups]
        # Of very long ids a file keeps no least and most: they may be anywhere then.
        self._lows: list[str] = [each.min or "" for each in told]
        self._highs: list[str] = [each.max or _BEYOND for each in told]
        self._times: list[tuple[int, int]] = [self._time_range(group) for group in groups]
        self._own = threading.local()
        self._last: dict[tuple[str, ...], tuple[int, pa.Table]] = {}

    def of(self, id_: str) -> Iterator["Piece"]:
        """Where the rows of one entity lie, in as many pieces as there are row groups of it."""
        first, end = bisect_left(self._highs, id_), bisect_right(self._lows, id_)
        for group in range(first, end):
            keys = self._at_hand(group, _KEYS)
            names, codes = coded(keys["id"])
            places = np.flatnonzero(codes == pc.index(names, pa.scalar(id_)).as_py())
            if len(places):
                rows_ = slice(int(places[0]), int(places[-1]) + 1)
                yield Piece(self, group, rows_, self._times[group][1])

    def _at_hand(self, group: int, names: tuple[str, ...]) -> pa.Table:
        """Columns of a row group; what was read last stays, for who asks for the next entity."""
        known = self._last.get(names)
        if known is None or known[0] != group:
            known = self._last[names] = group, self.columns(group, names)
        return known[1]

    def keys(self, group: int) -> pa.Table:
        """What tells the series of a row group apart."""
        return self._at_hand(group, _KEYS)

    def rows(self, group: int) -> pa.Table:
        """All of a row group."""
        return self._at_hand(group, _ALL)

    def _time_range(self, group: int) -> tuple[int, int]:
        told: Any = self._file.metadata.row_group(group).column(_TIME).statistics
        return told.min_raw, told.max_raw

    def groups_between(self, meets: Callable[[int, int], bool]) -> list[int]:
        """The numbers of the row groups whose first and last time [ms] pass a test."""
        return [group for group, times in enumerate(self._times) if meets(*times)]

    def columns(self, group: int, names: Sequence[str]) -> pa.Table:
        """Some columns of a row group; safe from several threads at once."""
        same = {name: text for name in names if (text := self._only(group, name)) is not None}
        varied = [name for name in names if name not in same]
        try:
            if not hasattr(self._own, "file"):
                self._own.file = self._opened(self._file.metadata)
            file: pq.ParquetFile = self._own.file
            table = file.read_row_group(group, columns=varied, use_threads=False)
        except (OSError, pa.ArrowException) as error:
            raise CorruptError(f"{self.path} cannot be read: {error}") from error
        codes = np.zeros(table.num_rows, np.int32)
        for name, text in same.items():
            table = table.append_column(name, pa.DictionaryArray.from_arrays(codes, [text]))
        return table.select(list(names))

    def _opened(self, metadata: pq.FileMetaData | None) -> pq.ParquetFile:
        texts = list(TEXTS)
        return pq.ParquetFile(self.path, metadata=metadata, memory_map=True, read_dictionary=texts)

    def _only(self, group: int, name: str) -> str | None:
        """The text that a column has in all rows of a row group; None where there are several."""
        if name not in TEXTS:
            return None
        place = SCHEMA.get_field_index(name)
        told: Any = self._file.metadata.row_group(group).column(place).statistics
        least: str | None = told.min
        return least if least == told.max else None


class Piece(NamedTuple):
    """Rows of one entity in a row group; ``until``: none of them is later [ms]."""

    segment: Segment
    group: int
    place: slice
    until: int

    def series(self) -> list[tuple[str, str]]:
        """The attributes and datasetIds that they are of."""
        keys = self.segment.keys(self.group)[self.place]
        columns = [coded(keys[name]) for name in ("attribute", "datasetId")]
        starts = pa.array(changes(*(codes for _, codes in columns)), pa.int64())
        firsts = keys.take(starts)
        return list(zip(texts(firsts["attribute"]), texts(firsts["datasetId"]), strict=True))

    def table(self) -> pa.Table:
        """The rows themselves, in order."""
        return self.segment.rows(self.group)[self.place]


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
