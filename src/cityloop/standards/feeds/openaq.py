"""Air quality as OpenAQ writes it: measurements of version 2, and of a sensor in version 3.

Each result names one parameter with its unit; results of one place and time become one row.
"""

from collections.abc import Mapping

from cityloop.kernel.clock import CityTime
from cityloop.kernel.errors import InputError
from cityloop.standards.attributes import declared
from cityloop.standards.feeds.documents import Object, is_object, objects_at, read_json, urn
from cityloop.standards.readings import ABSENT, Decoded, Faults, Readings, read_time, readings_of
from cityloop.standards.singles import Singles

TYPE = "AirQualityObserved"
_ATTRIBUTES = {
    "pm1": "pm1", "pm25": "pm25", "pm2.5": "pm25", "pm10": "pm10", "no": "no", "no2": "no2",
    "nox": "nox", "o3": "o3", "so2": "so2", "co": "co", "co2": "co2", "temperature": "temperature",
    "relativehumidity": "relativeHumidity", "humidity": "relativeHumidity",
}  # fmt: skip


def read_openaq(body: bytes, *, station: str = "") -> Decoded:
    """The measurements in ``results``.

    ``station``: whose they are, for answers that do not say it (version 3, one sensor). A
    parameter that AirQualityObserved lacks is a fault, and so is a unit that does not convert
    (ppm to µg/m³ needs the air's temperature and pressure). Raises InputError for a document
    without results.
    """
    faults = Faults()
    singles = Singles()
    places: dict[str, tuple[CityTime, Object]] = {}
    for row, item in enumerate(objects_at(read_json(body), "results", faults)):
        where, entity = f"results[{row}]", ""
        try:
            entity = urn(TYPE, _place(item, station))
            for name, unit, value, at in _measurements(item):
                attribute = _ATTRIBUTES.get(name.lower(), name)
                singles.add(TYPE, attribute, unit, entity, at, value)
                if is_object(item.get("coordinates")):
                    places[entity] = max(at, places.get(entity, (at,))[0]), item["coordinates"]
        except InputError as error:
            faults.add(where, str(error), entity=entity)
    return faults.of([*singles.readings(faults, "results"), _coordinates(places, faults)])


def _place(item: Object, station: str) -> object:
    return item.get("locationId") or item.get("location") or station


def _measurements(item: Object) -> list[tuple[str, str, object, CityTime]]:
    """(parameter, unit, value, time) of one result; raises InputError where one is missing."""
    listed = item.get("measurements")
    if isinstance(listed, list):
        return [one for part in listed if is_object(part) for one in _measurements(part)]
    parameter = item.get("parameter")
    name = parameter.get("name") if is_object(parameter) else parameter
    unit = parameter.get("units") if is_object(parameter) else item.get("unit")
    if not isinstance(name, str) or not isinstance(unit, str) or len(name) > 100:
        raise InputError("no parameter with a name and a unit")
    return [(name, unit[:40], item.get("value"), _time(item))]


def _time(item: Object) -> CityTime:
    date = item.get("date") or item.get("datetime")
    period = item.get("period")
    if is_object(period):
        date = period.get("datetimeTo")
    return read_time(date.get("utc") if is_object(date) else item.get("lastUpdated"))


def _coordinates(places: Mapping[str, tuple[CityTime, Object]], faults: Faults) -> Readings:
    cells = {
        name: [place.get(name, ABSENT) for _, place in places.values()]
        for name in ("latitude", "longitude")
    }
    times = [at for at, _ in places.values()]
    table = declared()[TYPE]
    return readings_of(table, TYPE, list(places), times, cells, faults, place="coordinates")
