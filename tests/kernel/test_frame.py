"""Entity ids and frames: what a sensor field delivers at one instant."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloop.kernel.clock import CityTime
from cityloop.kernel.frame import Column, EntityIds, Frame, frame
from cityloop.kernel.view import NEVER, Table

names = st.lists(st.text(max_size=3), unique=True, max_size=4)


@given(names, names)
def test_two_lists_of_ids_share_a_digest_only_when_they_are_equal(
    left: list[str], right: list[str]
) -> None:
    assert (EntityIds(left).digest == EntityIds(right).digest) == (left == right)


def test_ids_that_hold_a_separator_are_not_mistaken_for_two() -> None:
    assert EntityIds(["a\x00b"]).digest != EntityIds(["a", "b"]).digest


def test_an_entity_stands_in_a_frame_once() -> None:
    with pytest.raises(ValueError, match="distinct"):
        EntityIds(["a", "a"])


def test_a_column_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Lamp\.level has shape \(2,\), not \(1,\)"):
        frame("Lamp", "r1", CityTime(0), EntityIds(["a"]), level=[1, 2])


def test_an_absent_row_is_no_observation_and_a_null_one_is() -> None:
    column = Column(np.zeros(3), np.array([True, False, False]), np.array([False, True, False]))
    part = Frame("Lamp", "r1", CityTime(0), EntityIds("abc"), {"level": column})
    assert part.observations == 2


def test_a_table_keeps_the_newer_of_two_observations_of_a_row() -> None:
    ids = EntityIds("ab")
    table = Table.empty(ids, ("level",))
    table = table.fold(frame("Lamp", "r1", CityTime(2), EntityIds("a"), level=[5.0]))
    table = table.fold(frame("Lamp", "r1", CityTime(1), EntityIds("ba"), level=[7.0, 9.0]))
    assert table["level"].tolist() == [5.0, 7.0]
    assert table.observed_at.tolist() == [2, 1]


def test_a_row_that_was_never_observed_is_infinitely_old() -> None:
    table = Table.empty(EntityIds("a"), ("level",))
    assert table.observed_at.tolist() == [NEVER]
    assert table.age_s(CityTime(0)).tolist() == [np.inf]


def test_a_late_frame_of_the_same_field_changes_nothing() -> None:
    ids = EntityIds("ab")
    table = Table.empty(ids, ("level",)).fold(frame("L", "r", CityTime(2), ids, level=[5.0, 6.0]))
    late = table.fold(frame("L", "r", CityTime(1), ids, level=[1.0, 1.0]))
    assert late["level"].tolist() == [5.0, 6.0]
