"""A batch as bytes: Arrow record batches behind one small header; for the log and for sockets.

Layout, little-endian, version 2::

    "CLB" | version u8 | CRC-32 u32 of version (not in 1) and all that follows | header length u32
    header | 0-pad to 8
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
from collections.abc import Container, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import msgspec
import numpy as np
import pyarrow as pa

from cityloop.kernel.changes import Change, Operation
from cityloop.kernel.clock import CityTime
from cityloop.kernel.errors import InputError
from cityloop.kernel.frame import Column, EntityIds, Frame
from cityloop.kernel.ports import Batch
from cityloop.kernel.rows import Rows
from cityloop.standards.arrow_columns import ColumnKind, read_columns, write_columns
from cityloop.standards.arrow_layout import learn, read_dense, write_dense

VERSION = 2
"""Of the layout; a reader upcasts older ones and refuses newer ones."""

_MAGIC = b"CLB"
_PRELUDE = struct.Struct("<3sBII")
_CHECKED_FROM = 8


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
    checksum = zlib.crc32(rest, zlib.crc32(size, _seed(VERSION)))
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
            found = read(part, known, body, start, end)
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
    if version < 1:
        raise InputError(f"a batch is garbled: there is no layout {version}")
    if version > VERSION:
        raise InputError(f"batch layout {version} is newer than {VERSION}; update cityloop")
    if zlib.crc32(memoryview(body)[_CHECKED_FROM:], _seed(version)) != checksum:
        raise InputError(f"a batch of {len(body)} bytes is cut or garbled: checksum differs")
    end = _PRELUDE.size + length
    try:
        header = _read_header(memoryview(body)[_PRELUDE.size : end])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InputError(f"a batch's header cannot be read: {error}") from error
    return header, end + -end % 8


def _seed(version: int) -> int:
    """What the checksum starts from; so a version that is garbled is found out, but in layout 1."""
    return 0 if version == 1 else version


def _write_frame(frame: Frame) -> _Written:
    at, digest, rows = frame.observed_at, frame.ids.digest, len(frame.ids)
    dense = write_dense(frame.columns, rows)
    kinds, body = dense or write_columns(frame.type, frame.columns.items())
    return _Part(frame.type, frame.run, at, digest, rows, kinds, len(body)), body


def _write_rows(part: Rows) -> _Written:
    own = (("?entity", Column(part.entity)), ("?observedAt", Column(part.observed_at)))
    kinds, body = write_columns(part.type, (*own, *part.columns.items()))
    head = part.type, part.run, part.newest, part.ids.digest, len(part)
    return _Part(*head, kinds, len(body), sparse=True), body


def _read_frame(part: _Part, ids: EntityIds, body: bytes, start: int, end: int) -> Frame:
    if len(ids) != part.rows:
        raise ValueError(f"it has {part.rows} rows and {len(ids)} ids")
    columns = read_dense(part.columns, part.rows, body, start, end)
    if columns is None:
        columns = dict(read_columns(part.columns, part.rows, pa.py_buffer(body)[start:end]))
        learn(part.columns, part.rows, columns)
    return Frame(part.type, part.run, CityTime(part.at), ids, columns)


def _read_rows(part: _Part, ids: EntityIds, body: bytes, start: int, end: int) -> Rows:
    columns = read_columns(part.columns, part.rows, pa.py_buffer(body)[start:end])
    (_, entity), (_, times), *rest = columns
    if entity.values.dtype != np.int32 or times.values.dtype != np.int64:
        raise ValueError("its rows have no entity or no time")
    if part.rows and not 0 <= entity.values.min() <= entity.values.max() < len(ids):
        raise ValueError(f"a row names none of its {len(ids)} ids")
    rows = entity.values.view(np.int32), times.values.view(np.int64)
    return Rows(part.type, part.run, ids, *rows, dict(rest))


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
