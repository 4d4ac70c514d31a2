"""Payloads: each way of writing says the same, and whatever comes is rows or a reason."""

import json
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloop.standards.attributes import declared
from cityloop.standards.mapping import Mapped, MappingTable
from cityloop.standards.ngsild import NgsiLd
from cityloop.standards.payloads import Decoder, Message
from cityloop.standards.readings import Decoded
from cityloop.standards.senml import SenMl

TABLE = declared()
AT = 1_772_352_000_000
NOON = "2026-03-01T08:00:00Z"
LATER = AT + 5000
LISTED = MappingTable(
    "TrafficFlowObserved",
    "flow:{[0]}",
    {"intensity": "[2]", "averageVehicleSpeed": "[3]"},
    time="[1]",
    each="rows",
    units={"averageVehicleSpeed": "MTS"},
)
COUNTED = MappingTable(
    "TrafficFlowObserved",
    "flow:{topic[1]}-{Source.VideoSource}",
    {"intensity": "Data.Count"},
    time="UtcTime",
    numbers_in_text=True,
)
DECODERS: dict[str, Decoder] = {
    "ngsi-ld": NgsiLd(TABLE),
    "senml": SenMl(TABLE, "WeatherObserved", "station:{name}", {"temp": "temperature"}),
    "list": Mapped(TABLE, LISTED),
    "onvif": Mapped(TABLE, COUNTED),
}


def decode(kind: str, *documents: Any, topic: str = "") -> Decoded:
    bodies = [d if isinstance(d, bytes) else json.dumps(d).encode() for d in documents]
    return DECODERS[kind]([Message(body, LATER, topic) for body in bodies])


def said(decoded: Decoded) -> list[tuple[str, int, dict[str, Any]]]:
    """Entity, time and values of each row."""
    return [
        (
            str(part.entities[row]),
            int(part.observed_at[row]),
            {
                name: None if c.null is not None and c.null[row] else c.values[row].item()
                for name, c in part.columns.items()
                if c.absent is None or not c.absent[row]
            },
        )
        for part in decoded.readings
        for row in range(len(part))
    ]


def reasons(decoded: Decoded) -> list[str]:
    return [fault.reason.partition(":")[0] for fault in decoded.faults]


def air(**attributes: Any) -> dict[str, Any]:
    return {"id": "air:1", "type": "AirQualityObserved", **attributes}


@pytest.mark.parametrize(
    "document",
    [
        air(dateObserved=NOON, pm25=12.5),
        air(dateObserved=f"2026-03-01T07:00:00Z/{NOON}", pm25=12.5, name="by the church"),
        air(pm25={"type": "Property", "value": 12.5, "observedAt": NOON}),
        air(pm25={"value": 12.5, "observedAt": "2026-03-01T09:00:00+01:00"}),
        air(pm25={"value": 12.5, "metadata": {"TimeInstant": {"value": NOON}}}),
        air(dateObserved={"type": "DateTime", "value": NOON}, pm25={"value": 12.5}),
        {"type": "Notification", "data": [air(dateObserved=NOON, pm25=12.5)]},
    ],
)
def test_an_entity_says_the_same_however_it_is_written(document: Any) -> None:
    assert said(decode("ngsi-ld", document)) == [("air:1", AT, {"pm25": 12.5})]


def test_an_entity_without_a_time_was_observed_when_it_arrived() -> None:
    assert said(decode("ngsi-ld", air(pm25=1)))[0][1] == LATER


def test_units_are_converted_or_refused() -> None:
    warm = {"value": 68, "unitCode": "FAH"}
    decoded = decode(
        "ngsi-ld", air(observedAt=NOON, temperature=warm, pm25={"value": 1, "unitCode": "CEL"})
    )
    ((entity, at, values),) = said(decoded)
    assert (entity, at) == ("air:1", AT)
    assert values["temperature"] == pytest.approx(20)
    assert reasons(decoded) == ["wrong unit"]


def test_a_place_becomes_latitude_and_longitude() -> None:
    place = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [120.1, 30.2]}}
    values = said(decode("ngsi-ld", air(location=place, pm25=1)))[0][2]
    assert values == {"longitude": 120.1, "latitude": 30.2, "pm25": 1.0}


def test_one_bad_message_costs_no_other() -> None:
    decoded = decode("ngsi-ld", b"\xff\xfe", air(pm25="much", no2=3), b'{"a"', air(pm25=2), b"", 3)
    assert [values for *_, values in said(decoded)] == [{"no2": 3.0}, {"pm25": 2.0}]
    assert sorted(reasons(decoded)) == ["malformed"] * 3 + ["no object", "wrong kind"]


def test_a_senml_pack_is_resolved() -> None:
    pack = [
        {"bn": "s7:", "bt": AT / 1000, "n": "temp", "u": "Cel", "v": 21.5},
        {"n": "relativeHumidity", "u": "%RH", "v": 40},
        {"n": "temp", "t": 60, "u": "Cel", "v": 22},
    ]
    told = said(decode("senml", pack))
    assert ("station:s7", AT, {"temperature": 21.5}) in told
    assert ("station:s7", AT, {"relativeHumidity": pytest.approx(0.4)}) in told
    assert ("station:s7", AT + 60_000, {"temperature": 22.0}) in told


def test_senml_times_near_zero_are_relative_to_now() -> None:
    told = said(decode("senml", [{"n": "s7:temp", "t": -5, "v": 1}]))
    assert told == [("station:s7", LATER - 5000, {"temperature": 1.0})]


def test_senml_fields_that_must_be_understood_are_refused() -> None:
    assert reasons(decode("senml", [{"n": "a:temp", "v": 1, "new_": 2}])) == ["unknown field"]
    assert reasons(decode("senml", [{"bver": 11, "n": "a:temp", "v": 1}])) == ["unknown version"]


def test_compact_arrays_are_read_by_position() -> None:
    decoded = decode("list", {"rows": [["a", AT / 1000, 12, 10], ["b", AT, 9, "fast"]]})
    assert said(decoded) == [
        ("flow:a", AT, {"intensity": 12.0, "averageVehicleSpeed": 36.0}),
        ("flow:b", AT, {"intensity": 9.0}),
    ]


def test_counts_of_cameras_are_read_and_pictures_left() -> None:
    event = {
        "UtcTime": NOON,
        "Source": {"VideoSource": "cam7"},
        "Data": {"Count": "12", "Image": "QUJD"},
    }
    decoded = decode("onvif", event, topic="city/main/onvif")
    assert said(decoded) == [("flow:main-cam7", AT, {"intensity": 12.0})]
    assert decoded.faults == ()


def readable(body: bytes) -> bool:
    try:
        msgspec.json.decode(body)
    except ValueError:
        return False
    return True


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["id", "type", "value", "observedAt", "dateObserved", "pm25", "location",
                         "coordinates", "data", "rows", "n", "bn", "bt", "t", "v", "u", "unitCode",
                         "metadata", "UtcTime", "Source", "VideoSource", "Data", "Count"]),
        inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@pytest.mark.parametrize("kind", DECODERS)
@given(
    documents=st.lists(json_values.map(lambda v: json.dumps(v).encode()) | st.binary(), max_size=3)
)
def test_whatever_comes_is_rows_or_a_reason(kind: str, documents: list[bytes]) -> None:
    decoded = decode(kind, *documents, topic="a/b")
    for part in decoded.readings:
        assert part.observed_at.dtype == np.int64
        assert all(len(c.values) == len(part) for c in part.columns.values())
    if documents and not decoded.readings and kind != "senml":
        assert (
            decoded.faults
            or all(body.strip() in (b"[]", b"") for body in documents)
            or any(b'"data"' in body or b"rows" in body or b"[]" in body for body in documents)
        )


@pytest.mark.parametrize("kind", DECODERS)
def test_deep_and_endless_payloads_are_refused_at_once(kind: str) -> None:
    for body in (b"[" * 100_000, b'{"a":' * 50_000, b"9" * 100_000, b'"' + b"x" * 1_000_000):
        decoded = decode(kind, body)
        assert not decoded.readings
        assert all(len(fault.value) <= 100 for fault in decoded.faults)


cells = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(-1e9, 1e9), st.text(max_size=2)
) | st.just({"value": 3, "unitCode": "P1"})
moments = st.sampled_from([NOON, NOON, NOON, "2026-03-01T08:00:01+01:00", "noon", None, 3])
alike_entities = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.sampled_from(["a", "b", "", 7]) | st.just("a"),
            "type": st.just("TrafficFlowObserved"),
            "dateObserved": moments,
            "intensity": cells,
            "laneId": cells,
            "colour": cells,
        }
    ),
    min_size=1,
    max_size=5,
)
alike_lists = st.lists(
    st.tuples(st.sampled_from(["a", 7, None]), moments, cells, cells).map(list), max_size=5
).map(lambda rows: {"rows": rows})


def one_by_one(document: Any) -> list[Any]:
    rows = document["rows"] if isinstance(document, dict) else document
    return [{"rows": [row]} if isinstance(document, dict) else row for row in rows]


@given(
    st.one_of(
        st.tuples(st.just("ngsi-ld"), alike_entities), st.tuples(st.just("list"), alike_lists)
    )
)
def test_rows_that_are_alike_say_together_what_each_says_alone(given: tuple[str, Any]) -> None:
    kind, document = given
    together = decode(kind, document)
    alone = [decode(kind, one) for one in one_by_one(document)]
    # A row of which no value is left is passed over by the gate.
    rows = [repr((*row[:2], sorted(row[2].items()))) for row in said(together) if row[2]]
    each = [repr((*r[:2], sorted(r[2].items()))) for d in alone for r in said(d) if r[2]]
    assert sorted(rows) == sorted(each)
    assert set(reasons(together)) == {reason for d in alone for reason in reasons(d)}
