"""Rows of live sources in the tables of loops: the same picture as from frames, and replayable."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.kernel.lamps import KNOWS, LAMPS, LOOP, Fuse, batch
from tests.kernel.test_runner import commits, modes, same

from cityloop.kernel.clock import CityTime, WallTime
from cityloop.kernel.frame import Column, EntityIds
from cityloop.kernel.ports import API_RUN, Batch
from cityloop.kernel.rows import Rows
from cityloop.kernel.runner import Runner
from cityloop.kernel.view import NEVER, Table
from cityloop.kernel.waiting import LIVE, clock_frame

STRANGER = "urn:ngsi-ld:Streetlight:elsewhere"
SPEAKERS = EntityIds([*LAMPS.names[::-1], STRANGER])
PLACES = np.array([2, 1, 0, -1])
WALL = 1_800_000_000_000


def runner(**given: object) -> Runner:
    return Runner([LOOP], KNOWS, Fuse(), LAMPS, **given)  # type: ignore[arg-type]


def said(*readings: tuple[int, int, float], run: str = LIVE, ids: EntityIds = SPEAKERS) -> Rows:
    """(speaker, time in ms, lux) each."""
    entity, at, lux = zip(*readings, strict=True) if readings else ((), (), ())
    columns = {"illuminanceLevel": Column(np.array(lux, dtype=np.float64))}
    times = np.array(at, dtype=np.int64)
    return Rows("Streetlight", run, ids, np.array(entity, dtype=np.int32), times, columns)


def from_source(*readings: tuple[int, int, float], run: str = LIVE, sequence: int = 1) -> Batch:
    return Batch("lamps-live", run, sequence, rows=(said(*readings, run=run),))


def tick(second: int, wall: int, run: str = "a") -> Batch:
    """A second of a twin that says nothing of lamps, and what the clock on the wall shows."""
    clock = clock_frame(run, CityTime(second * 1000), WallTime(wall))
    return Batch("twin", run, second, (clock,))


def table(turned: Runner) -> Table:
    return turned.cycles[0].tables["lamps"]


cells = st.tuples(st.integers(0, 3), st.integers(0, 20), st.floats(0, 10), st.sampled_from("vna"))


@given(st.lists(cells, max_size=30), st.integers(0, 20))
def test_rows_fold_into_a_table_like_their_frames_one_after_the_other(
    readings: list[tuple[int, int, float, str]], known_at: int
) -> None:
    part = said(*[reading[:3] for reading in readings])
    kinds = np.array([reading[3] for reading in readings], dtype=object)
    lux = part.columns["illuminanceLevel"].values
    column = Column(lux, absent=kinds == "a", null=kinds == "n")
    part = Rows(part.type, part.run, part.ids, part.entity, part.observed_at, {"lux": column})
    times = np.array([known_at, NEVER, NEVER])
    before = Table(LAMPS, {"lux": np.array([1.0, np.nan, np.nan])}, times)
    one_by_one = before
    for frame in part.frames():
        one_by_one = one_by_one.fold(frame)
    at_once = before.hear(part, PLACES)
    np.testing.assert_array_equal(at_once["lux"], one_by_one["lux"])
    np.testing.assert_array_equal(at_once.observed_at, one_by_one.observed_at)


def test_a_reading_is_as_old_in_the_view_as_it_is_on_the_wall() -> None:
    turned = runner()
    turned.turn(tick(50, WALL), modes)
    turned.hear(from_source((0, WALL + 100, 7.0)))
    turned.turn(tick(60, WALL + 2_100), modes)
    np.testing.assert_array_equal(table(turned)["illuminanceLevel"], [np.nan, np.nan, 7.0])
    assert table(turned).observed_at.tolist() == [NEVER, NEVER, 58_000]


def test_what_comes_later_than_the_loop_allows_is_for_the_record_alone() -> None:
    turned = runner()
    turned.turn(tick(1, WALL), modes)
    turned.hear(from_source((0, WALL - 59_000, 7.0), (1, WALL - 61_000, 8.0)))
    turned.turn(tick(100, WALL), modes)
    assert table(turned).observed_at.tolist() == [NEVER, NEVER, 41_000]


def test_a_recording_that_follows_the_citys_clock_keeps_its_times() -> None:
    turned = runner()
    turned.turn(tick(70, WALL), modes)
    turned.hear(from_source((0, 69_500, 7.0), (1, 9_000, 8.0), run="a"))
    turned.hear(from_source((2, 69_500, 7.0), run="another day"))
    assert table(turned).observed_at.tolist() == [NEVER, NEVER, 69_500]


def test_what_a_client_of_the_api_wrote_is_seen_at_the_next_tick() -> None:
    turned = runner()
    turned.turn(batch(1, 1, 1, 1), modes)
    turned.hear(from_source((2, 1_000, 7.0), run=API_RUN))
    turned.turn(tick(2, WALL), modes)
    assert table(turned)["illuminanceLevel"].tolist() == [7, 1, 1]


def test_whoever_spoke_last_is_believed_twin_or_live_source() -> None:
    turned = runner()
    turned.turn(batch(1, 1, 1, 1), modes)
    turned.hear(from_source((0, WALL, 7.0)))
    turned.turn(tick(2, WALL), modes)
    assert table(turned)["illuminanceLevel"].tolist() == [1, 1, 7]
    turned.turn(batch(3, 2, 2, 2), modes)
    assert table(turned)["illuminanceLevel"].tolist() == [2, 2, 2]


def test_a_device_speaks_for_the_entity_it_stands_for() -> None:
    turned = runner(stand_for={STRANGER: LAMPS.names[1]})
    turned.turn(tick(1, WALL), modes)
    turned.hear(from_source((3, WALL, 5.0)))
    turned.turn(tick(2, WALL), modes)
    np.testing.assert_array_equal(table(turned)["illuminanceLevel"], [np.nan, 5.0, np.nan])


def test_nothing_waits_where_nothing_live_came() -> None:
    turned = runner()
    turned.turn(batch(1, 1, 1, 1), modes)
    assert not turned.waits
    turned.hear(from_source((0, WALL, 7.0)))
    assert turned.waits
    turned.turn(tick(2, WALL), modes)
    assert not turned.waits


def test_tables_stay_from_one_run_on_the_wall_to_the_next_and_memory_does_not() -> None:
    turned = runner()
    first = WALL // 1000
    turned.turn(tick(first, WALL, run="live-1"), modes)
    turned.hear(from_source((0, WALL + 500, 7.0)))
    turned.turn(tick(first + 1, WALL + 1_000, run="live-1"), modes)
    turned.turn(tick(first + 2, WALL + 2_000, run="live-2"), modes)
    assert table(turned).observed_at.tolist() == [NEVER, NEVER, WALL + 500]
    assert turned.save()["street-lamps|memory/ticks"] == 1


events = st.one_of(
    st.tuples(st.just("live"), st.integers(0, 3), st.integers(-90_000, 1_000), st.floats(0, 50)),
    st.tuples(st.just("tick"), st.integers(1, 5), st.just(0), st.just(0.0)),
    st.tuples(st.just("twin"), st.integers(1, 5), st.just(0), st.floats(0, 50)),
    st.tuples(st.just("run"), st.just(0), st.just(0), st.just(0.0)),
)


def log_of(happened: list[tuple[str, int, int, float]]) -> list[Batch]:
    second, wall, run, log = 1, WALL, 1, []
    for sequence, (kind, step, offset, value) in enumerate(happened, 1):
        second, wall = second + step, wall + 400
        if kind == "live":
            log.append(from_source((step, wall + offset, value), sequence=sequence))
        elif kind == "tick":
            log.append(tick(second, wall, run=f"{run}"))
        elif kind == "twin":
            log.append(batch(second, value, value, value, run=f"{run}"))
        else:
            run += 1
    return log


@given(st.lists(events, max_size=40), st.data())
def test_checkpoint_and_replay_give_the_state_of_an_unbroken_run(
    happened: list[tuple[str, int, int, float]], data: st.DataObject
) -> None:
    unbroken, log, states = runner(), [], []
    for given_ in log_of(happened):
        unbroken.hear(given_)
        log.append(unbroken.turn(given_, modes)[0])
        states.append(unbroken.save())
    cut = data.draw(st.integers(0, len(log)))
    broken = runner()
    if cut:
        broken.load(states[cut - 1])
    broken.replay(commits(log)[cut:])
    same(broken.save(), unbroken.save())
    assert broken.waits == unbroken.waits
