"""Arrow streams of observations: the same as in JSON, and nothing in them is believed unseen."""

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.perception.inlet import observations
from tests.standards.arrow_payload import TYPE, stream
from tests.standards.payloads import NOW

from cityloop.kernel.clock import CityTime, iso
from cityloop.standards.arrow_rows import ArrowRows, also_arrow
from cityloop.standards.attributes import declared
from cityloop.standards.ngsild import NgsiLd
from cityloop.standards.payloads import Message
from cityloop.standards.readings import Decoded

KINDS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "intensity": (pa.float64(), st.floats(allow_nan=False, allow_infinity=False)),
    "occupancy": (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    "congested": (pa.bool_(), st.booleans()),
    "laneId": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "vehicleType": (pa.dictionary(pa.int8(), pa.string()), st.sampled_from(["car", "bus", ""])),
    "averageHeadwayTime": (pa.string(), st.text(max_size=3)),
    "latitude": (pa.uint64(), st.integers(0, 2**64 - 1)),
    "colour": (pa.string(), st.text(max_size=3)),
}
"""Attribute → an Arrow type it may come in, sound or not, and what it then holds."""
rows = st.fixed_dictionaries(
    {"id": st.sampled_from(["a", "b", "urn:ngsi-ld:é"]), "at": st.integers(0, 2**41)},
    optional={name: values for name, (_, values) in KINDS.items()},
)


def read(body: bytes) -> Decoded:
    return ArrowRows(declared())([Message(body, NOW)])


def why(decoded: Decoded) -> list[str]:
    return [fault.reason.partition(":")[0] for fault in decoded.faults]


def as_arrow(told: Sequence[dict[str, Any]]) -> bytes:
    names = dict.fromkeys(name for row in told for name in row if name not in ("id", "at"))
    columns: dict[str, Any] = {
        "id": [row["id"] for row in told],
        "observedAt": pa.array([row["at"] for row in told], pa.timestamp("ms", "UTC")),
    }
    for name in names:
        columns[name] = pa.array([row.get(name) for row in told], KINDS[name][0])
    return stream(columns)


def as_json(told: Sequence[dict[str, Any]]) -> bytes:
    def entity(row: dict[str, Any]) -> dict[str, Any]:
        rest = {name: value for name, value in row.items() if name not in ("id", "at")}
        when = iso(CityTime(row["at"]))
        return {"id": row["id"], "type": TYPE, "dateObserved": when, **rest}

    return json.dumps([entity(row) for row in told]).encode()


@given(st.lists(rows, min_size=1, max_size=6))
def test_a_stream_says_what_the_same_rows_say_in_json(told: list[dict[str, Any]]) -> None:
    in_json = NgsiLd(declared())([Message(as_json(told), NOW)])
    in_arrow = read(as_arrow(told))
    key = repr
    assert sorted(observations(in_arrow), key=key) == sorted(observations(in_json), key=key)
    assert {f.attribute for f in in_arrow.faults} == {
        f.attribute for f in in_json.faults if f.attribute
    }


def test_numbers_come_in_the_declared_unit() -> None:
    field = pa.field("averageVehicleSpeed", pa.float32(), metadata={"unitCode": "MTS"})
    decoded = read(stream({"id": ["a"], field: pa.array([10.0], pa.float32())}))
    assert observations(decoded) == [("a", NOW, "averageVehicleSpeed", pytest.approx(36.0))]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_are_to_the_millisecond_and_an_empty_one_is_when_it_arrived(unit: str) -> None:
    per_s = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    times = pa.array([1_700_000_000 * per_s, None], pa.timestamp(unit, "Asia/Shanghai"))
    decoded = read(stream({"id": ["a", "b"], "observedAt": times, "intensity": [1.0, 2.0]}))
    assert [at for _, at, _, _ in observations(decoded)] == [1_700_000_000_000, NOW]


def test_a_row_without_id_costs_no_other() -> None:
    decoded = read(stream({"id": ["a", None, "c"], "intensity": [1.0, 2.0, 3.0]}))
    assert [entity for entity, *_ in observations(decoded)] == ["a", "c"]
    assert why(decoded) == ["no entity"]


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (("colour", ["red"]), "undeclared attribute"),
        (("intensity", ["many"]), "wrong kind"),
        (("intensity", [[1.0, 2.0]]), "wrong kind"),
        (("intensity", pa.array([1.0]).dictionary_encode()), "wrong kind"),
        (("intensity", pa.nulls(1)), "wrong kind"),
        ((pa.field("intensity", pa.int64(), metadata={"unitCode": "KMH"}), [3]), "wrong unit"),
        ((pa.field("intensity", pa.int64(), metadata={"unitCode": "\xff"}), [3]), "wrong unit"),
    ],
)
def test_a_column_that_cannot_be_taken_costs_no_other(column: Any, reason: str) -> None:
    decoded = read(stream({"id": ["a"], "laneId": [1], column[0]: column[1]}))
    assert observations(decoded) == [("a", NOW, "laneId", 1)]
    assert why(decoded) == [reason]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "malformed"),
        (b'[{"id": "a"}]', "malformed"),
        (b"\xff" * 40, "malformed"),
        (stream({"id": ["a"], "intensity": [1.0]})[:-60], "malformed"),
        (stream({"id": [b"\xff"], "intensity": [1.0]}, id=pa.string()), "malformed"),
        (stream({"id": ["a"], "intensity": [1.0]}, type_="Ship"), "undeclared type"),
        (stream({"id": ["a"], "intensity": [1.0]}, type_=""), "no entity"),
        (stream({"intensity": [1.0]}), "no entity"),
        (stream({"id": [1], "intensity": [1.0]}), "wrong kind"),
        (stream({"id": ["a"], "observedAt": [1], "intensity": [1.0]}), "wrong time"),
        (
            stream({"id": ["a"], "observedAt": pa.array([1], pa.timestamp("s")), "laneId": [1]}),
            "wrong time",
        ),
        (stream({"id": ["a"] * 100_001, "laneId": [1] * 100_001}), "too many entities"),
        (stream({"id": ["a"] * 1001, "laneId": [1] * 1001}, rows=1), "too many entities"),
    ],
)
def test_a_stream_that_cannot_be_taken_is_refused_with_its_reason(body: bytes, reason: str) -> None:
    decoded = read(body)
    assert decoded.readings == ()
    assert why(decoded) == [reason]


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_what_would_unfold_in_memory_is_refused_before_it_does(codec: str) -> None:
    bomb = stream({"id": ["a"] * 50_000, "intensity": [0.0] * 50_000}, compression=codec)
    assert why(read(bomb)) == ["packed"]
    long = pa.array(["x" * 4_000_000] * 2).dictionary_encode().take(pa.array([0] * 90_000))
    assert why(read(stream({"id": long, "laneId": [1] * 90_000}))) == ["too large"]


def test_streams_and_json_are_told_apart_by_how_they_begin() -> None:
    decode = also_arrow(NgsiLd(declared()), declared())
    entity = json.dumps({"id": "b", "type": TYPE, "intensity": 2}).encode()
    bodies = [stream({"id": ["a"], "intensity": [1.0]}), entity, b"\xff" * 40]
    decoded = decode([Message(body, NOW) for body in bodies])
    assert sorted(entity for entity, *_ in observations(decoded)) == ["a", "b"]
    assert why(decoded) == ["malformed"]
    assert decoded.faults[0].content
