"""Shared bicycles and scooters: GBFS 2 and 3 (github.com/MobilityData/gbfs).

Read are ``station_information``, ``station_status`` and ``vehicle_status`` (called
``free_bike_status`` in version 2); which one a document is, it says by its own content.
"""

from cityloop.kernel.clock import CityTime
from cityloop.kernel.errors import InputError
from cityloop.standards.attributes import declared
from cityloop.standards.feeds.documents import (
    Object,
    is_object,
    objects_at,
    read_json,
    rowed,
    urn,
)
from cityloop.standards.readings import ABSENT, Decoded, Faults, read_time, readings_of

STATION, VEHICLE = "BikeHireDockingStation", "Vehicle"
_STATION = {
    "name": "name",
    "lat": "latitude",
    "lon": "longitude",
    "capacity": "totalSlotNumber",
    "num_bikes_available": "availableBikeNumber",
    "num_vehicles_available": "availableBikeNumber",
    "num_bikes_disabled": "outOfServiceBikeNumber",
    "num_vehicles_disabled": "outOfServiceBikeNumber",
    "num_docks_available": "freeSlotNumber",
    "num_docks_disabled": "outOfServiceSlotNumber",
    "is_installed": "installed",
    "is_renting": "renting",
    "is_returning": "returning",
}
_VEHICLE = {
    "lat": "latitude",
    "lon": "longitude",
    "vehicle_type_id": "vehicleType",
    "is_reserved": "reserved",
    "is_disabled": "disabled",
    "current_range_meters": "range",
}


def read_gbfs(body: bytes) -> Decoded:
    """Stations or vehicles of one GBFS document.

    Raises InputError for another document or for a version other than 2 and 3.
    """
    document = read_json(body)
    if not is_object(document) or not is_object(document.get("data")):
        raise InputError("no GBFS: an object with version, last_updated and data is wanted")
    version = str(document.get("version", ""))
    if version[:2] not in ("2.", "3."):
        raise InputError(f"GBFS version {version[:20]!r} is not read; 2 and 3 are")
    updated = read_time(document.get("last_updated"))
    faults = Faults()
    for list_name in ("stations", "vehicles", "bikes"):
        if list_name in document["data"]:
            return _read_list(document, list_name, updated, faults)
    raise InputError("data holds neither stations nor vehicles; give the address of such a feed")


def _read_list(document: Object, name: str, updated: CityTime, faults: Faults) -> Decoded:
    place = f"data.{name}"
    items = objects_at(document, place, faults)
    stations = name == "stations"
    type_, names = (STATION, _STATION) if stations else (VEHICLE, _VEHICLE)
    own_id = {"stations": "station_id", "vehicles": "vehicle_id", "bikes": "bike_id"}[name]
    found = rowed(
        items,
        place,
        faults,
        lambda item: urn(type_, item.get(own_id)),
        lambda item: _reported(item, updated),
    )
    cells = found.cells(names)
    if "name" in cells:
        cells["name"] = [_in_one_language(value) for value in cells["name"]]
    part = readings_of(
        declared()[type_], type_, found.entities, found.times, cells, faults, place=place
    )
    return faults.of([part])


def _reported(item: Object, updated: CityTime) -> CityTime:
    """When the item itself last reported, else when the feed was made."""
    told = item.get("last_reported")
    return updated if told is None else read_time(told)


def _in_one_language(value: object) -> object:
    """GBFS 3 writes a name as a list of translations: the first."""
    if isinstance(value, list):
        first = value[0] if value else None
        return first.get("text", ABSENT) if is_object(first) else ABSENT
    return value
