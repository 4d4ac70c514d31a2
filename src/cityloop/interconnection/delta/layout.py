"""Commits as rows of Delta tables, and back without loss (design law 2).

Each row of a type's table names its place in the log: ``position`` and ``place`` (number of its
part in the commit << 32 | number of the row in the part). So tables may be merged, sorted and
thinned as one likes. What rows do not tell of their part, ``Told`` does; a part with a column that
cannot lie in the table (of another kind, or of a name that readers choke on) is ``Whole`` there.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cityloop.kernel.clock import CityTime
from cityloop.kernel.frame import Bools, Column, EntityIds, Frame
from cityloop.kernel.ports import Batch, Commit
from cityloop.kernel.rows import Rows
from cityloop.standards.arrow import ids_of, read_batch, read_ids, write_batch, write_ids
from cityloop.standards.arrow_columns import read_column
from cityloop.standards.attributes import declared

Ints: TypeAlias = npt.NDArray[np.int64]
Part: TypeAlias = Frame | Rows
Lists: TypeAlias = Mapping[bytes, EntityIds]

OWN = ("id", "observedAt", "run", "position", "place", "day")
TIME = pa.timestamp("us", "UTC")
_PART = 32
_DAY_MS = 86_400_000
_LATEST_MS = 2**62 // 1000
"""Beyond, a time has no place in a column of microseconds."""
_EXACT = 2**53
"""Whole numbers beyond may lose digits among numbers."""
_NAME = re.compile(r"""[^\s,;{}()=.`'"\\/%?\x00-\x1f]{1,200}""")
"""What Spark, Trino and DuckDB all take as a column's name."""
_DECLARED: dict[str, pa.DataType] = {
    "number": pa.float64(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "text": pa.string(),
}
_WIDE: dict[str, pa.DataType] = {
    "?": pa.bool_(),
    "f": pa.float64(),
    "d": pa.float64(),
    "O": pa.string(),
}
_DTYPES = {pa.bool_(): np.bool_, pa.int64(): np.int64, pa.float64(): np.float64}


class Told(msgspec.Struct, array_like=True, frozen=True, tag="told", tag_field="is"):
    """A part whose rows lie in the table of its type.

    ``at``: a frame's time where it has no row to tell it. ``ids``: digest of its list of ids; empty
    where its rows tell them. ``columns``: attribute, NumPy's letter, and of the rows without a
    value which are absent: none (null), all, or those of a bitmap.
    """

    type: str
    run: str
    is_frame: bool
    at: int
    rows: int
    ids: bytes
    columns: tuple[tuple[str, str, bool | bytes], ...]


class Whole(msgspec.Struct, array_like=True, frozen=True, tag="whole", tag_field="is"):
    """A part as the hot log has it, with its lists of ids; empty once it is erased."""

    batch: bytes
    lists: tuple[tuple[bytes, bytes], ...]


Entry: TypeAlias = Told | Whole
write_entries = msgspec.msgpack.Encoder().encode
read_entries = msgspec.msgpack.Decoder(tuple[Entry, ...]).decode


def whole(part: Part) -> Whole:
    """A part by itself."""
    alone = (
        Batch("", "", 1, frames=(part,))
        if isinstance(part, Frame)
        else Batch("", "", 1, rows=(part,))
    )
    lists = tuple((digest, write_ids(ids)) for digest, ids in ids_of(alone).items())
    return Whole(write_batch(alone), lists)


class Sorting:
    """Sorts the parts of commits: which go into the tables of their types, which stay whole.

    ``schemas``: the columns that tables have already. ``shared``: lists of ids to keep by digest.
    """

    def __init__(self, commits: Iterable[Commit], schemas: Mapping[str, pa.Schema | None]) -> None:
        self._columns = {
            type_: {f.name: f.type for f in schema if f.name not in OWN} if schema else {}
            for type_, schema in schemas.items()
        }
        commits = list(commits)
        used = Counter(part.ids.digest for c in commits for part in c.batch.parts)
        self.shared: dict[bytes, EntityIds] = {}
        self.placed: dict[str, list[tuple[int, int, Part]]] = {}
        self.entries: list[tuple[Entry, ...]] = []
        for commit in commits:
            entries: list[Entry] = []
            for number, part in enumerate(commit.batch.parts):
                if not self._takes(part):
                    entries.append(whole(part))
                    continue
                alone = isinstance(part, Frame) and used[part.ids.digest] == 1
                if not alone:
                    self.shared[part.ids.digest] = part.ids
                entries.append(_told(part, b"" if alone else part.ids.digest))
                self.placed.setdefault(part.type, []).append((commit.position, number, part))
            self.entries.append(tuple(entries))

    def _takes(self, part: Part) -> bool:
        """Whether the table of its type can hold a part; it has its columns from then on."""
        columns = self._columns.setdefault(part.type, {})
        spelt = {name.casefold(): name for name in (*OWN, *columns)}
        new: dict[str, pa.DataType] = {}
        for name, column in part.columns.items():
            letter = column.values.dtype.char
            kind = columns.get(name) or _kind(part.type, name, letter)
            known = spelt.setdefault(name.casefold(), name) == name and name not in OWN
            if not (known and _NAME.fullmatch(name) and _fits(column, kind)):
                return False
            new[name] = kind
        times = part.observed_at
        if len(part) and not -_LATEST_MS < int(np.min(times)) <= int(np.max(times)) < _LATEST_MS:
            return False
        columns.update(new)
        return True

    def table(self, type_: str, after: int) -> pa.Table | None:
        """The rows of a type that were committed after a position; None where there are none."""
        placed = [p for p in self.placed[type_] if p[0] > after and len(p[2])]
        return rows_of(placed, self._columns[type_]) if placed else None


def _kind(type_: str, attribute: str, letter: str) -> pa.DataType:
    """What a new column holds: what is declared, or what comes first."""
    known = declared().get(type_, {}).get(attribute)
    return _DECLARED[known.kind] if known else _WIDE.get(letter, pa.int64())


def _fits(column: Column, kind: pa.DataType) -> bool:
    letter = column.values.dtype.char
    if _WIDE.get(letter, pa.int64()) != kind:
        # Whole numbers among others: as long as none loses a digit.
        return kind == pa.float64() and letter in "bhilqBHILQ" and _within(column, _EXACT)
    return letter not in "LQ" or _within(column, 2**63 - 1)


def _within(column: Column, limit: int) -> bool:
    values = column.values
    return not len(values) or (int(values.max()) <= limit and int(values.min()) >= -limit)


def _told(part: Part, ids: bytes) -> Told:
    columns = tuple(
        (name, column.values.dtype.char, _absence(column)) for name, column in part.columns.items()
    )
    frame = isinstance(part, Frame)
    at = part.observed_at if isinstance(part, Frame) and not len(part) else 0
    return Told(part.type, part.run, frame, at, len(part), ids, columns)


def _absence(column: Column) -> bool | bytes:
    if column.absent is None or not column.absent.any():
        return False
    if column.null is None or not (column.null & ~column.absent).any():
        return True
    return np.packbits(column.absent).tobytes()


def rows_of(placed: Sequence[tuple[int, int, Part]], kinds: Mapping[str, pa.DataType]) -> pa.Table:
    """Parts with their position and number as rows, by entity and time."""
    lengths = [len(part) for *_, part in placed]
    names: dict[str, int] = {}
    codes = np.concatenate([_codes(part, names) for *_, part in placed])
    listed = pa.array(list(names), pa.string())
    times = np.concatenate([np.broadcast_to(part.observed_at, len(part)) for *_, part in placed])
    position = np.repeat([position for position, *_ in placed], lengths)
    number = np.repeat([number for _, number, _ in placed], lengths)
    place = number.astype(np.int64) << _PART | np.concatenate([np.arange(n) for n in lengths])
    held = {name for *_, part in placed for name in part.columns}
    columns: dict[str, Any] = {
        "id": listed.take(pa.array(codes)),
        "observedAt": pa.array(times * 1000, pa.int64()).cast(TIME),
        "run": pa.array(np.repeat([part.run for *_, part in placed], lengths), pa.string()),
        "position": pa.array(position, pa.int64()),
        "place": pa.array(place, pa.int64()),
        "day": pa.array((times // _DAY_MS).astype(np.int32), pa.int32()).cast(pa.date32()),
    }
    for name, kind in kinds.items():
        if name in held:
            columns[name] = pa.concat_arrays([_array(part, name, kind) for *_, part in placed])
    return in_order(pa.table(columns))


def _codes(part: Part, names: dict[str, int]) -> Ints:
    codes = np.array([names.setdefault(name, len(names)) for name in part.ids], np.int64)
    return codes[part.entity] if isinstance(part, Rows) else codes


def _array(part: Part, name: str, kind: pa.DataType) -> "pa.Array[Any]":
    column = part.columns.get(name)
    if column is None:
        return pa.array([None] * len(part), kind)
    hidden = _hidden(column)
    if kind == pa.string():
        return pa.array(column.values, kind, mask=hidden)
    return pa.array(column.values.astype(_DTYPES[kind]), kind, mask=hidden)


def _hidden(column: Column) -> Bools | None:
    if column.null is None or column.absent is None:
        return column.absent if column.null is None else column.null
    return column.null | column.absent


def in_order(rows: pa.Table) -> pa.Table:
    """By entity, then time, then place in the log."""
    keys = ("id", "observedAt", "position", "place")
    return rows.sort_by([(name, "ascending") for name in keys])


class Stretch:
    """The rows of one type in a stretch of positions, to take parts out of."""

    def __init__(self, rows: pa.Table) -> None:
        position, place = (rows[name].to_numpy() for name in ("position", "place"))
        order = np.lexsort((place, position))
        rows = rows.take(order).combine_chunks()
        position, place = position[order], place[order]
        number, self._row = place >> _PART, place & (2**_PART - 1)
        cuts = np.flatnonzero((np.diff(position) != 0) | (np.diff(number) != 0)) + 1
        edges = [0, *cuts.tolist(), len(order)] if len(order) else []
        self._where = {
            (int(position[start]), int(number[start])): (start, end)
            for start, end in pairwise(edges)
        }
        self._rows = rows
        self._times: Ints = rows["observedAt"].cast(pa.int64()).to_numpy() // 1000
        ids: Any = rows["id"].combine_chunks().dictionary_encode()
        self._names: list[str] = ids.dictionary.to_pylist()
        self._codes: Ints = ids.indices.to_numpy(zero_copy_only=False)
        self._columns: dict[tuple[str, str], tuple[npt.NDArray[Any], Bools | None]] = {}
        self._in_list: dict[bytes, npt.NDArray[np.int32]] = {}

    def part(self, position: int, number: int, told: Told, lists: Lists) -> tuple[Part | None, int]:
        """A part, and how many of its rows are there; None where none is, and one was."""
        start, end = self._where.get((position, number), (0, 0))
        found = end - start
        if told.rows and not found:
            return None, 0
        columns = {
            name: self._column(name, letter, absence, start, end)
            if found
            else Column(np.empty(0, np.dtype(letter)))
            for name, letter, absence in told.columns
        }
        if told.is_frame:
            at = int(self._times[start]) if found else told.at
            ids = self._ids(told, start, end, lists)
            return Frame(told.type, told.run, CityTime(at), ids, columns), found
        listed = lists[told.ids]
        if told.ids not in self._in_list:
            self._in_list[told.ids] = listed.rows(self._names)
        entity = self._in_list[told.ids][self._codes[start:end]].astype(np.int32)
        times = self._times[start:end]
        return Rows(told.type, told.run, listed, entity, times, columns), found

    def _ids(self, told: Told, start: int, end: int, lists: Lists) -> EntityIds:
        if told.ids and end - start == told.rows:
            return lists[told.ids]
        return EntityIds([self._names[code] for code in self._codes[start:end].tolist()])

    def _column(
        self, name: str, letter: str, absence: bool | bytes, start: int, end: int
    ) -> Column:
        values, hidden = self._values(name, letter)
        gone = None if hidden is None else hidden[start:end]
        if gone is None or not gone.any():
            return Column(values[start:end])
        if absence is True:
            return Column(values[start:end], gone)
        if absence is False:
            return Column(values[start:end], None, gone)
        absent = np.unpackbits(np.frombuffer(absence, np.uint8)).view(np.bool_)
        absent = absent[self._row[start:end]]
        null = gone & ~absent
        return Column(
            values[start:end], absent if absent.any() else None, null if null.any() else None
        )

    def _values(self, name: str, letter: str) -> tuple[npt.NDArray[Any], Bools | None]:
        """A whole column as NumPy had it, and where it has no value."""
        key = name, letter
        if key not in self._columns:
            self._columns[key] = _values(self._rows[name], letter)
        return self._columns[key]


def _values(column: "pa.ChunkedArray[Any]", letter: str) -> tuple[npt.NDArray[Any], Bools | None]:
    array: Any = column.combine_chunks()
    array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
    if letter == "O":
        return read_column(array, letter)
    hidden = np.asarray(array.is_null()) if array.null_count else None
    filled = array.fill_null(False if letter == "?" else 0) if hidden is not None else array
    # A number that another part wrote may be beyond this one's letter.
    with np.errstate(invalid="ignore", over="ignore"):
        return filled.to_numpy(zero_copy_only=False).astype(np.dtype(letter)), hidden


def read_whole(entry: Whole) -> Part | None:
    """The part that ``whole`` wrote; None once it is erased."""
    if not entry.batch:
        return None
    batch = read_batch(entry.batch, {digest: read_ids(names) for digest, names in entry.lists})
    return batch.parts[0]


def with_parts(commit: Commit, parts: Iterable[Part]) -> Commit:
    """A bare commit with its frames and rows."""
    parts = list(parts)
    frames = tuple(part for part in parts if isinstance(part, Frame))
    rows = tuple(part for part in parts if isinstance(part, Rows))
    return replace(commit, batch=replace(commit.batch, frames=frames, rows=rows))
