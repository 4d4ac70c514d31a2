"""Every value that live sources said, one a row: what people take away of a sensor."""

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from cityloop.interconnection.history import ParquetHistory
from cityloop.interconnection.log import StoredLog
from cityloop.kernel.clock import CityTime, iso
from cityloop.kernel.frame import Column, Frame
from cityloop.kernel.waiting import LIVE
from cityloop.standards.attributes import declared

_TEXTS = ("at", "type", "id", "attribute", "text", "unit")
_SCHEMA = pa.schema(
    [
        pa.field(name, pa.string() if name in _TEXTS else pa.float64())
        for name in ("at", "type", "id", "attribute", "value", "text", "unit")
    ]
)
_AT_ONCE = 2_000
_Row = tuple[str, str, str, str, float | None, str | None, str]


class Observed:
    """The observations of ``types`` in the record. For one thread at a time; raises as the log."""

    def __init__(self, log: StoredLog, types: Iterable[str]) -> None:
        self._history = ParquetHistory(log)
        self._types = sorted(types)

    def batches(self, since: CityTime, until: CityTime) -> "Iterator[pa.RecordBatch]":
        """at, type, id, attribute, value, text, unit of what was said of ``since <= time < until``
        of wall time, by type and time.

        ``value`` holds a number (a truth as 0 or 1), ``text`` what is none; the other is empty, and
        both are where the source said that there is no value.
        """
        # First of all the columns: a table without a row has a head, too.
        rows: list[_Row] = []
        yield _batch(rows)
        for type_ in self._types:
            for part in self._history.frames(type_, LIVE, since, until):
                rows += _rows(part)
                if len(rows) >= _AT_ONCE:
                    yield _batch(rows)
                    rows = []
        if rows:
            yield _batch(rows)


def _rows(part: Frame) -> Iterator[_Row]:
    at, attributes = iso(part.observed_at), declared().get(part.type, {})
    for name, column in part.columns.items():
        unit = attributes[name].unit if name in attributes else ""
        for row in _said(column):
            value = None if column.null is not None and column.null[row] else column.values[row]
            number = float(value) if isinstance(value, np.number | np.bool_ | int | float) else None
            text = str(value) if value is not None and number is None else None
            yield at, part.type, part.ids.names[row], name, number, text, unit


def _said(column: Column) -> list[int]:
    """The rows of which something was said."""
    if column.absent is None:
        return list(range(len(column.values)))
    rows: list[int] = np.flatnonzero(~column.absent).tolist()
    return rows


def _batch(rows: list[_Row]) -> "pa.RecordBatch":
    columns = zip(*rows, strict=True) if rows else ([] for _ in _SCHEMA)
    arrays = [pa.array(values, field.type) for values, field in zip(columns, _SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=_SCHEMA)
