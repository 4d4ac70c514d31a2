"""The conductor: lock-step at the speed a person set, without a clock of its own."""

from hypothesis import given
from hypothesis import strategies as st

from cityloop.city.conductor import AS_FAST_AS_IT_GOES, Conductor


def test_at_five_times_the_pace_a_second_gives_five() -> None:
    conductor = Conductor(["twin"], 5.0, False, now=100.0)
    assert conductor.grant(100.0) == 0
    assert conductor.grant(101.0) == 5


def test_a_paused_city_takes_single_steps() -> None:
    conductor = Conductor(["twin"], 5.0, True, now=0.0)
    assert conductor.grant(1000.0) == 0
    conductor.drive(5.0, True, 1, now=1000.0)
    assert conductor.grant(1000.0) == 1


def test_after_a_pause_no_time_is_made_up() -> None:
    conductor = Conductor(["twin"], 1.0, False, now=0.0)
    conductor.reached("twin", 3)
    conductor.drive(1.0, True, 0, now=3.0)
    conductor.drive(1.0, False, 0, now=1003.0)
    assert conductor.grant(1003.0) == 3
    assert conductor.grant(1004.0) == 4


def test_a_slow_machine_falls_behind_and_does_not_sprint_after() -> None:
    conductor = Conductor(["twin"], 1.0, False, now=0.0)
    conductor.reached("twin", 1)
    assert conductor.grant(600.0) == 1
    assert conductor.grant(601.0) == 2


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 5)), max_size=200))
def test_no_twin_gets_far_ahead_of_the_other(steps: list[tuple[bool, float]]) -> None:
    names = ("twin", "baseline")
    conductor = Conductor(names, AS_FAST_AS_IT_GOES, False, now=0.0)
    reached = dict.fromkeys(names, 0)
    now = 0.0
    for first, pause in steps:
        now += pause
        name = names[first]
        reached[name] = conductor.grant(now)
        conductor.reached(name, reached[name])
        assert abs(reached["twin"] - reached["baseline"]) <= 20
