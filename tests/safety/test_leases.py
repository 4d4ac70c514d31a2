"""One holder at a time."""

import pytest

from cityloop.kernel.clock import CityTime
from cityloop.kernel.errors import RefusedError
from cityloop.kernel.loop import Priority
from cityloop.safety.leases import LeaseBook

AT, LATER, TOO_LATE = CityTime(0), CityTime(9_000), CityTime(10_000)
LOOP, PERSON = ("loop", Priority.OPTIMISATION), ("ada", Priority.MANUAL)


def test_a_free_actuator_may_be_taken_and_is_held_until_expiry() -> None:
    book = LeaseBook(epoch=3)
    lease = book.take("x", *LOOP, AT, 10)
    assert book.held("x", LATER) == lease
    assert (lease.epoch, book.held("x", TOO_LATE)) == (3, None)


def test_an_equal_class_waits() -> None:
    book = LeaseBook(1)
    book.take("x", *LOOP, AT, 10)
    with pytest.raises(RefusedError, match=r"x is held by loop \(optimisation\) until 1970"):
        book.take("x", "other loop", Priority.OPTIMISATION, LATER, 10)
    assert book.take("x", "other loop", Priority.OPTIMISATION, TOO_LATE, 10).holder == "other loop"


def test_a_higher_class_takes_over_and_the_loser_learns_it_on_renewing() -> None:
    book = LeaseBook(1)
    lost = book.take("x", *LOOP, AT, 10)
    book.take("x", *PERSON, AT, 10)
    with pytest.raises(RefusedError, match="loop no longer holds x"):
        book.renew(lost, LATER, 10)


def test_renewing_prolongs() -> None:
    book = LeaseBook(1)
    lease = book.renew(book.take("x", *LOOP, AT, 10), LATER, 10)
    assert (lease.expires_at, book.held("x", TOO_LATE)) == (19_000, lease)


def test_releasing_frees_at_once_and_only_once() -> None:
    book = LeaseBook(1)
    lease = book.take("x", *PERSON, AT, 10)
    book.release(lease, AT)
    assert book.held("x", AT) is None
    with pytest.raises(RefusedError, match="ada no longer holds x"):
        book.release(lease, AT)


def test_a_lease_of_an_earlier_start_is_void() -> None:
    old = LeaseBook(1).take("x", *PERSON, AT, 10)
    book = LeaseBook(2)
    book.take("x", *PERSON, AT, 10)
    with pytest.raises(RefusedError, match="no longer holds"):
        book.renew(old, AT, 10)


def test_all_leases_in_force_are_listed() -> None:
    book = LeaseBook(1)
    book.take("b", *LOOP, AT, 10)
    book.take("a", *PERSON, AT, 5)
    assert [lease.actuator for lease in book.all_held(AT)] == ["a", "b"]
    assert [lease.actuator for lease in book.all_held(LATER)] == ["b"]
