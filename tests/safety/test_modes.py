"""Modes: who may let a loop act, and on what evidence."""

import numpy as np
import pytest

from cityloop.kernel.errors import ConfigError, RefusedError
from cityloop.kernel.frame import EntityIds
from cityloop.kernel.loop import Mode
from cityloop.safety.modes import OTHERS, ModeBook

SIGNALS = EntityIds([f"urn:ngsi-ld:SignalController:{name}" for name in "abc"])


@pytest.fixture
def book() -> ModeBook:
    book = ModeBook(SIGNALS, {"west": ["a"]})
    book.add("timing", Mode.SHADOW)
    return book


def test_junctions_in_no_group_are_the_others(book: ModeBook) -> None:
    assert book.groups[OTHERS].tolist() == [1, 2]


def test_acting_needs_a_shadow_result(book: ModeBook) -> None:
    with pytest.raises(RefusedError, match="only with a shadow result"):
        book.check("timing", "west", Mode.ACT, " ")


def test_a_change_holds_for_its_group_only(book: ModeBook) -> None:
    book.apply(book.check("timing", "west", Mode.ACT, "12 s less in shadow, 14 days"))
    assert book.of("timing").tolist() == [Mode.ACT, Mode.SHADOW, Mode.SHADOW]


@pytest.mark.parametrize(("loop", "group"), [("timing", "east"), ("lamps", "west")])
def test_an_unknown_loop_or_group_is_refused_with_what_there_is(
    book: ModeBook, loop: str, group: str
) -> None:
    with pytest.raises(RefusedError, match="it can be"):
        book.check(loop, group, Mode.OBSERVE, "")


def test_modes_survive_saving(book: ModeBook) -> None:
    book.apply(book.check("timing", "west", Mode.ADVISE, ""))
    again = ModeBook(SIGNALS, {"west": ["a"]})
    again.add("timing", Mode.SHADOW)
    again.load(book.save())
    np.testing.assert_array_equal(again.of("timing"), book.of("timing"))


def test_what_nobody_switched_follows_the_settings(book: ModeBook) -> None:
    book.apply(book.check("timing", "west", Mode.ADVISE, ""))
    again = ModeBook(SIGNALS, {"west": ["a"]})
    again.add("timing", Mode.OBSERVE)
    again.load(book.save())
    assert again.of("timing").tolist() == [Mode.ADVISE, Mode.OBSERVE, Mode.OBSERVE]


def test_a_group_of_unknown_junctions_is_a_mistake_in_the_settings() -> None:
    with pytest.raises(ConfigError, match=r"groups\.west: z is no signalised junction"):
        ModeBook(SIGNALS, {"west": ["z"]})
