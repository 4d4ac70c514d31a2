"""Instances of the past as columns, one row each, and back without loss (design law 2).

What instances differ in lies in columns: times, and a Property's value where it is a number. The
rest is JSON (``rest``), with placeholders for what was taken out of it, so that it is the same text
for most rows of an attribute and costs next to nothing.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cityloop.interconnection.broker.past_alike import AlikeRows
from cityloop.standards.cim.kept import MEMBERS, NULL, Attributes, Instance
from cityloop.standards.cim.scope import SCOPE, scope_instance
from cityloop.standards.cim.times import read_datetime, write_datetime
from cityloop.standards.cim.writes import Alter, Past, Put, Write, read_write

Ints: TypeAlias = npt.NDArray[np.int64]

_TEXT = pa.dictionary(pa.int32(), pa.string())
_TIME = pa.timestamp("ms", "UTC")
SCHEMA = pa.schema(
    [
        ("id", _TEXT),
        ("attribute", _TEXT),
        ("datasetId", _TEXT),
        ("time", _TIME),
        ("observed", pa.bool_()),
        ("createdAt", _TIME),
        ("modifiedAt", _TIME),
        ("write", pa.int64()),
        ("place", pa.int32()),
        ("value", pa.float64()),
        ("rest", _TEXT),
    ]
)
"""``time``: when it was observed, or else modified. ``write`` and ``place``: which write it came by
(position << 20 | number in the commit), and its place in that. ``datasetId``: "" is the default."""

TEXTS = ("id", "attribute", "datasetId", "rest")
"""The columns that hold few different texts."""

_PLACES = 20
_LARGEST = 2**53
"""Whole numbers beyond may lose digits in a column."""
_SECONDS, _MILLISECONDS = "s", "ms"
"""How ``observedAt`` was written, in its place in ``rest``; otherwise it stays there as it is."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict).decode


def numbered(position: int, place: int) -> int:
    """The number of the write at a ``place`` of the commit at ``position``; later ones are more."""
    return position << _PLACES | place


def instances_of(write: Write) -> Iterator[tuple[str, str, Instance]]:
    """What a write adds to the past: attribute, datasetId and instance; its place is its number."""
    if isinstance(write, Put):
        yield from _each(write.kept["attrs"])
        if "scope" in write.kept:
            yield SCOPE, "", scope_instance(write.kept["scope"], write.at)
    elif isinstance(write, Alter):
        yield from _each({**write.set, **_deletions(write)})
        if write.scope is not None:
            yield SCOPE, "", scope_instance(write.scope, write.at)
    elif isinstance(write, Past):
        for attribute, instances in write.set.items():
            for dataset, instance in instances:
                yield attribute, dataset, instance


def _each(attributes: Attributes) -> Iterator[tuple[str, str, Instance]]:
    for attribute, instances in attributes.items():
        for dataset, instance in instances.items():
            yield attribute, dataset, instance


def _deletions(write: Alter) -> Attributes:
    """The instances that tell of a deletion: their value is Null (4.5.6)."""
    gone: Attributes = {}
    for (attribute, dataset), (kind, created) in zip(write.dropped, write.was, strict=False):
        if attribute not in write.set:
            gone.setdefault(attribute, {})[dataset] = ended(kind, created, write.at)
    return gone


def ended(kind: str, created: int, at: int) -> Instance:
    """The instance that tells of a deletion ``at`` some time (ms)."""
    member = MEMBERS[kind]
    return {
        "type": kind,
        member: {"@none": NULL} if member == "languageMap" else NULL,
        "createdAt": created,
        "modifiedAt": at,
        "deletedAt": at,
    }


class PastRows:
    """Gathers rows of the past."""

    def __init__(self) -> None:
        self._texts: tuple[list[str], ...] = ([], [], [], [])
        self._observed: list[str | None] = []
        self._odd: dict[int, str] = {}
        self._created: list[int] = []
        self._modified: list[int] = []
        self._writes: list[int] = []
        self._places: list[int] = []
        self._values: list[float | None] = []
        self._alike = AlikeRows()

    def __len__(self) -> int:
        return len(self._writes) + len(self._alike)

    def read(self, number: int, body: bytes) -> Write | None:
        """Add the instances of a write as the log holds it; the write, where it had to be read."""
        if self._alike.take(number, body):
            return None
        write = read_write(body)
        self.take(number, write)
        self._alike.learn(body)
        return write

    def take(self, number: int, write: Write) -> None:
        """Add the instances of the write with a number."""
        for place, (attribute, dataset, instance) in enumerate(instances_of(write)):
            rest = dict(instance)
            self._created.append(rest.pop("createdAt"))
            self._modified.append(rest.pop("modifiedAt"))
            self._values.append(_taken_number(rest))
            self._observed.append(self._taken_time(rest))
            self._writes.append(number)
            self._places.append(place)
            told = write.id, attribute, dataset, _encode(rest).decode()
            for column, text in zip(self._texts, told, strict=True):
                column.append(text)

    def _taken_time(self, rest: dict[str, Any]) -> str | None:
        told: str | None = rest.get("observedAt")
        if told is None:
            return None
        if len(told) == 20 and told[17] != "6":
            rest["observedAt"] = _SECONDS
        elif len(told) == 24 and told[19] == "." and told[17] != "6":
            rest["observedAt"] = _MILLISECONDS
        else:
            # A fraction of another length, or a leap second.
            self._odd[len(self._observed)] = told
            return "1970-01-01T00:00:00Z"
        return told

    def table(self) -> pa.Table:
        """The rows, sorted (``in_order``)."""
        times = pa.array(self._observed, pa.string()).cast(_TIME).cast(pa.int64())
        told = times.is_valid()
        modified = np.array(self._modified, np.int64)
        time = np.where(told, times.fill_null(0).to_numpy(), modified)
        for place, text in self._odd.items():
            time[place] = read_datetime(text)
        ids, attributes, datasets, rests = (pa.array(t).dictionary_encode() for t in self._texts)
        columns = [
            *(ids, attributes, datasets, pa.array(time, _TIME), told),
            *(pa.array(self._created, _TIME), pa.array(modified, _TIME)),
            *(pa.array(self._writes, pa.int64()), pa.array(self._places, pa.int32())),
            *(pa.array(self._values, pa.float64()), rests),
        ]
        tables = [pa.table(columns, schema=SCHEMA), *self._alike.tables(SCHEMA)]
        return in_order(pa.concat_tables(tables).unify_dictionaries())


def _taken_number(rest: dict[str, Any]) -> float | None:
    value = rest.get("value")
    if type(value) is float:
        rest["value"] = 0.0
        return value
    if type(value) is int and -_LARGEST <= value <= _LARGEST:
        rest["value"] = 0
        return float(value)
    return None


def in_order(table: pa.Table) -> pa.Table:
    """Rows by entity, attribute, datasetId and time.

    Of two that were observed at the same time the one written later stays: it corrects the other.
    """
    table = table.combine_chunks()
    series = series_of(table)
    time = integers(table, "time")
    order = np.lexsort((integers(table, "write"), time, series))
    series, time = series[order], time[order]
    observed = table["observed"].to_numpy(zero_copy_only=False)[order]
    again = (series[1:] == series[:-1]) & (time[1:] == time[:-1]) & observed[1:] & observed[:-1]
    if again.any():
        order = order[np.append(~again, True)]
    return table.take(pa.array(order, pa.int64()))


def series_of(table: pa.Table) -> Ints:
    """Of each row a number that rises with entity, attribute and datasetId."""
    series: Ints = np.zeros(table.num_rows, np.int64)
    for name in ("id", "attribute", "datasetId"):
        names, codes = coded(table[name])
        ranks: Ints = pc.rank(names, sort_keys="ascending", tiebreaker="dense").to_numpy()
        series = series * (len(names) + 1) + ranks.astype(np.int64)[codes]
    return series


def coded(column: "pa.ChunkedArray[Any]") -> tuple["pa.Array[Any]", Ints]:
    """The distinct texts of a column, and of each row the place of its text among them."""
    array: Any = column.unify_dictionaries().combine_chunks()
    return array.dictionary, array.indices.to_numpy()


def changes(*columns: Ints) -> Ints:
    """Where a row differs from the one before in a column; the first one does."""
    changed = np.zeros(len(columns[0]), np.bool_)
    changed[0] = True
    for column in columns:
        changed[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(changed)


def integers(table: pa.Table, name: str) -> Ints:
    """A column of times [ms] or whole numbers."""
    found: Ints = table[name].cast(pa.int64()).to_numpy()
    return found


def texts(column: "pa.ChunkedArray[Any]") -> list[str]:
    """The texts of a column that has one in every row."""
    found: list[Any] = column.to_pylist()
    return found


def instances(table: pa.Table, rows: Ints | Sequence[int]) -> list[Instance]:
    """The instances of some rows."""
    picked = table.take(pa.array(rows, pa.int64()))
    times, created, modified = (
        integers(picked, name).tolist() for name in ("time", "createdAt", "modifiedAt")
    )
    values, rests = picked["value"].to_pylist(), texts(picked["rest"])
    return [
        {**_restored(rest, value, time), "createdAt": made, "modifiedAt": changed}
        for rest, value, time, made, changed in zip(
            rests, values, times, created, modified, strict=True
        )
    ]


def _restored(rest: str, value: float | None, time: int) -> Instance:
    instance = dict(_template(rest))
    if value is not None:
        instance["value"] = value if type(instance["value"]) is float else int(value)
    form = instance.get("observedAt")
    if form == _SECONDS:
        instance["observedAt"] = write_datetime(time)
    elif form == _MILLISECONDS:
        text = write_datetime(time)
        instance["observedAt"] = text if len(text) > 20 else text[:-1] + ".000Z"
    return instance


@lru_cache(maxsize=4096)
def _template(rest: str) -> dict[str, Any]:
    return _decode(rest)
