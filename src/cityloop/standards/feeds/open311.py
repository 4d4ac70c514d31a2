"""Service requests as GeoReport v2 (Open311) lists them, in JSON."""

from cityloop.kernel.clock import CityTime
from cityloop.kernel.errors import InputError
from cityloop.standards.attributes import declared
from cityloop.standards.feeds.documents import Object, objects_at, read_json, rowed, urn
from cityloop.standards.readings import ABSENT, Decoded, Faults, read_time, readings_of

TYPE = "ServiceRequest"
_ATTRIBUTES = {
    "status": "status",
    "status_notes": "statusNotes",
    "service_code": "serviceCode",
    "service_name": "serviceName",
    "description": "description",
    "agency_responsible": "agency",
    "address": "address",
    "lat": "latitude",
    "long": "longitude",
    "requested_datetime": "requestedAt",
    "expected_datetime": "expectedAt",
}
_TIMES = {"requestedAt", "expectedAt"}
_PLACES = {"latitude", "longitude"}
_CODES = {"serviceCode"}


def read_open311(body: bytes) -> Decoded:
    """The requests of a ``requests.json``; each observed when it was last updated.

    Optional members that are empty texts mean absent, as many servers write them. Raises
    InputError for a document that is no list.
    """
    faults = Faults()
    items = objects_at(read_json(body), "", faults)
    found = rowed(items, "", faults, lambda item: urn(TYPE, item.get("service_request_id")), _at)
    cells = {name: list(map(_filled, values)) for name, values in found.cells(_ATTRIBUTES).items()}
    for name in _PLACES & cells.keys():
        cells[name] = list(map(_number, cells[name]))
    for name in _TIMES & cells.keys():
        cells[name] = list(map(_time, cells[name]))
    for name in _CODES & cells.keys():
        cells[name] = [str(code) if type(code) is int else code for code in cells[name]]
    part = readings_of(declared()[TYPE], TYPE, found.entities, found.times, cells, faults)
    return faults.of([part])


def _at(item: Object) -> CityTime:
    return read_time(item.get("updated_datetime") or item.get("requested_datetime"))


def _filled(value: object) -> object:
    return ABSENT if value in ("", None) else value


def _number(value: object) -> object:
    """Servers write coordinates as numbers or as text; other text stays, and becomes a fault."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _time(value: object) -> object:
    try:
        return value if value is ABSENT else int(read_time(value))
    except InputError:
        return value
