"""Shadow results: what is counted, what lets a loop act, what survives."""

import numpy as np
import pytest

from cityloop.kernel.clock import CityTime
from cityloop.kernel.cycle import Pass
from cityloop.kernel.frame import EntityIds
from cityloop.kernel.loop import Mode, Proposals
from cityloop.kernel.reasons import Reason, clauses
from cityloop.safety.shadow import Rule, ShadowBook

IDS = EntityIds(["a", "b", "c"])
GROUPS = {"west": np.array([0]), "east": np.array([1, 2])}
SHOWN = np.array([1, 0, 0])


def book() -> ShadowBook:
    book = ShadowBook(GROUPS, 3)
    book.add("timing", Rule(minutes=2, refused_share=0.1), every_s=1.0)
    book.follow("timing", "west", Mode.SHADOW, afresh=True)
    return book


def tick(second: int, verdict: int = 0, failure: str = "") -> Pass:
    """All three are wanted at phase 1; ``verdict`` is that of the first."""
    if failure:
        return Pass("timing", CityTime(second * 1000), failure=failure)
    rows = np.arange(3)
    proposals = Proposals(IDS, rows, np.ones(3, dtype=np.int64), lambda _: Reason("", {}, ""))
    return Pass("timing", CityTime(second * 1000), None, proposals, np.array([verdict, 0, 0]))


def run(book: ShadowBook, seconds: int, begin: int = 1, verdict: int = 0) -> None:
    for second in range(begin, begin + seconds):
        book.count(tick(second, verdict), SHOWN)


def test_a_trial_counts_its_own_group_from_its_first_tick() -> None:
    shadow = book()
    run(shadow, 5, begin=7)
    trial = shadow.trial("timing", "west")
    assert trial is not None
    assert (trial.since, trial.ticks, trial.proposals, trial.refused) == (7000, 5, 5, 0)
    assert trial.agreement() == 1.0
    assert shadow.trial("timing", "east") is None


def test_a_result_that_fulfils_the_rule_is_evidence() -> None:
    shadow = book()
    run(shadow, 119)
    assert clauses(shadow.missing("timing", "west")) == "it has decided for 2 of 2 minutes"
    run(shadow, 1, begin=120)
    assert shadow.missing("timing", "west") == []
    assert shadow.evidence("timing", "west").startswith("Shadow result: 2 minutes, 120 proposals")


@pytest.mark.parametrize(
    ("spoiled", "why"),
    [(tick(300, failure="ValueError"), "it failed 1 times"), (None, "the guard refused 16.7%")],
)
def test_the_refusal_says_exactly_what_is_missing(spoiled: Pass | None, why: str) -> None:
    shadow = book()
    run(shadow, 120)
    if spoiled is None:
        run(shadow, 24, begin=121, verdict=10)
    else:
        shadow.count(spoiled, SHOWN)
    assert clauses(shadow.missing("timing", "west")).startswith(why)
    assert shadow.evidence("timing", "west") == ""


def test_another_trial_and_another_version_begin_at_nothing() -> None:
    for again in (
        lambda s: s.follow("timing", "west", Mode.SHADOW, afresh=True),
        lambda s: s.restart("timing"),
    ):
        shadow = book()
        run(shadow, 200)
        shadow.record("a", CityTime(200_000))
        again(shadow)
        assert shadow.trial("timing", "west") is None


def test_the_record_gives_the_book_of_an_unbroken_start() -> None:
    shadow, again = book(), book()
    for second in range(1, 400):
        shadow.count(tick(second, verdict=second % 50 == 0), SHOWN)
        part = shadow.record("a", CityTime(second * 1000))
        if part is not None:
            again.fold(part)
    ours, theirs = shadow.save(), again.save()
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(value, theirs[name]) for name, value in ours.items())
    assert ours["timing|west"].tolist()[:2] == [1000, 360]


def test_a_loaded_book_counts_on() -> None:
    shadow, again = book(), book()
    run(shadow, 60)
    shadow.record("a", CityTime(60_000))
    again.load(shadow.save())
    run(again, 60, begin=61)
    assert again.missing("timing", "west") == []
