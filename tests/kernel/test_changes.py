"""The law of the record: a Change survives the way into frames and back."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from cityloop.kernel.changes import Change, Value, read_frames, write_changes
from cityloop.kernel.clock import CityTime

scalars: st.SearchStrategy[Value] = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5)
)
values: st.SearchStrategy[Value] = st.one_of(
    scalars, st.lists(scalars, max_size=2), st.dictionaries(st.text(max_size=3), scalars)
)
changes = st.builds(
    Change,
    type=st.sampled_from(["Streetlight", "LaneDetector"]),
    entity=st.sampled_from(["urn:ngsi-ld:A:1", "urn:ngsi-ld:A:2", ""]),
    attribute=st.sampled_from(["powerState", "level"]),
    run=st.sampled_from(["r1", "r2"]),
    observed_at=st.integers(0, 2).map(CityTime),
    value=values,
    operation=st.sampled_from(["set", "set", "set", "delete"]),
    dataset_id=st.sampled_from(["", "", "", "urn:d:1"]),
    extras=st.sampled_from([{}, {}, {"unitCode": "MTR"}]),
)


def by_key(batch: list[Change]) -> dict[tuple[object, ...], list[str]]:
    """What was written to each entity, attribute, run and time, in order; 1, 1.0, True differ."""
    found = defaultdict(list)
    for c in batch:
        key = (c.type, c.entity, c.attribute, c.run, c.observed_at)
        found[key].append(repr((c.value, c.operation, c.dataset_id, c.extras)))
    return found


@given(st.lists(changes, max_size=12))
def test_changes_survive_the_way_into_frames_and_back(batch: list[Change]) -> None:
    assert by_key(write_changes(*read_frames(batch))) == by_key(batch)


@given(st.lists(changes, max_size=12))
def test_frames_never_hold_more_than_one_change_of_a_key(batch: list[Change]) -> None:
    frames, _ = read_frames(batch)
    assert all(len(written) == 1 for written in by_key(write_changes(frames)).values())


def test_a_set_after_a_delete_at_the_same_time_stays_after_it() -> None:
    def change(value: Value, operation: str) -> Change:
        return Change("Lamp", "urn:l:1", "level", "r1", CityTime(0), value, operation)

    batch = [change(None, "delete"), change(3, "set")]
    assert write_changes(*read_frames(batch)) == batch


def test_plain_values_travel_in_a_frame_without_remainder() -> None:
    batch = [Change("Lamp", f"urn:l:{i}", "level", "r1", CityTime(7), i) for i in range(3)]
    frames, rest = read_frames(batch)
    assert rest == []
    assert frames[0]["level"].tolist() == [0, 1, 2]
