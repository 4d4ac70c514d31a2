"""Columns as Arrow arrays, and as one Arrow IPC record batch."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cityloop.kernel.frame import Array, Bools, Column

ARROW: dict[str, pa.DataType] = {
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
_NUMPY = {letter: np.dtype(letter) for letter in ARROW}


class ColumnKind(NamedTuple):
    """How one column is written: its attribute, NumPy's dtype letter, whether rows are absent."""

    attribute: str
    letter: str
    absent: bool


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
        fields.append(pa.field(kind.attribute, ARROW[kind.letter]))
        if kind.absent:
            fields.append(pa.field(f"{kind.attribute}?absent", pa.bool_()))
    return pa.schema(fields)


def write_column(name: str, column: Column) -> "pa.Array[Any]":
    """One column as an Arrow array: null rows invalid, and zero under null and absent rows.

    Raises ValueError, with ``name``, for a dtype that has no Arrow counterpart here.
    """
    values, letter = column.values, column.values.dtype.char
    if letter not in ARROW or not values.dtype.isnative:
        raise ValueError(f"{name} has dtype {values.dtype}; use one of {', '.join(ARROW)}")
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
    return pa.Array.from_buffers(ARROW[letter], len(column.values), [bits, data])


def _blanked(column: Column) -> Array:
    hidden = np.zeros(len(column.values), np.bool_)
    for mask in (column.null, column.absent):
        if mask is not None:
            hidden |= mask
    blank: Any = "" if column.values.dtype.char == "O" else column.values.dtype.type(0)
    return np.where(hidden, blank, column.values)


def read_columns(
    kinds: tuple[ColumnKind, ...], rows: int, body: pa.Buffer
) -> list[tuple[str, Column]]:
    """What ``write_columns`` wrote; raises ValueError where it has not ``rows`` rows, and what
    Arrow raises for a body that is none."""
    if not kinds:
        return []
    record = pa.ipc.read_record_batch(body, schema_of(kinds))
    if record.num_rows != rows:
        raise ValueError(f"it has {record.num_rows} rows, not {rows}")
    columns, at = [], 0
    for kind in kinds:
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
