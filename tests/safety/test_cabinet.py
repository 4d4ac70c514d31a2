"""What a cabinet does, rule by rule."""

from dataclasses import replace

import numpy as np
import pytest
from tests.safety.crossroads import (
    CLEARANCE,
    EAST_WEST,
    NORTH_SOUTH,
    WALK,
    Street,
    crossroads,
    link,
)

from cityloop.kernel.clock import CityTime
from cityloop.kernel.loop import Priority
from cityloop.safety.cabinet import LocalSensing
from cityloop.safety.envelope import FLASH, LOCK_OUT, RELEASE, Limits, Refusal, Stage
from cityloop.standards.signals import Phase

MANUAL = Priority.MANUAL
NS = "GrrG"
NOBODY = LocalSensing(waiting=np.zeros((1, 4)), discharged=np.zeros((1, 4)))
STUCK = LocalSensing(waiting=np.ones((1, 4)), discharged=np.zeros((1, 4)))
CALL = LocalSensing(calls=np.array([[0, 0, 1, 0]]))


def test_left_alone_it_runs_its_plan() -> None:
    shown = Street().run(65)
    assert shown[:20] == [NS] * 19 + ["yrry"]
    assert shown[24:39] == ["rGrs"] * 15
    assert shown[44:54] == ["rrGr"] * 10
    assert shown[59:64] == [NS] * 5


def test_a_phase_the_plan_gives_no_green_comes_only_when_maximum_red_sends_it() -> None:
    plain = crossroads()
    phases = (plain.phases[0], Phase("rGrr", 0), plain.phases[2])
    shown = Street(replace(plain, phases=phases)).run(120)
    assert "rGrs" not in shown[:60]
    assert "rGrs" in shown


def test_an_order_is_carried_out_through_yellow_and_all_red() -> None:
    street = Street()
    street.run(6)
    assert street.run(7, EAST_WEST) == ["yrry"] * 3 + ["rrrs"] * 2 + ["rGrs"] * 2


def test_an_order_within_minimum_green_is_refused_and_says_so() -> None:
    street = Street()
    report = street.step(street.order(EAST_WEST))
    assert report.refusal.tolist() == [Refusal.MINIMUM_GREEN]
    assert (report.taken, report.refused) == (0, 1)


def test_an_operator_too_waits_for_the_minimum_green() -> None:
    street = Street()
    assert street.step(street.order(EAST_WEST, priority=MANUAL)).refusal[0] == Refusal.MINIMUM_GREEN


def test_a_clearance_is_not_redirected() -> None:
    street = Street()
    street.run(6)
    street.run(1, EAST_WEST)
    report = street.step(street.order(WALK))
    assert report.refusal[0] == Refusal.IN_CLEARANCE
    assert report.phase[0] == EAST_WEST


def test_staying_ordered_each_second_holds_a_green_beyond_its_plan() -> None:
    assert set(Street().run(40, NORTH_SOUTH)) == {NS}


def test_maximum_red_ends_a_green_that_is_ordered_to_stay() -> None:
    shown = Street(limits=Limits(max_red_s=90)).run(90, NORTH_SOUTH)
    assert "rGrs" in shown or "rrGr" in shown


def test_an_operators_hold_outlasts_the_maximum_red() -> None:
    street = Street(limits=Limits(max_red_s=60))
    for _ in range(200):
        report = street.step(street.order(NORTH_SOUTH, priority=MANUAL))
    assert (report.phase[0], report.stage[0], report.in_charge[0]) == (NORTH_SOUTH, Stage.GREEN, 2)


def test_an_order_that_expires_leaves_the_local_plan_in_charge() -> None:
    street = Street()
    assert street.step(street.order(NORTH_SOUTH, valid_s=5)).in_charge[0] == 1
    street.run(4)
    assert street.step().in_charge[0] == 0


def test_no_order_outlives_the_order_life_whatever_expiry_it_names() -> None:
    street = Street(limits=Limits(order_life_s=30))
    street.step(street.order(NORTH_SOUTH, priority=MANUAL, valid_s=1e9))
    street.run(29)
    assert street.step().in_charge[0] == 0


def test_a_centre_whose_every_order_is_refused_loses_the_junction() -> None:
    street = Street(limits=Limits(order_life_s=10))
    street.step(street.order(NORTH_SOUTH))
    charges = [street.step(street.order(9)).in_charge[0] for _ in range(6)]
    assert charges[-1] == 0


def test_an_order_refused_for_its_moment_keeps_the_lease_for_a_while() -> None:
    street = Street()
    street.step(street.order(NORTH_SOUTH, valid_s=2))
    charges = [street.step(street.order(EAST_WEST, valid_s=2)).in_charge[0] for _ in range(4)]
    assert charges == [1] * 4


def test_an_operator_whose_order_is_refused_for_its_moment_still_keeps_others_out() -> None:
    street = Street()
    street.step(street.order(NORTH_SOUTH, priority=MANUAL, valid_s=2))
    street.step(street.order(EAST_WEST, priority=MANUAL, valid_s=4))
    street.step()
    report = street.step(street.order(NORTH_SOUTH))
    assert (report.in_charge[0], report.refusal[0]) == (2, Refusal.LEASE_HELD)


@pytest.mark.parametrize("dtype", ["i1", "u2", "u8", ">i8"])
def test_orders_are_heard_whatever_integers_they_are_written_in(dtype: str) -> None:
    street = Street()
    street.run(6)
    order = street.order(EAST_WEST)
    rows, actions = (np.repeat(c, 2).astype(dtype)[::2] for c in (order.rows, order.actions))
    assert street.step(replace(order, rows=rows, actions=actions)).phase[0] == EAST_WEST


def test_a_number_too_great_for_a_phase_is_none() -> None:
    street = Street()
    actions = np.array([2**64 + FLASH], dtype=np.uint64)
    report = street.step(replace(street.order(0, priority=MANUAL), actions=actions))
    assert report.refusal[0] == Refusal.UNKNOWN_PHASE


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"actions": (7,)}, Refusal.UNKNOWN_PHASE),
        ({"actions": (-9,)}, Refusal.UNKNOWN_PHASE),
        ({"actions": (FLASH,)}, Refusal.OPERATORS_ONLY),
        ({"actions": (LOCK_OUT,)}, Refusal.OPERATORS_ONLY),
        ({"valid_s": 0}, Refusal.EXPIRED),
        ({"ahead_s": -40, "valid_s": 1000}, Refusal.EXPIRED),
        ({"ahead_s": 5}, Refusal.FROM_THE_FUTURE),
        ({"epoch": 0}, Refusal.OLD_EPOCH),
        ({"ahead_s": 0}, Refusal.ALREADY_TAKEN),
    ],
)
def test_a_stale_or_absurd_order_is_refused(change: dict[str, object], refusal: Refusal) -> None:
    street = Street()
    street.step(street.order(NORTH_SOUTH))
    actions = change.pop("actions", (NORTH_SOUTH,))
    report = street.step(street.order(*actions, **change))  # type: ignore[misc, arg-type]
    assert report.refusal.tolist() == [refusal]


def test_a_row_named_twice_is_obeyed_once() -> None:
    street = Street()
    street.run(6)
    report = street.step(street.order(EAST_WEST, WALK, 0, rows=(0, 0, 99)))
    assert (report.phase[0], report.taken, report.refused) == (EAST_WEST, 1, 2)


def test_a_higher_class_takes_the_junction_and_keeps_it() -> None:
    street = Street()
    street.step(street.order(NORTH_SOUTH, priority=Priority.EMERGENCY))
    report = street.step(street.order(NORTH_SOUTH))
    assert report.refusal[0] == Refusal.LEASE_HELD


def test_lock_out_leaves_the_local_plan_alone_until_release() -> None:
    street = Street()
    locked = street.step(street.order(LOCK_OUT, priority=MANUAL))
    refused = street.step(street.order(NORTH_SOUTH))
    street.step(street.order(RELEASE, priority=MANUAL))
    heard = street.step(street.order(NORTH_SOUTH))
    assert (locked.in_charge[0], refused.refusal[0]) == (2, Refusal.LOCKED_OUT)
    assert (heard.in_charge[0], heard.refusal[0]) == (1, Refusal.NONE)


def test_flash_is_entered_through_yellow_and_left_through_all_red() -> None:
    street = Street()
    street.run(6)
    shown = []
    for action in [FLASH] * 10 + [RELEASE] * 8:
        street.step(street.order(action, priority=MANUAL))
        shown.append(street.cabinets.letters(0))
    assert shown == ["yrry"] * 3 + ["rrrs"] * 2 + ["oooo"] * 5 + ["rrrr"] * 5 + [NS] * 3


def test_vehicles_in_the_box_prolong_all_red_by_at_most_the_hold() -> None:
    street = Street(limits=Limits(box_hold_s=4))
    street.run(6)
    shown = street.run(12, EAST_WEST, LocalSensing(box_blocked=np.ones(1)))
    assert shown == ["yrry"] * 3 + ["rrrs"] * 6 + ["rGrs"] * 3


def test_a_green_that_discharges_nobody_is_given_up() -> None:
    shown = Street(limits=Limits(stall_s=8)).run(10, NORTH_SOUTH, STUCK)
    assert shown == [NS] * 7 + ["yrry"] * 3


def test_where_all_are_green_and_nobody_moves_the_watchdog_asks_the_plan() -> None:
    polite = replace(link(1), yields_to=frozenset({1}))
    merge = replace(
        crossroads(),
        links=(polite, link(0)),
        phases=(Phase("gG", 20), Phase("Gr", 20)),
        min_green_s=(6.0, 6.0),
        yellow_s=(3.0, 3.0),
    )
    stuck = LocalSensing(waiting=np.ones((1, 2)), discharged=np.zeros((1, 2)))
    shown = Street(merge, limits=Limits(stall_s=8)).run(14, 0, stuck)
    assert shown == ["gG"] * 7 + ["gy"] * 3 + ["gr"] * 2 + ["Gr"] * 2


@pytest.mark.parametrize(
    "sensed",
    [
        NOBODY,
        LocalSensing(waiting=np.ones((1, 4)), discharged=np.ones((1, 4))),
        LocalSensing(waiting=np.ones((1, 4))),
        LocalSensing(waiting=np.full((1, 4), np.nan), discharged=np.zeros((1, 4))),
        LocalSensing(waiting=np.ones((1, 4)), discharged=np.full((1, 4), np.nan)),
        LocalSensing(waiting=np.ones((2, 9)), discharged=np.zeros((2, 9))),
        LocalSensing(np.ones(1), np.ones((1, 4)), np.zeros((1, 4)), np.ones((1, 4))),
    ],
    ids=["nobody", "moving", "half", "nan", "unsure", "misshapen", "blocked ahead"],
)
def test_the_watchdog_stays_calm(sensed: LocalSensing) -> None:
    assert set(Street().run(30, NORTH_SOUTH, sensed)) == {NS}


def test_a_called_crossing_is_not_passed_over_twice() -> None:
    street = Street()
    street.run(7, EAST_WEST)
    street.step(street.order(EAST_WEST), sensed=CALL)
    street.run(10, EAST_WEST)  # east-west has started once since the call
    street.run(CLEARANCE + 6, NORTH_SOUTH)
    report = street.step(street.order(EAST_WEST))
    assert report.refusal[0] == Refusal.PEDESTRIAN_CALL


def test_people_are_given_their_walk_before_traffic_starts() -> None:
    street = Street()
    street.run(6)
    street.run(CLEARANCE + 9, WALK)
    shown = street.run(7, NORTH_SOUTH)
    assert shown == ["rrGr"] + ["rrrr"] * 5 + [NS]


def test_a_fixed_order_is_kept() -> None:
    street = Street(crossroads(fixed_order=True))
    street.run(6)
    assert street.step(street.order(WALK)).refusal[0] == Refusal.FIXED_ORDER
    assert street.step(street.order(EAST_WEST)).refusal[0] == Refusal.NONE


def test_the_frame_tells_age_phase_and_last_order() -> None:
    street = Street(crossroads("a"), crossroads("b"))
    street.run(6)
    report = street.step(street.order(EAST_WEST, rows=(1,)))
    columns = report.columns(CityTime(8000))
    assert columns["phase"].tolist() == [NORTH_SOUTH, EAST_WEST]
    assert columns["stage"].tolist() == [Stage.GREEN, Stage.YELLOW]
    assert columns["stageAge"].tolist() == [8.0, 1.0]
    assert columns["lastOrderAt"].tolist() == [0, 7000]


def test_city_time_never_goes_back() -> None:
    street = Street()
    street.run(3)
    street.second = 1
    with pytest.raises(ValueError, match="goes back"):
        street.step()
