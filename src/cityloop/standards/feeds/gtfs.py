"""GTFS static: stops and routes of a timetable's zip file (gtfs.org/schedule/reference)."""

import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Mapping

import pyarrow as pa

from cityloop.kernel.clock import CityTime
from cityloop.kernel.errors import InputError
from cityloop.standards.attributes import declared
from cityloop.standards.feeds.documents import urn
from cityloop.standards.feeds.tables import read_texts
from cityloop.standards.readings import ABSENT, Decoded, Faults, Readings, readings_of

MEGABYTE = 1_000_000
# What ``zipfile`` raises of archives that are cut, garbled, encrypted or packed in odd ways.
_BAD_ZIP = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, RuntimeError, EOFError,
    OSError, ValueError, struct.error,
)  # fmt: skip
_STOPS = {
    "stop_name": "name",
    "stop_code": "code",
    "stop_lat": "latitude",
    "stop_lon": "longitude",
    "location_type": "locationType",
    "parent_station": "parentStation",
    "wheelchair_boarding": "wheelchairBoarding",
}
_ROUTES = {
    "route_short_name": "shortName",
    "route_long_name": "longName",
    "route_type": "routeType",
    "agency_id": "agency",
    "route_color": "routeColor",
    "route_text_color": "routeTextColor",
}


def read_gtfs(body: bytes, now: CityTime, *, unpacked_mb: int = 500) -> Decoded:
    """The stops and routes, observed ``now``: a timetable does not say when it was made.

    Raises InputError for what is no zip file, lacks stops.txt or routes.txt, or would unpack to
    more than ``unpacked_mb`` megabytes (a zip bomb is not unpacked to find out).
    """
    faults = Faults()
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            tables = [
                _table(archive, name, unpacked_mb * MEGABYTE, faults)
                for name in ("stops", "routes")
            ]
    except _BAD_ZIP as error:
        raise InputError(f"no zip file that can be read: {error}") from None
    return faults.of(
        [
            _entities(tables[0], "GtfsStop", "stop_id", _STOPS, now, faults),
            _entities(tables[1], "GtfsRoute", "route_id", _ROUTES, now, faults),
        ]
    )


def _table(archive: zipfile.ZipFile, name: str, limit: int, faults: Faults) -> pa.Table:
    try:
        entry = archive.getinfo(f"{name}.txt")
    except KeyError:
        raise InputError(f"{name}.txt is missing: is this a GTFS timetable?") from None
    if entry.file_size > limit:
        raise InputError(f"{name}.txt unpacks to {entry.file_size} bytes, more than {limit}")
    with archive.open(entry) as file:
        # A zip that lies about its sizes is cut here, and its checksum then fails.
        text = file.read(limit)
    return read_texts(text, f"{name}.txt", faults)


def _entities(
    table: pa.Table,
    type_: str,
    id_column: str,
    names: Mapping[str, str],
    now: CityTime,
    faults: Faults,
) -> Readings:
    place = f"{id_column[:-3]}s.txt"
    if id_column not in table.column_names:
        raise InputError(f"{place} has no column {id_column}")
    entities, rows = [], []
    for row, own_id in enumerate(table[id_column].to_pylist()):
        try:
            entities.append(urn(type_, own_id))
            rows.append(row)
        except InputError as error:
            faults.add(f"{place} row {row}", str(error))
    attributes = declared()[type_]
    cells: dict[str, list[object]] = {}
    for name, attribute in names.items():
        if name in table.column_names:
            texts = table[name].to_pylist()
            read = _READ[attributes[attribute].kind]
            cells[attribute] = [read(texts[row]) for row in rows]
    times = [now] * len(entities)
    return readings_of(attributes, type_, entities, times, cells, faults, place=place)


def _text(cell: object) -> object:
    return cell or ABSENT


def _number(cell: object) -> object:
    """Text as a number; what is none stays text, and becomes a fault."""
    if not isinstance(cell, str) or not cell.strip():
        return ABSENT
    try:
        return float(cell)
    except ValueError:
        return cell


_READ = {"text": _text, "number": _number, "integer": _number}
