"""Weather as Open-Meteo's forecast API writes it: ``current`` and ``hourly`` blocks with units.

Units are read from the document, never assumed. Hours that lie ahead of ``now`` are forecasts,
not observations, and are left out. Variables that have no attribute in WeatherObserved are
left out, too: the address chooses what comes.
"""

from collections.abc import Sequence

from cityloop.kernel.clock import CityTime
from cityloop.kernel.errors import InputError
from cityloop.standards.attributes import declared
from cityloop.standards.feeds.documents import Object, is_object, read_json, urn
from cityloop.standards.readings import (
    Decoded,
    Faults,
    Readings,
    read_local_time,
    readings_of,
)

TYPE = "WeatherObserved"
_ATTRIBUTES = {
    "temperature_2m": "temperature",
    "relative_humidity_2m": "relativeHumidity",
    "dew_point_2m": "dewPoint",
    "apparent_temperature": "feelsLikeTemperature",
    "pressure_msl": "atmosphericPressure",
    "surface_pressure": "surfacePressure",
    "wind_speed_10m": "windSpeed",
    "wind_gusts_10m": "gustSpeed",
    "wind_direction_10m": "windDirection",
    "precipitation": "precipitation",
    "rain": "rain",
    "snow_depth": "snowHeight",
    "cloud_cover": "cloudCover",
    "visibility": "visibility",
    "shortwave_radiation": "solarRadiation",
    "weather_code": "weatherCode",
}


def read_open_meteo(body: bytes, now: CityTime, *, stations: Sequence[str] = ()) -> Decoded:
    """The weather at one place, or at several (the API then answers with a list).

    ``stations``: ids for the places in the order they were asked for; without one a place is
    called by its coordinates. Raises InputError for a document of another kind.
    """
    document = read_json(body)
    if is_object(document) and document.get("error"):
        raise InputError(f"the service says: {str(document.get('reason'))[:200]}")
    faults = Faults()
    parts: list[Readings] = []
    for row, place in enumerate(document if isinstance(document, list) else [document]):
        where = f"[{row}]" if isinstance(document, list) else ""
        if not is_object(place):
            faults.add(where, "no object", value=place)
            continue
        entity = _entity(place, stations[row] if row < len(stations) else "", where, faults)
        if entity:
            parts += _blocks(place, entity, now, where, faults)
    if not parts and not faults.count:
        raise InputError("neither current nor hourly weather is in it: is this the right format?")
    return faults.of(parts)


def _entity(place: Object, station: str, where: str, faults: Faults) -> str:
    latitude, longitude = place.get("latitude"), place.get("longitude")
    try:
        if not station and isinstance(latitude, int | float) and isinstance(longitude, int | float):
            station = f"{latitude:.4f},{longitude:.4f}"
        return urn(TYPE, station)
    except InputError as error:
        faults.add(where, str(error))
        return ""


def _blocks(
    place: Object, entity: str, now: CityTime, where: str, faults: Faults
) -> list[Readings]:
    found = []
    for name in ("hourly", "current"):
        block, units = place.get(name), place.get(f"{name}_units")
        if not is_object(block) or not is_object(units):
            if name in place:
                faults.add(f"{where}.{name}", "no object, or one without units", entity=entity)
            continue
        rows = block if name == "hourly" else {key: [value] for key, value in block.items()}
        try:
            found.append(_block(place, rows, units, entity, now, f"{where}.{name}", faults))
        except InputError as error:
            faults.add(f"{where}.{name}", str(error), entity=entity)
    return found


def _block(
    place: Object,
    block: Object,
    units: Object,
    entity: str,
    now: CityTime,
    where: str,
    faults: Faults,
) -> Readings:
    """The rows of one block; raises InputError when it has no times."""
    times = block.get("time")
    if not isinstance(times, list):
        raise InputError("time is no list")
    offset = place.get("utc_offset_seconds", 0)
    if not isinstance(offset, int | float) or not abs(offset) <= 86400:
        raise InputError("utc_offset_seconds is no offset")
    at = [read_local_time(time, offset) for time in times]
    past = [row for row, time in enumerate(at) if time <= now]
    columns: dict[str, list[object]] = {}
    of: dict[str, str] = {}
    for name, attribute in _ATTRIBUTES.items():
        values = block.get(name)
        if values is None:
            continue
        if not isinstance(values, list) or len(values) != len(times):
            faults.add(f"{where}.{name}", "not one value per time", entity=entity)
            continue
        columns[attribute] = [values[row] for row in past]
        of[attribute] = str(units.get(name, "C62"))[:40]
    for name in ("latitude", "longitude"):
        columns[name] = [place.get(name)] * len(past)
    return readings_of(
        declared()[TYPE],
        TYPE,
        [entity] * len(past),
        [at[row] for row in past],
        columns,
        faults,
        units=of,
        place=where,
    )
