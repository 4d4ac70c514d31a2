"""Segments: stretches of the log as Parquet, small, open to any reader, and still the log itself.

A segment is a folder. ``<Type>.<number>.parquet`` holds observations, sorted by entity, then time:
columns ``id``, ``observedAt``, ``run`` and the attributes (null where a row has no value, and
``<attribute>?absent`` where some rows have no change at all). ``index.bin`` tells which batches
they came in, so that reading a segment gives those very batches back.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias, cast
from urllib.parse import quote

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from cityloop.interconnection.durable import sync
from cityloop.kernel.clock import CityTime, WallTime
from cityloop.kernel.errors import CorruptError, InputError
from cityloop.kernel.frame import Array, Bools, Column, EntityIds, Frame
from cityloop.kernel.ports import Commit, Position
from cityloop.kernel.rows import Rows
from cityloop.standards.arrow import read_batch, write_batch
from cityloop.standards.arrow_columns import ColumnKind, read_column, write_column

Ints = npt.NDArray[np.int64]

_INDEX = "index.bin"
_PRELUDE = struct.Struct("<4sIQ")
_MAGIC = b"CLS1"
_OWN = ("id", "observedAt", "run")
_ZSTD_LEVEL = 3
_FEW = 16
"""A column with this many rows per distinct value, or more, is written with a dictionary."""


class _Table(msgspec.Struct, array_like=True, frozen=True):
    file: str
    type: str
    columns: tuple[ColumnKind, ...]


class _Frame(msgspec.Struct, array_like=True, frozen=True):
    table: int
    run: str
    at: int
    ids: int


class _Rows(msgspec.Struct, array_like=True, frozen=True):
    table: int
    run: str
    ids: int
    entity: bytes
    observed_at: bytes


class _Commit(msgspec.Struct, array_like=True, frozen=True):
    position: int
    committed_at: int
    rest: bytes
    frames: tuple[_Frame, ...]
    rows: tuple[_Rows, ...] = ()

    @property
    def parts(self) -> tuple[_Frame | _Rows, ...]:
        """Frames, then rows, as a batch holds them."""
        return (*self.frames, *self.rows)


class _Index(msgspec.Struct, array_like=True, frozen=True):
    tables: tuple[_Table, ...]
    ids: tuple[tuple[str, ...], ...]
    commits: tuple[_Commit, ...]


_Part: TypeAlias = Frame | Rows
_Kind: TypeAlias = tuple[str, bool, tuple[ColumnKind, ...]]
_read_index_body = msgspec.msgpack.Decoder(_Index).decode


def write_segment(folder: Path, commits: Sequence[Commit]) -> None:
    """Write ``commits`` into the empty ``folder`` and wait until the disk has them."""
    ids: dict[EntityIds, int] = {}
    groups: dict[_Kind, list[_Part]] = {}
    numbers: dict[_Kind, int] = {}
    entries = []

    def place(part: Frame | Rows) -> tuple[int, int]:
        """The numbers of the part's table and of its list of ids."""
        kind = part.type, isinstance(part, Rows), _kinds(part)
        groups.setdefault(kind, []).append(part)
        return numbers.setdefault(kind, len(numbers)), ids.setdefault(part.ids, len(ids))

    for commit in commits:
        frames, rows = [], []
        for part in commit.batch.frames:
            table, listed = place(part)
            frames.append(_Frame(table, part.run, part.observed_at, listed))
        for sparse in commit.batch.rows:
            table, listed = place(sparse)
            own = sparse.entity.astype("<i4").tobytes(), sparse.observed_at.astype("<i8").tobytes()
            rows.append(_Rows(table, sparse.run, listed, *own))
        rest = write_batch(replace(commit.batch, frames=(), rows=()))
        head = commit.position, commit.committed_at, rest
        entries.append(_Commit(*head, tuple(frames), tuple(rows)))
    tables = []
    for number, ((type_, _, columns), parts_of_kind) in enumerate(groups.items()):
        file = f"{quote(type_, safe='')}.{number}.parquet"
        written = _write_table(folder / file, columns, parts_of_kind)
        tables.append(_Table(file, type_, written))
    names = tuple(listed.names for listed in ids)
    _write_index(folder / _INDEX, _Index(tuple(tables), names, tuple(entries)))
    sync(folder)


def _kinds(part: Frame | Rows) -> tuple[ColumnKind, ...]:
    return tuple(
        ColumnKind(name, column.values.dtype.char, absent=False)
        for name, column in part.columns.items()
    )


def _write_table(
    path: Path, columns: tuple[ColumnKind, ...], frames: Sequence[_Part]
) -> tuple[ColumnKind, ...]:
    """Write the frames or rows of one kind; the kinds of columns, told which have absent rows."""
    order, codes, times, names = _order(frames)
    number_of = {part.run: number for number, part in enumerate(frames)}
    runs = np.repeat([number_of[part.run] for part in frames], _lengths(frames))
    arrays: dict[str, pa.Array[Any]] = {
        "id": _dictionary(codes[order], names),
        "observedAt": pa.array(times[order], pa.timestamp("ms", "UTC")),
        "run": _dictionary(runs[order], [part.run for part in frames]),
    }
    encodings = {"observedAt": "DELTA_BINARY_PACKED"}
    kinds = []
    for number, kind in enumerate(columns):
        name = _column_name(number, kind.attribute)
        column = _concatenated([part.columns[kind.attribute] for part in frames], order)
        gone = column.absent
        hidden = _either(column.null, gone)
        arrays[name] = write_column(f"{path.name} {name}", Column(column.values, None, hidden))
        if kind.letter in "fd" and not _few_distinct(column.values):
            encodings[name] = "BYTE_STREAM_SPLIT"
        if gone is not None:
            arrays[f"{name}?absent"] = write_column(name, Column(gone))
        kinds.append(kind._replace(absent=gone is not None))
    dictionaries = [name for name in arrays if name not in encodings]
    pq.write_table(
        pa.table(arrays),
        path,
        compression="zstd",
        compression_level=_ZSTD_LEVEL,
        use_dictionary=dictionaries,  # type: ignore[arg-type]  # a list of names is as good
        column_encoding=encodings,
        store_schema=False,
        write_page_checksum=True,
    )
    sync(path)
    return tuple(kinds)


def _column_name(number: int, attribute: str) -> str:
    """The attribute, made distinct from our own columns where it is not."""
    return f"{attribute}?{number}" if attribute in _OWN or "?" in attribute else attribute


def _lengths(frames: Sequence[_Part]) -> list[int]:
    return [len(part) for part in frames]


def _order(frames: Sequence[_Part]) -> tuple[Ints, Ints, Ints, list[str]]:
    """How rows of ``frames``, one after another, are sorted; each row's entity as code and its
    time; the names of the codes.

    Reader and writer compute the same from what the index holds, so no file stores it.
    """
    codes_of: dict[EntityIds, Ints] = {}
    code: dict[str, int] = {}
    for part in frames:
        if part.ids not in codes_of:
            found = [code.setdefault(name, len(code)) for name in part.ids]
            codes_of[part.ids] = np.array(found, np.int64)
    codes = np.concatenate(
        [
            codes_of[part.ids][part.entity] if isinstance(part, Rows) else codes_of[part.ids]
            for part in frames
        ]
    )
    # A frame's one time counts for each of its rows.
    times = np.concatenate([np.broadcast_to(part.observed_at, len(part)) for part in frames])
    return np.lexsort((times, codes)), codes, times, list(code)


def _dictionary(codes: Ints, names: Sequence[str]) -> "pa.Array[Any]":
    return pa.DictionaryArray.from_arrays(codes.astype(np.int32), pa.array(names, pa.string()))


def _concatenated(columns: Sequence[Column], order: Ints) -> Column:
    def mask(masks: Sequence[Bools | None]) -> Bools | None:
        if all(part is None for part in masks):
            return None
        parts = [
            np.zeros(len(column.values), np.bool_) if part is None else part
            for column, part in zip(columns, masks, strict=True)
        ]
        whole = np.concatenate(parts)[order]
        return whole if whole.any() else None

    return Column(
        np.concatenate([column.values for column in columns])[order],
        mask([column.absent for column in columns]),
        mask([column.null for column in columns]),
    )


def _either(left: Bools | None, right: Bools | None) -> Bools | None:
    if left is None or right is None:
        return right if left is None else left
    return left | right


def _few_distinct(values: Array) -> bool:
    return len(np.unique(values)) * _FEW <= len(values)


def _write_index(path: Path, index: _Index) -> None:
    body = msgspec.msgpack.encode(index)
    packed = pa.Codec("zstd", compression_level=_ZSTD_LEVEL).compress(body, asbytes=True)
    path.write_bytes(_PRELUDE.pack(_MAGIC, zlib.crc32(body), len(body)) + packed)
    sync(path)


def _read_index(folder: Path) -> _Index:
    path = folder / _INDEX
    try:
        stored = path.read_bytes()
        magic, checksum, size = _PRELUDE.unpack_from(stored)
        if magic != _MAGIC:
            raise CorruptError(f"{path} is no index of a segment")
        body = pa.decompress(stored[_PRELUDE.size :], size, codec="zstd", asbytes=True)
        if zlib.crc32(body) != checksum:
            raise CorruptError(f"{path} is garbled: checksum differs; restore it from a backup")
        return _read_index_body(body)
    except (OSError, struct.error, pa.ArrowException, msgspec.MsgspecError) as error:
        raise CorruptError(f"{path} cannot be read: {error}") from error


def read_segment(folder: Path) -> Iterator[Commit]:
    """The commits that ``write_segment`` wrote; raises CorruptError when bytes differ from then."""
    index = _read_index(folder)
    ids = [EntityIds(names) for names in index.ids]
    parts = {n: iter(_read_table(folder, index, ids, n)) for n in range(len(index.tables))}
    for commit in index.commits:
        try:
            rest = read_batch(commit.rest, {})
        except InputError as error:
            raise CorruptError(f"{folder} position {commit.position}: {error}") from error
        frames = tuple(cast("Frame", next(parts[part.table])) for part in commit.frames)
        rows = tuple(cast("Rows", next(parts[part.table])) for part in commit.rows)
        batch = replace(rest, frames=frames, rows=rows)
        yield Commit(Position(commit.position), WallTime(commit.committed_at), batch)


def segment_writes(folder: Path) -> Iterator[Commit]:
    """The commits of a segment that hold writes of the API, bare of all that is columnar: its
    index alone is read.
    """
    for commit in _read_index(folder).commits:
        try:
            rest = read_batch(commit.rest, {})
        except InputError as error:
            raise CorruptError(f"{folder} position {commit.position}: {error}") from error
        if rest.writes:
            yield Commit(Position(commit.position), WallTime(commit.committed_at), rest)


def segment_facts(folder: Path) -> tuple[WallTime, frozenset[str]]:
    """When the newest commit of a segment was made, and which types it holds."""
    index = _read_index(folder)
    newest = max((commit.committed_at for commit in index.commits), default=0)
    return WallTime(newest), frozenset(table.type for table in index.tables)


class Segment:
    """A segment whose index is read once, to take one type after another from it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._index = _read_index(folder)
        self._ids = [EntityIds(names) for names in self._index.ids]

    def parts(self, type_: str) -> list[Frame | Rows]:
        """The frames and rows of one type, in the order they were committed."""
        tables = self._index.tables
        parts = {
            number: iter(_read_table(self._folder, self._index, self._ids, number))
            for number, table in enumerate(tables)
            if table.type == type_
        }
        return [
            next(parts[part.table])
            for commit in self._index.commits
            for part in commit.parts
            if part.table in parts
        ]


def _read_table(folder: Path, index: _Index, ids: Sequence[EntityIds], number: int) -> list[_Part]:
    table = index.tables[number]
    entries = [part for commit in index.commits for part in commit.parts if part.table == number]
    parts = [_bare(table.type, entry, ids[entry.ids]) for entry in entries]
    order, codes, _, _ = _order(parts)
    path = folder / table.file
    try:
        stored = pq.ParquetFile(path, page_checksum_verification=True).read()
        if stored.num_rows != len(codes):
            raise CorruptError(f"{path} has {stored.num_rows} rows, not {len(codes)}")
        columns = _read_columns(stored, table.columns, order)
    except (OSError, pa.ArrowException, IndexError, ValueError) as error:
        raise CorruptError(f"{path} cannot be read: {error}") from error
    ends = np.cumsum(_lengths(parts)).tolist()
    return [
        replace(
            part,
            columns={name: _cut(column, end - len(part), end) for name, column in columns.items()},
        )
        for part, end in zip(parts, ends, strict=True)
    ]


def _bare(type_: str, entry: _Frame | _Rows, ids: EntityIds) -> _Part:
    """A part without its columns."""
    if isinstance(entry, _Frame):
        return Frame(type_, entry.run, CityTime(entry.at), ids)
    entity, times = np.frombuffer(entry.entity, "<i4"), np.frombuffer(entry.observed_at, "<i8")
    return Rows(type_, entry.run, ids, entity.astype(np.int32), times.astype(np.int64))


def _read_columns(stored: pa.Table, kinds: Sequence[ColumnKind], order: Ints) -> dict[str, Column]:
    columns, at = {}, len(_OWN)
    for kind in kinds:
        values, hidden = read_column(_array(stored, at), kind.letter)
        at += 1
        absent = None
        if kind.absent:
            absent = _unsorted(read_column(_array(stored, at), "?")[0], order).view(np.bool_)
            at += 1
        null = None if hidden is None else _unsorted(hidden, order).view(np.bool_)
        if null is not None and absent is not None:
            null &= ~absent
        columns[kind.attribute] = Column(_unsorted(values, order), absent, null)
    return columns


def _array(stored: pa.Table, at: int) -> "pa.Array[Any]":
    chunks = stored.column(at).chunks
    return chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks)


def _unsorted(values: Array, order: Ints) -> Array:
    original = np.empty_like(values)
    original[order] = values
    return original


def _cut(column: Column, start: int, end: int) -> Column:
    def mask(whole: Bools | None) -> Bools | None:
        part = None if whole is None else whole[start:end]
        return part if part is not None and part.any() else None

    return Column(column.values[start:end], mask(column.absent), mask(column.null))
