"""Tables (CSV, Parquet, any Arrow table) as readings, by a declared map of columns.

Whole columns are converted at once; cells are looked at one by one only where a column does not
convert. An empty cell or null is absent: a table cannot tell "no value" from "not said".
"""

import codecs
import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from cityloop.kernel.clock import CityTime
from cityloop.kernel.errors import InputError
from cityloop.kernel.frame import Column
from cityloop.standards.attributes import Attribute, declared
from cityloop.standards.feeds.documents import urn
from cityloop.standards.readings import (
    ABSENT,
    Decoded,
    Faults,
    Readings,
    column_of,
    converted,
    read_time,
)

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Cells = Any
"""An Arrow chunked array of any type; pyarrow's stubs cannot say what ``compute`` gives of one."""
_PIECE = 1 << 20
_HEAD = 1 << 16
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


@dataclass(frozen=True, slots=True)
class TableMap:
    """What the columns of a table mean.

    ``entity``, ``observed_at``: their columns. ``attributes``: column → attribute; when empty,
    every column that is called like a declared attribute. ``units``: attribute → the symbol or
    code its numbers are given in. ``time_unit``: of times that are numbers. ``time_zone``: IANA
    name for times without zone, which are refused without it.
    """

    type: str
    entity: str = "entity"
    observed_at: str = "observedAt"
    attributes: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    time_unit: Literal["s", "ms"] = "s"
    time_zone: str = ""

    @property
    def declared(self) -> Mapping[str, Attribute]:
        """The attribute table of the type; raises InputError when there is none."""
        if self.type not in declared():
            raise InputError(f"undeclared type {self.type}")
        return declared()[self.type]

    def columns(self, present: Sequence[str], faults: Faults, place: str) -> dict[str, str]:
        """Attribute → its column among those that are present; those that are missing are faults.

        Raises InputError when there is none at all.
        """
        wanted = self.attributes or {name: name for name in present if name in self.declared}
        for column in wanted.keys() - set(present):
            faults.add(place, f"there is no column {column[:100]!r}")
        found = {attribute: column for column, attribute in wanted.items() if column in present}
        if not found:
            have = ", ".join(present)[:200]
            raise InputError(
                f"{place} has no column for any attribute of {self.type}; it has {have}"
            )
        return found


def read_texts(text: bytes, name: str, faults: Faults) -> pa.Table:
    """A CSV with a header, every cell as text; a row of another length becomes a fault.

    Raises InputError, with ``name``, for what is no CSV, is not UTF-8, or names a column twice.
    """
    _check_utf_8(text, name)
    head = text[:_HEAD].removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n").partition(b"\n")[0]
    try:
        names = next(csv.reader([head.decode().rstrip("\r")]), [])
        table = pyarrow.csv.read_csv(
            io.BytesIO(text),
            # In order and in one thread: the handler's row numbers are right only then.
            read_options=pyarrow.csv.ReadOptions(use_threads=False),
            parse_options=pyarrow.csv.ParseOptions(
                newlines_in_values=True, invalid_row_handler=_skip(name, faults)
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types={name: pa.string() for name in names}, strings_can_be_null=False
            ),
        )
    except (pa.ArrowException, OSError, ValueError, csv.Error) as error:
        raise InputError(f"{name} cannot be read: {error}") from None
    if len(set(table.column_names)) < table.num_columns:
        raise InputError(f"{name}: two columns have one name")
    if any(column.type != pa.string() for column in table.schema):
        raise InputError(f"{name}: the header cannot be read; it is one line of names")
    return table


def _check_utf_8(text: bytes, name: str) -> None:
    """Raise InputError, with the byte, unless ``text`` is UTF-8; Arrow looks at some columns only.

    In pieces, so that a large file is not held twice.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    for piece in range(0, len(text), _PIECE):
        begins = piece - len(decoder.getstate()[0])
        try:
            decoder.decode(text[piece : piece + _PIECE], final=piece + _PIECE >= len(text))
        except UnicodeDecodeError as error:
            raise InputError(f"{name} is not UTF-8 at byte {begins + error.start}") from None


def _skip(name: str, faults: Faults) -> Callable[[Any], Literal["skip"]]:
    def told(row: Any) -> Literal["skip"]:
        number = "" if row.number is None else f" line {row.number}"
        reason = f"{row.actual_columns} cells, not {row.expected_columns}; quote commas"
        faults.add(f"{name}{number}", reason, value=row.text)
        return "skip"

    return told


def read_csv(body: bytes, table_map: TableMap, name: str = "csv") -> Decoded:
    """The rows of a CSV with a header; raises InputError when it cannot be read as a whole."""
    faults = Faults()
    return faults.of([read_table(read_texts(body, name, faults), table_map, faults, name)])


def read_table(table: pa.Table, table_map: TableMap, faults: Faults, place: str) -> Readings:
    """The rows of an Arrow table; raises InputError where the entity or time column is missing.

    A row without a usable entity or time, and a cell that does not fit, become faults.
    """
    for name in (table_map.entity, table_map.observed_at):
        if name not in table.column_names:
            have = ", ".join(table.column_names)[:200]
            raise InputError(f"{place} has no column {name!r}; it has {have}")
    entities, unnamed = _entities(table[table_map.entity], table_map.type)
    times, undated = _times(table[table_map.observed_at], table_map)
    keep = ~(unnamed | undated)
    if not keep.all():
        _tell_rows(table, table_map, unnamed, undated, place, faults)
    columns: dict[str, Column] = {}
    for attribute, name in table_map.columns(table.column_names, faults, place).items():
        cells = table[name] if keep.all() else table[name].filter(pa.array(keep))
        column = _column(cells, attribute, table_map, entities[keep], place, faults)
        if column is not None:
            columns[attribute] = column
    return Readings(table_map.type, entities[keep], times[keep], columns)


def _tell_rows(
    table: pa.Table,
    table_map: TableMap,
    unnamed: Bools,
    undated: Bools,
    place: str,
    faults: Faults,
) -> None:
    for bad, name, what in (
        (unnamed, table_map.entity, "no id"),
        (undated & ~unnamed, table_map.observed_at, "no time with zone"),
    ):
        for row in np.flatnonzero(bad).tolist():
            faults.add(f"{place} row {row + 1}", what, value=table[name][row].as_py())


def _entities(cells: Cells, type_: str) -> tuple[npt.NDArray[np.object_], Bools]:
    """Entity ids, shape (n,), and which rows have none."""
    try:
        coded: Cells = cells
        if not pa.types.is_dictionary(cells.type):
            coded = pc.dictionary_encode(pc.cast(cells, pa.string()))
    except pa.ArrowException:
        return np.full(len(cells), "", dtype=object), np.ones(len(cells), np.bool_)
    coded = coded.unify_dictionaries().combine_chunks()
    if isinstance(coded, pa.ChunkedArray):
        return np.array([], dtype=object), np.array([], np.bool_)
    own = [entity_id(name, type_) for name in coded.dictionary.to_pylist()]
    names = np.array([*own, ""], dtype=object)
    rows = coded.indices.fill_null(len(names) - 1).to_numpy(zero_copy_only=False)
    entities = names[rows.astype(np.int64)]
    return entities, np.asarray(entities == "", dtype=np.bool_)


def entity_id(name: object, type_: str) -> str:
    """A URN as it is, the type's URN for any other name; empty for what names nothing."""
    if isinstance(name, str) and name.startswith("urn:") and len(name) <= 500:
        return name
    try:
        return urn(type_, name)
    except InputError:
        return ""


def _times(cells: Cells, table_map: TableMap) -> tuple[Ints, Bools]:
    """Milliseconds since 1970, shape (n,), and which rows have none."""
    kind = cells.type
    textual = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    try:
        if textual:
            moments = _moments(cells, table_map)
        elif pa.types.is_timestamp(kind):
            moments = _zoned(cells, table_map)
        else:
            return _counted(cells, table_map)
    except (pa.ArrowException, ValueError):
        return _texts_that_count(cells, table_map) if textual else _one_by_one(cells, table_map)
    number = pc.cast(pc.cast(moments, pa.timestamp("ms", "UTC"), safe=False), pa.int64())
    return _dense(number)


def _texts_that_count(cells: Cells, table_map: TableMap) -> tuple[Ints, Bools]:
    """Texts that are all numbers, as a CSV holds POSIX times; else one by one."""
    try:
        return _counted(cells, table_map)
    except pa.ArrowException:
        return _one_by_one(cells, table_map)


def _moments(cells: Cells, table_map: TableMap) -> Cells:
    try:
        return pc.cast(cells, pa.timestamp("us", "UTC"))
    except pa.ArrowException:
        if not table_map.time_zone:
            raise
        return _zoned(pc.cast(cells, pa.timestamp("us")), table_map)


def _zoned(cells: Cells, table_map: TableMap) -> Cells:
    if cells.type.tz is not None:
        return cells
    if not table_map.time_zone:
        raise ValueError("times without zone")
    return pc.assume_timezone(
        cells, table_map.time_zone, ambiguous="earliest", nonexistent="latest"
    )


def _counted(cells: Cells, table_map: TableMap) -> tuple[Ints, Bools]:
    """Times that are numbers."""
    numbers: Cells = pc.cast(cells, pa.float64())
    values = numbers.fill_null(np.nan).to_numpy()
    scaled = values * (1000 if table_map.time_unit == "s" else 1)
    bad = ~((scaled >= 0) & (scaled < 2**53))
    return np.where(bad, 0, scaled).astype(np.int64), bad


def _one_by_one(cells: Cells, table_map: TableMap) -> tuple[Ints, Bools]:
    zone = ZoneInfo(table_map.time_zone) if table_map.time_zone else None
    times, bad = np.zeros(len(cells), np.int64), np.zeros(len(cells), np.bool_)
    for row, cell in enumerate(cells.to_pylist()):
        try:
            times[row] = _one_time(cell, zone)
        except (InputError, OverflowError):
            bad[row] = True
    return times, bad


def _one_time(cell: object, zone: ZoneInfo | None) -> CityTime:
    if isinstance(cell, str):
        try:
            cell = datetime.fromisoformat(cell)
        except ValueError:
            return read_time(cell)
    if isinstance(cell, datetime):
        if cell.tzinfo is None and zone is not None:
            cell = cell.replace(tzinfo=zone)
        cell = cell.isoformat()
    return read_time(cell)


def _dense(numbers: Cells) -> tuple[Ints, Bools]:
    bad = numbers.is_null().to_numpy() if numbers.null_count else np.zeros(len(numbers), np.bool_)
    return numbers.fill_null(0).to_numpy().astype(np.int64), bad


def _column(
    cells: Cells,
    attribute: str,
    table_map: TableMap,
    entities: npt.NDArray[np.object_],
    place: str,
    faults: Faults,
) -> Column | None:
    meant = table_map.declared.get(attribute)
    unit = table_map.units.get(attribute, "")
    if meant is None:
        faults.add(place, "undeclared attribute", attribute=attribute)
        return None
    try:
        column = _whole(cells, meant, unit)
        if column is not None:
            return None if column.absent is not None and column.absent.all() else column
        loose = [_cell(cell, meant) for cell in cells.to_pylist()]
        column, bad, why = column_of(loose, meant, unit)
    except InputError as error:
        faults.add(place, f"wrong unit: {error}", attribute=attribute)
        return None
    for row in bad:
        where, entity = f"{place} row {row + 1}", str(entities[row])
        faults.add(where, why, entity=entity, attribute=attribute, value=loose[row])
    return None if column.absent is not None and column.absent.all() else column


def _whole(cells: Cells, meant: Attribute, unit: str) -> Column | None:
    """The column converted at once; None where cells must be looked at one by one."""
    kind, wanted = cells.type, _ARROW[meant.kind]
    plain = pa.types.is_integer(kind) or (pa.types.is_floating(kind) and meant.kind == "number")
    textual = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if textual and meant.kind in ("number", "integer"):
        cells = pc.if_else(pc.equal(cells, pa.scalar("", kind)), pa.scalar(None, kind), cells)
    elif not (
        (plain and meant.kind in ("number", "integer"))
        or (pa.types.is_boolean(kind) and meant.kind == "boolean")
    ):
        return None
    try:
        numbers: Cells = pc.cast(cells, wanted)
    except pa.ArrowException:
        return None
    absent = numbers.is_null().to_numpy() if numbers.null_count else None
    blank = pa.scalar(0 if meant.kind != "boolean" else False, wanted)
    return Column(converted(numbers.fill_null(blank).to_numpy(), unit, meant), absent)


_ARROW: Mapping[str, "pa.DataType"] = {
    "number": pa.float64(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "text": pa.string(),
}


def _cell(cell: object, meant: Attribute) -> object:
    """One cell as the declared kind would have it; what does not fit stays, and is a fault."""
    if cell is None or cell == "":
        return ABSENT
    if not isinstance(cell, str) or meant.kind == "text":
        return str(cell) if meant.kind == "text" and isinstance(cell, int) else cell
    if meant.kind == "boolean":
        return _BOOLEANS.get(cell.strip().lower(), cell)
    try:
        return float(cell)
    except ValueError:
        return cell
