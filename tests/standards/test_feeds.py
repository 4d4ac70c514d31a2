"""Public feeds: what a service writes becomes readings; what it should not have written, faults."""

import io
import json
import time
import tracemalloc
import zipfile

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.standards import payloads
from tests.standards.payloads import FORMATS, NOW, POSIX, Format

from cityloop.kernel.errors import InputError
from cityloop.standards.attributes import declared
from cityloop.standards.feeds.geojson import read_geojson
from cityloop.standards.feeds.gtfs import read_gtfs
from cityloop.standards.feeds.gtfs_realtime import read_gtfs_realtime
from cityloop.standards.feeds.open_meteo import read_open_meteo
from cityloop.standards.feeds.openaq import read_openaq
from cityloop.standards.feeds.sensorthings import next_page, read_sensorthings
from cityloop.standards.feeds.tables import TableMap, read_csv, read_table
from cityloop.standards.readings import Decoded, Faults

Said = dict[tuple[str, int, str], object]


def _said(decoded: Decoded) -> Said:
    """(own id, seconds before ``NOW``, attribute) → value."""
    said: Said = {}
    for part in decoded.readings:
        for name, column in part.columns.items():
            for row, (entity, at) in enumerate(zip(part.entities, part.observed_at, strict=True)):
                if column.absent is None or not column.absent[row]:
                    null = column.null is not None and column.null[row]
                    value = None if null else column.values.tolist()[row]
                    own_id = entity.removeprefix(f"urn:ngsi-ld:{part.type}:")
                    said[own_id, (NOW - int(at)) // 1000, name] = value
    return said


def _read(name: str) -> Said:
    decoded = FORMATS[name].read(FORMATS[name].good)
    assert decoded.faults == ()
    return _said(decoded)


def test_weather_comes_in_declared_units_and_forecasts_stay_out() -> None:
    said = _read("open-meteo")
    place = "30.2500,120.1250"
    assert said[place, 0, "windSpeed"] == pytest.approx(2.5)
    assert said[place, 0, "relativeHumidity"] == pytest.approx(0.62)
    assert said[place, 0, "weatherCode"] == 3
    assert {at for _, at, name in said if name == "precipitation"} == {1800, 5400}


def test_weather_of_several_places_takes_the_names_it_is_given() -> None:
    body = json.dumps([payloads.OPEN_METEO, payloads.OPEN_METEO]).encode()
    decoded = read_open_meteo(body, NOW, stations=["north", "south"])
    assert {own_id for own_id, _, _ in _said(decoded)} == {"north", "south"}


def test_an_error_of_the_service_is_told_in_its_words() -> None:
    with pytest.raises(InputError, match="the service says: Latitude must be in range"):
        read_open_meteo(b'{"error": true, "reason": "Latitude must be in range"}', NOW)


def test_a_station_has_its_own_time_in_gbfs_2() -> None:
    said = _read("gbfs 2 status")
    assert said["central", 30, "availableBikeNumber"] == 7
    assert said["central", 30, "freeSlotNumber"] == 5
    assert said["central", 30, "renting"] is True


def test_a_translated_name_is_read_in_gbfs_3() -> None:
    said = _read("gbfs 3 information")
    assert said["central", 0, "name"] == "Central Station"
    assert said["central", 0, "totalSlotNumber"] == 12


def test_vehicles_are_read_in_gbfs_3() -> None:
    assert _read("gbfs 3 vehicles")["973a5c94-c288", 0, "range"] == 6543.0


def test_a_version_that_is_not_read_is_refused() -> None:
    body = json.dumps(payloads.GBFS_STATUS | {"version": "1.1"}).encode()
    with pytest.raises(InputError, match=r"GBFS version '1\.1' is not read"):
        FORMATS["gbfs 2 status"].read(body)


def test_a_service_request_is_observed_when_it_was_updated() -> None:
    said = _read("open311")
    assert said["638344", 1800, "serviceCode"] == "024"
    assert said["638344", 1800, "longitude"] == -122.4645
    assert ("638344", 1800, "statusNotes") not in said


def test_air_quality_of_version_2_names_its_place() -> None:
    said = _read("openaq 2")
    assert said["62", 1800, "pm25"] == 18.5
    assert said["62", 1800, "latitude"] == 30.28


def test_air_quality_of_version_3_is_converted() -> None:
    assert _read("openaq 3")["bridge", 1800, "co"] == pytest.approx(610.0)


def test_parts_of_volume_are_not_taken_for_a_mass() -> None:
    body = json.dumps(payloads.OPENAQ_2).replace("\\u00b5g/m\\u00b3", "ppm").encode()
    decoded = read_openaq(body)
    assert "unit 59 does not convert to GQ" in decoded.faults[0].reason


def test_an_observation_of_a_declared_property_is_read() -> None:
    assert _read("sensorthings")["7", 1800, "pm25"] == 17.2


def test_a_data_array_says_the_same() -> None:
    item = payloads.SENSORTHINGS["value"][0]
    array = {
        "Datastream": item["Datastream"],
        "components": ["phenomenonTime", "result"],
        "dataArray": [["2026-05-04T12:00:00Z", 17.2]],
    }
    body = json.dumps({"value": [array], "@iot.nextLink": "http://x/2"}).encode()
    decoded = read_sensorthings(body, properties={"PM2.5": "AirQualityObserved.pm25"})
    assert _said(decoded) == _read("sensorthings")
    assert next_page(body) == "http://x/2"


def test_an_observation_of_anything_else_is_a_fault() -> None:
    decoded = read_sensorthings(FORMATS["sensorthings"].good, properties={})
    assert decoded.faults[0].reason == "undeclared property: 'PM2.5'"


def test_stops_and_routes_of_a_timetable_are_entities() -> None:
    said = _read("gtfs")
    assert said["A", 0, "name"] == "Piazza, north"
    assert said["B", 0, "locationType"] == 1
    assert said["27", 0, "routeType"] == 3


def test_a_wrong_coordinate_of_a_stop_is_named_and_the_rest_goes_on() -> None:
    stops = "stop_id,stop_name,stop_lat,stop_lon\nA,x,north,11.3\nB,y,44.5,11.4\nC,z\n"
    decoded = read_gtfs(payloads.gtfs_zip(stops=stops), NOW)
    assert _said(decoded)["B", 0, "latitude"] == 44.5
    assert {fault.value for fault in decoded.faults} == {"north", "C,z"}


def test_a_zip_bomb_is_not_unpacked() -> None:
    bomb = payloads.gtfs_zip(stops="stop_id\n" + "0" * 50_000_000)
    tracemalloc.start()
    with pytest.raises(InputError, match="unpacks to 50000008 bytes, more than 10000000"):
        read_gtfs(bomb, NOW, unpacked_mb=10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


def test_a_zip_that_lies_about_its_size_is_refused() -> None:
    honest = bytearray(payloads.gtfs_zip(stops="stop_id\n" + "0" * 5_000_000))
    place = honest.rindex(b"PK\x01\x02", 0, honest.index(b"stops.txt", 200))
    honest[place + 24 : place + 28] = (100).to_bytes(4, "little")
    with pytest.raises((InputError, zipfile.BadZipFile), match=r"zip|CRC"):
        read_gtfs(bytes(honest), NOW, unpacked_mb=1)


def test_a_bus_is_where_it_says_when_it_says() -> None:
    said = _read("gtfs-realtime")
    assert said["bus-204", 12, "speed"] == 8.5
    assert said["bus-204", 12, "route"] == "27"


def test_a_trip_update_is_one_arrival_per_stop() -> None:
    said = _read("gtfs-realtime")
    assert said["27-0815:2", 0, "delay"] == 120.0
    assert said["27-0815:2", 0, "arrivesAt"] == (POSIX + 600) * 1000
    assert said["27-0815:1", 0, "skipped"] is False


def test_an_alert_says_whom_it_concerns() -> None:
    said = _read("gtfs-realtime")
    assert (said["3", 0, "effect"], said["3", 0, "informs"]) == ("NO_SERVICE", "A")


def test_a_feed_without_any_time_is_a_fault_per_entity() -> None:
    message = payloads.gtfs_realtime_message()
    message.header.ClearField("timestamp")
    message.entity[0].vehicle.ClearField("timestamp")
    decoded = read_gtfs_realtime(message.SerializeToString())
    assert decoded.readings == ()
    assert decoded.fault_count == 3


def test_a_name_that_is_no_utf_8_costs_its_entity_only() -> None:
    body = FORMATS["gtfs-realtime"].good.replace(b"bus-204", b"\xa0us-204")
    decoded = read_gtfs_realtime(body)
    assert [fault.reason for fault in decoded.faults] == ["not UTF-8: b'\\xa0us-204'"]
    assert ("3", 0, "effect") in _said(decoded)


def test_a_csv_is_read_by_its_map() -> None:
    assert _read("csv") == {
        ("north", 1800, "temperature"): 21.5,
        ("north", 1800, "windSpeed"): pytest.approx(5.0),
        ("south", 1800, "windSpeed"): pytest.approx(10.0),
    }


def test_a_bad_row_of_a_csv_costs_itself_only() -> None:
    body = b"station,time,temperature\nn,2026-05-04T12:30:00Z,warm\n,2026-05-04T12:30:00Z,1\n"
    body += b"s,yesterday,2\nw,2026-05-04T12:30:00Z,3\nw,too,many,cells\n"
    decoded = read_csv(body, payloads.WEATHER_MAP)
    assert _said(decoded) == {("w", 0, "temperature"): 3.0}
    assert {fault.value for fault in decoded.faults} == {
        "warm",
        "",
        "yesterday",
        "w,too,many,cells",
    }


def test_times_without_zone_need_one_in_the_map() -> None:
    body = b"station,time,rain\nn,2026-05-04T20:30:00,1\n"
    assert read_csv(body, payloads.WEATHER_MAP).faults[0].reason == "no time with zone"
    zoned = TableMap("WeatherObserved", "station", "time", time_zone="Asia/Shanghai")
    assert _said(read_csv(body, zoned)) == {("n", 0, "rain"): 1.0}


def test_bytes_that_are_no_utf_8_are_refused_with_the_reason() -> None:
    with pytest.raises(InputError, match="csv is not UTF-8 at byte 19"):
        read_csv(b"station,time,rain\nn\xff,2026-05-04T20:30:00Z,1\n", payloads.WEATHER_MAP)


def test_a_missing_column_is_named_with_those_that_are_there() -> None:
    with pytest.raises(InputError, match="no column 'station'; it has id, time"):
        read_csv(b"id,time\n1,2\n", payloads.WEATHER_MAP)


def test_a_table_without_any_attribute_is_refused_and_a_missing_column_is_named() -> None:
    with pytest.raises(InputError, match="no column for any attribute of WeatherObserved"):
        read_csv(b"station,time,temp\nn,2026-05-04T12:30:00Z,1\n", payloads.WEATHER_MAP)
    named = TableMap("WeatherObserved", "station", "time", {"temp": "temperature", "wet": "rain"})
    decoded = read_csv(b"station,time,temp\nn,2026-05-04T12:30:00Z,1\n", named)
    assert _said(decoded) == {("n", 0, "temperature"): 1.0}
    assert decoded.faults[0].reason == "there is no column 'wet'"


def test_a_parquet_table_is_read_by_the_same_map() -> None:
    table = pyarrow.parquet.read_table(io.BytesIO(payloads.parquet_bytes()))
    part = read_table(table, payloads.WEATHER_MAP, Faults(), "parquet")
    assert part.observations == 3


def test_numbers_are_times_in_the_unit_of_the_map() -> None:
    table = pa.table({"station": [1, 2], "time": [NOW, -1], "rain": [0.5, 0.5]})
    faults = Faults()
    in_ms = TableMap("WeatherObserved", "station", "time", time_unit="ms")
    part = read_table(table, in_ms, faults, "table")
    assert part.observed_at.tolist() == [NOW]
    assert faults.kept[0].value == "-1"


def test_posix_times_in_a_csv_are_read() -> None:
    body = f"station,time,rain\nn,{POSIX},1\n".encode()
    assert _said(read_csv(body, payloads.WEATHER_MAP)) == {("n", 0, "rain"): 1.0}


def test_a_feature_has_its_place_and_its_own_id() -> None:
    said = _read("geojson")
    assert said["north", 1800, "pm10"] == 41.0
    assert said["north", 1800, "longitude"] == 120.13


def test_a_feature_without_an_id_is_a_fault() -> None:
    body = json.dumps(payloads.GEOJSON).replace('"id": "north",', "").encode()
    assert "no id" in read_geojson(body, payloads.AIR_MAP).faults[0].reason


_DECODED_WITHIN_S = 0.1


def _rows_or_a_reason(format_: Format, body: bytes) -> None:
    """The promise of every decoder: readings within the tables, or a reason; and soon."""
    began = time.process_time()
    try:
        decoded = format_.read(body)
    except InputError:
        pass
    else:
        assert all(fault.reason for fault in decoded.faults)
        for part in decoded.readings:
            assert set(part.columns) <= set(declared()[part.type])
            for column in part.columns.values():
                assert len(column.values) == len(part) == len(part.observed_at)
    assert time.process_time() - began < _DECODED_WITHIN_S + len(body) / 1e6


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
def test_any_bytes_give_rows_or_a_reason(name: str, data: st.DataObject) -> None:
    _rows_or_a_reason(FORMATS[name], data.draw(st.binary(max_size=200)))


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
def test_a_garbled_payload_gives_rows_or_a_reason(name: str, data: st.DataObject) -> None:
    body = bytearray(FORMATS[name].good)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        cut = data.draw(st.integers(0, 20))
        body[at : at + cut] = data.draw(st.binary(max_size=8))
        if not body:
            break
    _rows_or_a_reason(FORMATS[name], bytes(body))


@pytest.mark.parametrize("name", [n for n, f in FORMATS.items() if f.good[:1] in b"[{"])
@given(data=st.data())
def test_any_value_in_any_place_of_a_document_gives_rows_or_a_reason(
    name: str, data: st.DataObject
) -> None:
    document = json.loads(FORMATS[name].good)
    places = list(_places(document))
    holder, key = data.draw(st.sampled_from(places))
    holder[key] = data.draw(_JSON)
    _rows_or_a_reason(FORMATS[name], json.dumps(document).encode())


def _places(value: object) -> "list[tuple[object, object]]":
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, inner in items:
        found.append((value, key))
        if isinstance(inner, dict | list):
            found += _places(inner)
    return found


@pytest.mark.parametrize("name", FORMATS)
def test_a_payload_nested_without_end_is_refused(name: str) -> None:
    _rows_or_a_reason(FORMATS[name], b'{"data":' * 50_000)
    _rows_or_a_reason(FORMATS[name], b"[" * 100_000)
