"""Tables of the record for export: Arrow batches, some minutes of the city at a time.

Times are ISO 8601 in UTC, lengths in metres, durations in seconds. What is nested is JSON text.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, get_args

import msgspec
import numpy as np
import pyarrow as pa

from cityloop.kernel.clock import CityTime, after
from cityloop.kernel.frame import Array, Frame

WINDOW_S = 600.0
_NUMBERS: dict[Any, pa.DataType] = {int: pa.int64(), float: pa.float64(), bool: pa.bool_()}


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one run: ``since <= city time < until``."""

    run: str
    since: CityTime
    until: CityTime

    def windows(self) -> Iterator["Span"]:
        """The same stretch in pieces that are read one at a time."""
        at = self.since
        while at < self.until:
            end = min(after(at, WINDOW_S), self.until)
            yield Span(self.run, at, end)
            at = end


def detector_batch(parts: Sequence[Frame]) -> "pa.RecordBatch":
    """at, id, vehicles, queued, mean_speed_mps of LaneDetector frames."""
    return _batch(
        parts,
        "id",
        vehicles="vehicleCount",
        queued="queueLength",
        mean_speed_mps="meanSpeed",
    )


def signal_batch(parts: Sequence[Frame]) -> "pa.RecordBatch":
    """at, junction, phase, stage, stage_age_s, in_charge of SignalController frames."""
    return _batch(
        parts,
        "junction",
        phase="phase",
        stage="stage",
        stage_age_s="stageAge",
        in_charge="inCharge",
    )


def _batch(parts: Sequence[Frame], name: str, **attributes: str) -> "pa.RecordBatch":
    counts = [len(part) for part in parts]
    times = np.array([part.observed_at for part in parts], dtype="datetime64[ms]")
    told = np.datetime_as_string(times, unit="ms", timezone="UTC")
    rows = np.repeat(np.arange(len(parts)), counts)
    ids = [id_.rpartition(":")[2] if name == "junction" else id_ for p in parts for id_ in p.ids]
    columns = {
        "at": pa.DictionaryArray.from_arrays(rows, told.tolist()).cast(pa.string()),
        name: pa.array(ids, pa.string()),
    }
    for column, attribute in attributes.items():
        columns[column] = _column(parts, attribute)
    return pa.RecordBatch.from_pydict(columns)


def _column(parts: Sequence[Frame], attribute: str) -> "pa.Array[Any]":
    def hidden(part: Frame) -> Array:
        column = part.columns[attribute]
        gone = np.zeros(len(part), np.bool_)
        for mask in (column.null, column.absent):
            if mask is not None:
                gone |= mask
        return gone

    values = np.concatenate([part[attribute] for part in parts])
    mask = np.concatenate([hidden(part) for part in parts])
    told: pa.Array[Any] = pa.array(values, mask=mask)
    return told


def row_batch(rows: Sequence[msgspec.Struct], kind: type[msgspec.Struct]) -> "pa.RecordBatch":
    """Rows of a kind as a batch whose columns are its fields; numbers stay numbers."""
    told = [msgspec.to_builtins(row) for row in rows]
    columns = {}
    for field in msgspec.structs.fields(kind):
        name, arrow = field.encode_name, _arrow_type(field.type)
        values = [row.get(name) for row in told]
        if arrow == pa.string():
            values = [None if value is None else _text(value) for value in values]
        columns[name] = pa.array(values, arrow)
    return pa.RecordBatch.from_pydict(columns)


def _arrow_type(kind: Any) -> pa.DataType:
    (one, *more) = [part for part in get_args(kind) or (kind,) if part is not NoneType]
    return pa.string() if more else _NUMBERS.get(one, pa.string())


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
