"""Writes that are written alike become the rows that each would become by itself."""

import json
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from cityloop.interconnection.broker.past_rows import PastRows, instances
from cityloop.standards.cim.writes import read_write, write_kept, write_put

AT = 1_767_225_600_000
_times = st.sampled_from(
    [
        *("2026-01-31T08:00:00Z", "2026-01-31T08:00:00.000Z", "2026-01-31T08:00:00.123Z"),
        *("2026-01-31T08:00:00.5Z", "2026-12-31T23:59:60Z", "0001-01-01T00:00:00Z"),
    ]
)
_texts = st.sampled_from(["", "red", 'a "b" \\', "100 %s", "ü𝄞\n", "mark 0001", str(AT)])
_numbers = st.sampled_from([0, -1, 57, 57.25, -0.5, 1e-7, 1e300, 2**53 + 2, 2**62, 0.1])
_scalars = st.one_of(_numbers, _texts, st.booleans())


def _instance(kind: str, member: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    told = {"type": st.just(kind), member: values}
    stamps = {"createdAt": st.just(AT), "modifiedAt": st.just(AT)}
    return st.fixed_dictionaries({**told, **stamps}, optional={"observedAt": _times})


_notes = _instance("Property", "value", _scalars).map(lambda each: {"": each})
_speeds = st.tuples(_instance("Property", "value", _scalars), st.none() | _notes).map(
    lambda pair: pair[0] | ({"sub": {"https://x.org/note": pair[1]}} if pair[1] else {})
)
_places = st.lists(st.sampled_from([1, 2.5, -7]), min_size=2, max_size=2).map(
    lambda xy: {"type": "Point", "coordinates": xy}
)
_entities = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["urn:x:1", "urn:x:2", "urn:x:ü"]),
        "type": st.just(["https://x.org/100%"]),
        "attrs": st.fixed_dictionaries(
            {
                "https://x.org/speed": st.fixed_dictionaries({"": _speeds, "urn:d:1": _speeds}),
                "https://x.org/place": _instance("GeoProperty", "value", _places).map(
                    lambda each: {"": each}
                ),
                "https://x.org/lot": _instance("Relationship", "object", st.just("urn:l:1")).map(
                    lambda each: {"": each}
                ),
            }
        ),
        "createdAt": st.sampled_from([AT, AT - 5]),
        "modifiedAt": st.sampled_from([AT, AT, AT, AT + 1]),
    }
)


def _said(table: pa.Table) -> list[Any]:
    columns = [name for name in table.column_names if name != "rest"]
    rows = zip(*(table[name].to_pylist() for name in columns), strict=True)
    # As text: a whole number stays one.
    told = [json.dumps(each, sort_keys=True) for each in instances(table, range(table.num_rows))]
    return list(zip(rows, told, strict=True))


@settings(max_examples=150, deadline=None)
@given(st.lists(_entities, min_size=1, max_size=12))
def test_writes_become_the_same_rows_whether_or_not_they_are_alike(entities: list[Any]) -> None:
    bodies = [write_put(write_kept(entity)) for entity in entities]
    one_by_one, together = PastRows(), PastRows()
    for number, body in enumerate(bodies):
        one_by_one.take(number, read_write(body))
        together.read(number, body)

    assert _said(together.table()) == _said(one_by_one.table())


def test_what_differs_in_values_alone_is_not_taken_apart() -> None:
    rows = PastRows()
    for number in range(5):
        instance = {"type": "Property", "value": number / 2, "createdAt": AT, "modifiedAt": AT}
        kept = {
            "id": f"urn:x:{number}",
            "type": ["https://x.org/T"],
            "attrs": {"https://x.org/speed": {"": instance}},
            "createdAt": AT,
            "modifiedAt": AT,
        }
        assert (
            rows.read(number, write_put(json.dumps(kept).replace(" ", "").encode())) is None
        ) == (number > 0)
    assert rows.table()["value"].to_pylist() == [0.0, 0.5, 1.0, 1.5, 2.0]
