"""How much of what sensors should say arrives."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cityloop.analysis.availability import Availability
from cityloop.analysis.unchanged import Unchanged


def heard(seconds: list[int], missing: list[bool], run: str = "a") -> Availability:
    """Two devices; the second is missing where told."""
    availability = Availability(2, every_s=1.0)
    for second, gone in zip(seconds, missing, strict=True):
        whole = np.array([True, not gone]) if gone else None
        availability.see(run, second * 1000, whole=whole)
    return availability


def test_before_the_first_reading_nothing_is_known() -> None:
    assert np.isnan(Availability(2, 1.0).share()).all()


def test_half_of_the_readings_is_half() -> None:
    availability = heard(list(range(600)), [second % 2 == 0 for second in range(600)])
    assert availability.share().tolist() == [1.0, 0.5]
    assert availability.last_seen().tolist() == [599_000, 599_000]


def test_seconds_that_never_came_are_missing_too() -> None:
    availability = heard([*range(50), *range(150, 200)], [False] * 100)
    assert availability.share().tolist() == [0.5, 0.5]


def test_the_night_between_two_runs_is_not_missing() -> None:
    availability = heard(list(range(100)), [False] * 100)
    for second in range(86_400, 86_500):
        availability.see("b", second * 1000)
    assert availability.share().tolist() == [1.0, 1.0]


def test_what_was_an_hour_ago_counts_no_more() -> None:
    availability = heard(list(range(7500)), [second < 3600 for second in range(7500)])
    assert availability.share().tolist() == [1.0, 1.0]


@given(st.lists(st.tuples(st.integers(1, 200), st.booleans()), min_size=2, max_size=60))
def test_saving_at_any_time_changes_nothing(steps: list[tuple[int, bool]]) -> None:
    seconds = np.cumsum([step for step, _ in steps]).tolist()
    missing = [gone for _, gone in steps]
    half = len(steps) // 2
    unbroken = heard(seconds, missing)
    first = heard(seconds[:half], missing[:half])
    reborn = Availability(2, every_s=1.0)
    reborn.load(first.save())
    for second, gone in zip(seconds[half:], missing[half:], strict=True):
        reborn.see("a", second * 1000, whole=np.array([True, False]) if gone else None)
    for name, state in unbroken.save().items():
        np.testing.assert_array_equal(state, reborn.save()[name])


def test_the_same_reading_again_and_again_is_counted() -> None:
    unchanged = Unchanged(2)
    for second in range(5):
        since_s, looks = unchanged.look("a", second * 1000, np.array([[3.0], [second]]))
    assert (since_s.tolist(), looks.tolist()) == ([4.0, 0.0], [5, 1])


def test_nothing_to_measure_is_no_repetition() -> None:
    unchanged = Unchanged(1)
    for second in range(5):
        since_s, _ = unchanged.look("a", second * 1000, np.array([[np.nan]]))
    assert since_s.tolist() == [0.0]
