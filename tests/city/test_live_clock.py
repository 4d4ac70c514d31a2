"""The clock of a city without a twin: when it ticks, and that it never goes back."""

from hypothesis import given
from hypothesis import strategies as st

from cityloop.city.live_clock import LiveClock, pace_s
from cityloop.kernel.clock import CityTime, WallTime
from cityloop.kernel.waiting import wall_of


def times(clock: LiveClock, *walls: int) -> list[int | None]:
    ticks = [clock.tick(WallTime(wall)) for wall in walls]
    return [None if tick is None else tick.frames[0].observed_at for tick in ticks]


def test_it_ticks_at_once_and_then_at_full_steps() -> None:
    clock = LiveClock("live-1", 5, 0, CityTime(0))
    found = times(clock, 12_345, 12_400, 14_999, 15_010, 19_000, 27_500)
    assert found == [12_000, None, None, 15_000, None, 25_000]


def test_it_goes_on_where_the_record_of_its_run_ends() -> None:
    clock = LiveClock("live-1", 1, 7, CityTime(20_000))
    assert times(clock, 20_900) == [None]
    tick = clock.tick(WallTime(21_000))
    assert tick is not None
    assert (tick.sequence, wall_of(tick.frames[0])) == (8, 21_000)


def test_a_clock_set_back_is_told_and_waited_for() -> None:
    clock = LiveClock("live-1", 1, 7, CityTime(100_000))
    assert clock.health(WallTime(99_000)).state == "ok"
    told = clock.health(WallTime(40_000))
    assert (told.state, "set back by 60 s" in told.reason) == ("failing", True)
    assert times(clock, 40_000, 100_500, 101_000) == [None, None, 101_000]


@given(st.lists(st.integers(0, 10**6), max_size=50), st.integers(1, 10))
def test_city_time_never_goes_back(walls: list[int], every_s: int) -> None:
    found = [at for at in times(LiveClock("r", every_s, 0, CityTime(5_000)), *walls) if at]
    assert found == sorted(found)


def test_the_most_eager_loop_sets_the_pace() -> None:
    assert (pace_s([]), pace_s([0.2]), pace_s([3.5, 60.0]), pace_s([600.0])) == (10, 1, 3, 10)
