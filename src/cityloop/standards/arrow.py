"""A batch as bytes: Arrow record batches behind one small header; for the log and for sockets.

Layout, little-endian, version 2::

    "CLB" | version u8 | CRC-32 u32 of all that follows | header length u32 | header | 0-pad to 8
    one encapsulated Arrow IPC record batch per frame and per ``Rows`` (its schema follows from the
    header)

The header is msgpack: source, run, sequence, one part per frame (type, run, time, digest of the
entity ids, rows, columns, length), the remainder changes and the writes (version 1 had none). A
part of ``Rows`` has a flag, and its record batch begins with each row's entity and time. Entity ids
are not repeated: a part names its ``EntityIds`` by digest, and whoever keeps or sends batches keeps
or sends each list once
(``ids_of``, ``write_ids``, ``read_ids``). A column's nulls are Arrow validity; its absent rows are
a boolean column after it. What lies under a null or absent row is written as zero, and an absent
row is not null, so equal batches give equal bytes.
"""

import struct
import zlib
from collections.abc import Container, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cityloop.kernel.changes import Change, Operation
from cityloop.kernel.clock import CityTime
from cityloop.kernel.errors import InputError
from cityloop.kernel.frame import Array, Bools, Column, EntityIds, Frame
from cityloop.kernel.ports import Batch
from cityloop.kernel.rows import Rows

VERSION = 2
"""Of the layout; a reader upcasts older ones and refuses newer ones."""

_MAGIC = b"CLB"
_PRELUDE = struct.Struct("<3sBII")
_CHECKED_FROM = 8

_ARROW: dict[str, pa.DataType] = {
    "?": pa.bool_(),
    "b": pa.int8(),
    "h": pa.int16(),
    "i": pa.int32(),
    "l": pa.int64(),
    "q": pa.int64(),
    "B": pa.uint8(),
    "H": pa.uint16(),
    "I": pa.uint32(),
    "L": pa.uint64(),
    "Q": pa.uint64(),
    "f": pa.float32(),
    "d": pa.float64(),
    "O": pa.string(),
}
"""NumPy's letter of a column's dtype → the Arrow type it is written as."""
_NUMPY = {letter: np.dtype(letter) for letter in _ARROW}


class ColumnKind(NamedTuple):
    """How one column is written: its attribute, NumPy's dtype letter, whether rows are absent."""

    attribute: str
    letter: str
    absent: bool


class _Part(msgspec.Struct, array_like=True, frozen=True):
    type: str
    run: str
    at: int
    ids: bytes
    rows: int
    columns: tuple[ColumnKind, ...]
    length: int
    sparse: bool = False


class _Change(msgspec.Struct, array_like=True, frozen=True):
    type: str
    entity: str
    attribute: str
    run: str
    at: int
    value: Any
    operation: Operation
    dataset_id: str
    extras: dict[str, Any]


class _Header(msgspec.Struct, array_like=True, frozen=True):
    source: str
    run: str
    sequence: int
    parts: tuple[_Part, ...]
    changes: tuple[_Change, ...]
    writes: tuple[bytes, ...] = ()


_Written = tuple[_Part, "pa.Buffer | bytes"]
_read_from: WeakKeyDictionary[Frame | Rows, _Written] = WeakKeyDictionary()
"""What frames and rows were read from: as they never change, they need not be written again."""

_write_header = msgspec.msgpack.Encoder().encode
_read_header = msgspec.msgpack.Decoder(_Header).decode
_read_names = msgspec.msgpack.Decoder(list[str]).decode


def ids_of(batch: Batch) -> dict[bytes, EntityIds]:
    """The id lists that the bytes of ``batch`` refer to, by digest."""
    return {part.ids.digest: part.ids for part in batch.parts}


def write_ids(ids: EntityIds) -> bytes:
    """One list of entity ids as bytes."""
    return msgspec.msgpack.encode(ids.names)


def read_ids(body: bytes) -> EntityIds:
    """The list that ``write_ids`` wrote; raises InputError when it is none, or repeats an id."""
    try:
        return EntityIds(_read_names(body))
    except (msgspec.MsgspecError, ValueError) as error:
        raise InputError(f"not a list of entity ids: {error}") from error


def write_batch(batch: Batch) -> bytes:
    """``batch`` without loss as bytes.

    Raises ValueError for a column whose dtype has no Arrow counterpart here, and OverflowError for
    an integer beyond 64 bits in a remainder change.
    """
    written = [_read_from.get(frame) or _write_frame(frame) for frame in batch.frames]
    written += [_read_from.get(rows) or _write_rows(rows) for rows in batch.rows]
    parts, bodies = zip(*written, strict=True) if written else ((), ())
    header = _write_header(
        _Header(
            batch.source,
            batch.run,
            batch.sequence,
            parts,
            tuple(_write_change(change) for change in batch.changes),
            batch.writes,
        )
    )
    rest = b"".join((header, bytes(-(_PRELUDE.size + len(header)) % 8), *bodies))
    size = struct.pack("<I", len(header))
    checksum = zlib.crc32(rest, zlib.crc32(size))
    return b"".join((_MAGIC, bytes((VERSION,)), struct.pack("<I", checksum), size, rest))


def read_batch(
    body: bytes, ids: Mapping[bytes, EntityIds], types: Container[str] | None = None
) -> Batch:
    """The batch that ``write_batch`` wrote; ``ids`` holds entity ids by digest.

    With ``types`` only frames and rows of these types are read.
    Columns are read-only views into ``body``. Raises InputError, saying what and where, for bytes
    that are cut, garbled, of a newer version, or that name entity ids which ``ids`` lacks.
    """
    header, start = _open(body)
    frames: list[Frame] = []
    rows: list[Rows] = []
    for number, part in enumerate(header.parts):
        end = start + part.length
        if types is not None and part.type not in types:
            start = end
            continue
        try:
            known = ids[part.ids]
            read = _read_rows if part.sparse else _read_frame
            found = read(part, known, pa.py_buffer(body)[start:end])
        except KeyError:
            message = f"frame {number} ({part.type}) names unknown ids {part.ids.hex()}"
            raise InputError(message) from None
        except (pa.ArrowException, OSError, ValueError, IndexError) as error:
            raise InputError(f"frame {number} ({part.type}) cannot be read: {error}") from error
        _read_from[found] = part, body[start:end]
        if isinstance(found, Rows):
            rows.append(found)
        else:
            frames.append(found)
        start = end
    changes = tuple(_read_change(change) for change in header.changes)
    head = header.source, header.run, header.sequence
    return Batch(*head, tuple(frames), changes, tuple(rows), header.writes)


def _open(body: bytes) -> tuple[_Header, int]:
    """The header and where the first frame starts."""
    if len(body) < _PRELUDE.size:
        raise InputError(f"a batch is cut after {len(body)} bytes")
    magic, version, checksum, length = _PRELUDE.unpack_from(body)
    if magic != _MAGIC:
        raise InputError(f"not a batch: it starts with {magic!r}, not {_MAGIC!r}")
    if version > VERSION:
        raise InputError(f"batch layout {version} is newer than {VERSION}; update cityloop")
    if zlib.crc32(memoryview(body)[_CHECKED_FROM:]) != checksum:
        raise InputError(f"a batch of {len(body)} bytes is cut or garbled: checksum differs")
    end = _PRELUDE.size + length
    try:
        header = _read_header(memoryview(body)[_PRELUDE.size : end])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InputError(f"a batch's header cannot be read: {error}") from error
    return header, end + -end % 8


def _write_frame(frame: Frame) -> _Written:
    kinds, body = write_columns(frame.type, frame.columns.items())
    at, digest, rows = frame.observed_at, frame.ids.digest, len(frame.ids)
    return _Part(frame.type, frame.run, at, digest, rows, kinds, len(body)), body


def _write_rows(part: Rows) -> _Written:
    own = (("?entity", Column(part.entity)), ("?observedAt", Column(part.observed_at)))
    kinds, body = write_columns(part.type, (*own, *part.columns.items()))
    head = part.type, part.run, part.newest, part.ids.digest, len(part)
    return _Part(*head, kinds, len(body), sparse=True), body


def write_columns(
    type_: str, columns: Iterable[tuple[str, Column]]
) -> tuple[tuple[ColumnKind, ...], pa.Buffer]:
    """The kinds of named columns, and the columns as one Arrow IPC record batch."""
    arrays: list[pa.Array[Any]] = []
    kinds = []
    for attribute, column in columns:
        letter = column.values.dtype.char
        arrays.append(write_column(f"{type_}.{attribute}", column))
        absent = column.absent is not None and bool(column.absent.any())
        if column.absent is not None and absent:
            arrays.append(write_column(f"{attribute}?absent", Column(column.absent)))
        kinds.append(ColumnKind(attribute, letter, absent))
    told = tuple(kinds)
    if not arrays:
        return told, pa.py_buffer(b"")
    return told, pa.RecordBatch.from_arrays(arrays, schema=schema_of(told)).serialize()


@lru_cache(maxsize=4096)
def schema_of(columns: tuple[ColumnKind, ...]) -> pa.Schema:
    """The Arrow schema of a record batch with these columns; absent rows as ``<name>?absent``."""
    fields = []
    for kind in columns:
        fields.append(pa.field(kind.attribute, _ARROW[kind.letter]))
        if kind.absent:
            fields.append(pa.field(f"{kind.attribute}?absent", pa.bool_()))
    return pa.schema(fields)


def write_column(name: str, column: Column) -> "pa.Array[Any]":
    """One column as an Arrow array: null rows invalid, and zero under null and absent rows.

    Raises ValueError, with ``name``, for a dtype that has no Arrow counterpart here.
    """
    values, letter = column.values, column.values.dtype.char
    if letter not in _ARROW or not values.dtype.isnative:
        raise ValueError(f"{name} has dtype {values.dtype}; use one of {', '.join(_ARROW)}")
    valid = None
    if column.null is not None and column.null.any():
        valid = ~column.null if column.absent is None else ~column.null | column.absent
    if valid is not None or column.absent is not None:
        values = _blanked(column)
    if letter == "O":
        return pa.array(values, pa.string(), mask=None if valid is None else ~valid)
    if letter == "?":
        values = np.packbits(values.view(np.uint8), bitorder="little")
    bits = None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little").data)
    data = pa.py_buffer(np.ascontiguousarray(values).data)
    return pa.Array.from_buffers(_ARROW[letter], len(column.values), [bits, data])


def _blanked(column: Column) -> Array:
    hidden = np.zeros(len(column.values), np.bool_)
    for mask in (column.null, column.absent):
        if mask is not None:
            hidden |= mask
    blank: Any = "" if column.values.dtype.char == "O" else column.values.dtype.type(0)
    return np.where(hidden, blank, column.values)


def _read_frame(part: _Part, ids: EntityIds, body: pa.Buffer) -> Frame:
    if len(ids) != part.rows:
        raise ValueError(f"it has {part.rows} rows and {len(ids)} ids")
    columns = dict(_read_columns(part, body))
    return Frame(part.type, part.run, CityTime(part.at), ids, columns)


def _read_rows(part: _Part, ids: EntityIds, body: pa.Buffer) -> Rows:
    (_, entity), (_, times), *rest = _read_columns(part, body)
    if entity.values.dtype != np.int32 or times.values.dtype != np.int64:
        raise ValueError("its rows have no entity or no time")
    if part.rows and not 0 <= entity.values.min() <= entity.values.max() < len(ids):
        raise ValueError(f"a row names none of its {len(ids)} ids")
    rows = entity.values.view(np.int32), times.values.view(np.int64)
    return Rows(part.type, part.run, ids, *rows, dict(rest))


def _read_columns(part: _Part, body: pa.Buffer) -> list[tuple[str, Column]]:
    if not part.columns:
        return []
    record = pa.ipc.read_record_batch(body, schema_of(part.columns))
    if record.num_rows != part.rows:
        raise ValueError(f"it has {record.num_rows} rows, not {part.rows}")
    columns, at = [], 0
    for kind in part.columns:
        values, null = read_column(record.column(at), kind.letter)
        at += 1
        absent = None
        if kind.absent:
            absent = read_column(record.column(at), "?")[0].view(np.bool_)
            at += 1
        columns.append((kind.attribute, Column(values, absent, null)))
    return columns


def read_column(array: "pa.Array[Any]", letter: str) -> tuple[Array, Bools | None]:
    """Values and null mask of an Arrow array of ``letter``'s type without offset."""
    rows = len(array)
    if letter == "O":
        array.validate(full=True)
        null = np.asarray(array.is_null()) if array.null_count else None
        return np.array([text or "" for text in array.to_pylist()], dtype=object), null
    valid, data = array.buffers()
    null = None
    if array.null_count:
        null = ~_bools(valid, rows)
    if data is None or rows == 0:
        return np.zeros(rows, _NUMPY[letter]), null
    if letter == "?":
        return _bools(data, rows), null
    return np.frombuffer(memoryview(data), _NUMPY[letter], rows), null


def _bools(bits: pa.Buffer | None, rows: int) -> Bools:
    if bits is None:
        raise ValueError("a bitmap is missing")
    packed: npt.NDArray[np.uint8] = np.frombuffer(memoryview(bits), np.uint8)
    return np.unpackbits(packed, count=rows, bitorder="little").view(np.bool_)


def _write_change(change: Change) -> _Change:
    return _Change(
        change.type,
        change.entity,
        change.attribute,
        change.run,
        change.observed_at,
        change.value,
        change.operation,
        change.dataset_id,
        dict(change.extras),
    )


def _read_change(change: _Change) -> Change:
    return Change(
        change.type,
        change.entity,
        change.attribute,
        change.run,
        CityTime(change.at),
        change.value,
        change.operation,
        change.dataset_id,
        change.extras,
    )
