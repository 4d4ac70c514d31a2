"""Air quality as OpenAQ writes it: measurements of version 2, and of a sensor in version 3.

Each result names one parameter with its unit; results of one place and time become one row.
"""

from collections import defaultdict

from cityloop.kernel.clock import CityTime
from cityloop.kernel.errors import InputError
from cityloop.standards.attributes import declared
from cityloop.standards.feeds.documents import Object, is_object, objects_at, read_json, urn
from cityloop.standards.readings import ABSENT, Decoded, Faults, Readings, read_time, readings_of

TYPE = "AirQualityObserved"
_ATTRIBUTES = {
    "pm1": "pm1", "pm25": "pm25", "pm2.5": "pm25", "pm10": "pm10", "no": "no", "no2": "no2",
    "nox": "nox", "o3": "o3", "so2": "so2", "co": "co", "co2": "co2", "temperature": "temperature",
    "relativehumidity": "relativeHumidity", "humidity": "relativeHumidity",
}  # fmt: skip
_Units = dict[tuple[str, str], dict[tuple[str, CityTime], object]]
"""(attribute, unit) → (entity, time) → value: a column has one unit."""


def read_openaq(body: bytes, *, station: str = "") -> Decoded:
    """The measurements in ``results``.

    ``station``: whose they are, for answers that do not say it (version 3, one sensor). A
    parameter that AirQualityObserved lacks is a fault, and so is a unit that does not convert
    (ppm to µg/m³ needs the air's temperature and pressure). Raises InputError for a document
    without results.
    """
    faults = Faults()
    units: _Units = defaultdict(dict)
    places: dict[str, Object] = {}
    for row, item in enumerate(objects_at(read_json(body), "results", faults)):
        where, entity = f"results[{row}]", ""
        try:
            entity = urn(TYPE, _place(item, station))
            for name, unit, value, at in _measurements(item):
                attribute = _ATTRIBUTES.get(name.lower(), name)
                units[attribute, unit][entity, at] = value
        except InputError as error:
            faults.add(where, str(error), entity=entity)
            continue
        if is_object(item.get("coordinates")):
            places[entity] = item["coordinates"]
    return faults.of([*_parts(units, faults), *_coordinates(units, places, faults)])


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


def _parts(units: _Units, faults: Faults) -> list[Readings]:
    """One part per attribute and unit, since a column has one unit."""
    parts = []
    for (attribute, unit), rows in units.items():
        entities, times = [entity for entity, _ in rows], [at for _, at in rows]
        values = {attribute: list(rows.values())}
        parts.append(
            readings_of(
                declared()[TYPE], TYPE, entities, times, values, faults,
                units={attribute: unit}, place="results",
            )
        )  # fmt: skip
    return parts


def _coordinates(units: _Units, places: dict[str, Object], faults: Faults) -> list[Readings]:
    newest: dict[str, CityTime] = {}
    for rows in units.values():
        for entity, at in rows:
            newest[entity] = max(at, newest.get(entity, at))
    known = [entity for entity in newest if entity in places]
    cells: dict[str, list[object]] = {
        name: [places[entity].get(name, ABSENT) for entity in known]
        for name in ("latitude", "longitude")
    }
    times = [newest[entity] for entity in known]
    return [readings_of(declared()[TYPE], TYPE, known, times, cells, faults, place="coordinates")]
