"""Advice: one a junction, answered once, gone when its time is over."""

import pytest

from cityloop.kernel.clock import CityTime
from cityloop.kernel.errors import RefusedError
from cityloop.reaction.approvals import Advice, ApprovalBook


def advice(name: str, row: int = 0, expires_at: int = 30_000) -> Advice:
    return Advice(name, "timing", row, f"junction {row}", 2, "because", CityTime(expires_at))


def test_newer_advice_overtakes_older_for_the_same_junction() -> None:
    book = ApprovalBook()
    assert book.offer(advice("first")) is None
    assert book.offer(advice("elsewhere", row=1)) is None
    overtaken = book.offer(advice("second"))
    assert overtaken is not None
    assert overtaken.id == "first"
    assert {waiting.id for waiting in book} == {"elsewhere", "second"}


def test_advice_is_answered_once() -> None:
    book = ApprovalBook()
    book.offer(advice("one"))
    assert book.take("one", CityTime(1)).action == 2
    with pytest.raises(RefusedError, match="no longer waits"):
        book.take("one", CityTime(1))


def test_advice_lapses() -> None:
    book = ApprovalBook()
    book.offer(advice("one", expires_at=30_000))
    with pytest.raises(RefusedError):
        book.take("one", CityTime(30_000))
    assert [late.id for late in book.lapse(CityTime(30_000))] == ["one"]
    assert not list(book)


def test_what_waits_survives_saving() -> None:
    book, again = ApprovalBook(), ApprovalBook()
    book.offer(advice("one"))
    again.load(book.save())
    assert list(again) == list(book)
