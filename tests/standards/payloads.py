"""One good payload of every feed format, as its service writes it, and the reader of each."""

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet
from google.transit.gtfs_realtime_pb2 import FeedMessage

from cityloop.kernel.clock import CityTime
from cityloop.standards.feeds.gbfs import read_gbfs
from cityloop.standards.feeds.geojson import read_geojson
from cityloop.standards.feeds.gtfs import read_gtfs
from cityloop.standards.feeds.gtfs_realtime import read_gtfs_realtime
from cityloop.standards.feeds.open311 import read_open311
from cityloop.standards.feeds.open_meteo import read_open_meteo
from cityloop.standards.feeds.openaq import read_openaq
from cityloop.standards.feeds.sensorthings import read_sensorthings
from cityloop.standards.feeds.tables import TableMap, read_csv
from cityloop.standards.readings import Decoded

NOW = CityTime(round(datetime(2026, 5, 4, 12, 30, tzinfo=UTC).timestamp() * 1000))
POSIX = NOW // 1000

OPEN_METEO = {
    "latitude": 30.25,
    "longitude": 120.125,
    "utc_offset_seconds": 28800,
    "timezone": "Asia/Shanghai",
    "current_units": {
        "time": "iso8601",
        "interval": "seconds",
        "temperature_2m": "°C",
        "relative_humidity_2m": "%",
        "wind_speed_10m": "km/h",
        "weather_code": "wmo code",
    },
    "current": {
        "time": "2026-05-04T20:30",
        "interval": 900,
        "temperature_2m": 21.4,
        "relative_humidity_2m": 62,
        "wind_speed_10m": 9.0,
        "weather_code": 3,
    },
    "hourly_units": {"time": "iso8601", "precipitation": "mm"},
    "hourly": {
        "time": ["2026-05-04T19:00", "2026-05-04T20:00", "2026-05-04T21:00"],
        "precipitation": [0.0, 0.4, 1.2],
    },
}
GBFS_STATUS = {
    "last_updated": POSIX,
    "ttl": 10,
    "version": "2.3",
    "data": {
        "stations": [
            {
                "station_id": "central",
                "num_bikes_available": 7,
                "num_docks_available": 5,
                "is_installed": True,
                "is_renting": True,
                "is_returning": True,
                "last_reported": POSIX - 30,
            }
        ]
    },
}
GBFS_INFORMATION_3 = {
    "last_updated": "2026-05-04T12:30:00Z",
    "ttl": 300,
    "version": "3.0",
    "data": {
        "stations": [
            {
                "station_id": "central",
                "name": [{"text": "Central Station", "language": "en"}],
                "lat": 44.5,
                "lon": 11.34,
                "capacity": 12,
            }
        ]
    },
}
GBFS_VEHICLES_3 = {
    "last_updated": "2026-05-04T12:30:00Z",
    "ttl": 0,
    "version": "3.0",
    "data": {
        "vehicles": [
            {
                "vehicle_id": "973a5c94-c288",
                "lat": 44.49,
                "lon": 11.35,
                "is_reserved": False,
                "is_disabled": False,
                "current_range_meters": 6543.0,
                "vehicle_type_id": "scooter",
            }
        ]
    },
}
OPEN311 = [
    {
        "service_request_id": "638344",
        "status": "open",
        "status_notes": "",
        "service_name": "Street light out",
        "service_code": "024",
        "description": "The lamp at the corner has been dark for a week.",
        "requested_datetime": "2026-05-02T06:37:38-04:00",
        "updated_datetime": "2026-05-04T08:00:00-04:00",
        "address": "8TH AVE and JUDAH ST",
        "lat": 37.7621,
        "long": "-122.4645",
    }
]
OPENAQ_2 = {
    "results": [
        {
            "locationId": 62,
            "location": "Xueyuan Road",
            "parameter": "pm25",
            "value": 18.5,
            "unit": "µg/m³",
            "date": {"utc": "2026-05-04T12:00:00Z", "local": "2026-05-04T20:00:00+08:00"},
            "coordinates": {"latitude": 30.28, "longitude": 120.13},
        }
    ]
}
OPENAQ_3 = {
    "results": [
        {
            "value": 0.61,
            "parameter": {"id": 4, "name": "co", "units": "mg/m³"},
            "period": {
                "datetimeFrom": {"utc": "2026-05-04T11:00:00Z"},
                "datetimeTo": {"utc": "2026-05-04T12:00:00Z"},
            },
            "coordinates": None,
        }
    ]
}
SENSORTHINGS = {
    "value": [
        {
            "@iot.id": 9001,
            "phenomenonTime": "2026-05-04T11:00:00Z/2026-05-04T12:00:00Z",
            "resultTime": None,
            "result": 17.2,
            "Datastream": {
                "@iot.id": 12,
                "name": "PM2.5 at the bridge",
                "unitOfMeasurement": {"name": "microgram per cubic metre", "symbol": "ug/m3"},
                "ObservedProperty": {"name": "PM2.5"},
                "Thing": {"@iot.id": 7, "name": "bridge"},
            },
        }
    ]
}
CSV = b"""station,time,temperature,windSpeed
north,2026-05-04T12:00:00Z,21.5,18
south,2026-05-04T20:00:00+08:00,,36
"""
GEOJSON = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "id": "north",
            "geometry": {"type": "Point", "coordinates": [120.13, 30.28]},
            "properties": {"time": "2026-05-04T12:00:00Z", "pm10": 41.0},
        }
    ],
}
WEATHER_MAP = TableMap("WeatherObserved", "station", "time", units={"windSpeed": "km/h"})
AIR_MAP = TableMap("AirQualityObserved", "station", "time")


def gtfs_zip(**files: str) -> bytes:
    """A timetable with two stops and a route, or with ``files`` in their place."""
    texts = {
        "stops": "stop_id,stop_name,stop_lat,stop_lon,location_type\n"
        'A,"Piazza, north",44.49,11.34,\nB,Station,44.5,11.35,1\n',
        "routes": "route_id,agency_id,route_short_name,route_long_name,route_type\n"
        "27,TPER,27,Corticella - Mazzini,3\n",
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in (texts | files).items():
            archive.writestr(f"{name}.txt", text)
    return out.getvalue()


def gtfs_realtime_message() -> FeedMessage:
    """One bus, one trip update with two stops, one alert."""
    message = FeedMessage()
    message.header.gtfs_realtime_version = "2.0"
    message.header.timestamp = POSIX
    bus = message.entity.add(id="1").vehicle
    bus.vehicle.id, bus.trip.trip_id, bus.trip.route_id = "bus-204", "27-0815", "27"
    bus.position.latitude, bus.position.longitude, bus.position.speed = 44.49, 11.34, 8.5
    bus.timestamp = POSIX - 12
    update = message.entity.add(id="2").trip_update
    update.trip.trip_id = "27-0815"
    for number, stop_id in enumerate("AB", 1):
        stop = update.stop_time_update.add(stop_sequence=number, stop_id=stop_id)
        stop.arrival.delay, stop.arrival.time = 60 * number, POSIX + 300 * number
    alert = message.entity.add(id="3").alert
    alert.header_text.translation.add(text="Stop A is closed")
    alert.informed_entity.add(stop_id="A")
    alert.cause, alert.effect = alert.CONSTRUCTION, alert.NO_SERVICE
    return message


def parquet_bytes() -> bytes:
    """Two stations at two times."""
    table = pa.table(
        {
            "station": ["north", "south"] * 2,
            "time": pa.array([NOW, NOW, NOW + 60_000, NOW + 60_000], pa.timestamp("ms", "UTC")),
            "temperature": [21.5, 20.0, 21.6, None],
        }
    )
    out = io.BytesIO()
    pyarrow.parquet.write_table(table, out)
    return out.getvalue()


@dataclass(frozen=True)
class Format:
    """A format: a good payload, and how it is read."""

    good: bytes
    read: Callable[[bytes], Decoded]


def _json(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


FORMATS = {
    "open-meteo": Format(_json(OPEN_METEO), lambda body: read_open_meteo(body, NOW)),
    "gbfs 2 status": Format(_json(GBFS_STATUS), read_gbfs),
    "gbfs 3 information": Format(_json(GBFS_INFORMATION_3), read_gbfs),
    "gbfs 3 vehicles": Format(_json(GBFS_VEHICLES_3), read_gbfs),
    "open311": Format(_json(OPEN311), read_open311),
    "openaq 2": Format(_json(OPENAQ_2), read_openaq),
    "openaq 3": Format(_json(OPENAQ_3), lambda body: read_openaq(body, station="bridge")),
    "sensorthings": Format(
        _json(SENSORTHINGS),
        lambda body: read_sensorthings(body, properties={"PM2.5": "AirQualityObserved.pm25"}),
    ),
    "gtfs": Format(gtfs_zip(), lambda body: read_gtfs(body, NOW)),
    "gtfs-realtime": Format(gtfs_realtime_message().SerializeToString(), read_gtfs_realtime),
    "csv": Format(CSV, lambda body: read_csv(body, WEATHER_MAP)),
    "geojson": Format(_json(GEOJSON), lambda body: read_geojson(body, AIR_MAP)),
}
