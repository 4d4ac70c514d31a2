from collections.abc import Iterable

import pytest

from cityloop.safety.envelope import yellow_for
from cityloop.standards.signals import Link
from cityloop.twins.sumo.junctions import all_red_s, green_phases
from cityloop.twins.sumo.netfile import Program


def link(*, foes: Iterable[int] = (), yields_to: Iterable[int] = (), on_red: bool = False) -> Link:
    sets = frozenset(foes), frozenset(yields_to)
    return Link("a_0", "b_0", "", "s", 13.9, *sets, turns_on_red=on_red)


def program(*phases: tuple[str, float]) -> Program:
    return Program("x", 0.0, phases)


FREE = [link(), link()]


def states(*phases: tuple[str, float], links: list[Link] = FREE) -> list[str]:
    return [phase.state for phase in green_phases(program(*phases), links)]


def test_phases_with_yellow_or_without_green_are_no_green_phases() -> None:
    assert states(("GG", 20), ("yG", 3), ("rr", 2)) == ["GG"]


def test_a_phase_within_another_is_dropped_and_its_seconds_are_kept() -> None:
    (phase,) = green_phases(program(("GG", 20), ("Gr", 5)), FREE)
    assert (phase.state, phase.duration_s) == ("GG", 25)


def test_a_protected_turn_is_not_within_its_permissive_phase() -> None:
    assert states(("Gg", 20), ("rG", 6)) == ["Gg", "rG"]


def test_a_link_that_must_yield_to_a_green_one_is_permissive() -> None:
    links = [link(foes={1}), link(foes={0}, yields_to={0})]
    assert states(("GG", 20), links=links) == ["Gg"]


def test_a_link_that_need_not_yield_in_this_phase_stays_protected() -> None:
    links = [link(foes={1}), link(foes={0}, yields_to={0})]
    assert states(("Gr", 20), ("rG", 20), links=links) == ["Gr", "rG"]


def test_crossing_links_of_which_neither_yields_are_parted() -> None:
    links = [link(foes={1}), link(foes={0})]
    assert states(("GG", 20), links=links) == ["Gr", "rG"]


def test_a_link_that_no_phase_serves_gets_one() -> None:
    assert states(("Gr", 20), links=FREE) == ["Gr", "rG"]


def test_a_link_that_may_turn_on_red_needs_no_phase() -> None:
    assert states(("Gs", 20), links=[link(), link(on_red=True)]) == ["Gr"]


@pytest.mark.parametrize(("kmh", "span_s"), [(30, 3), (50, 3), (60, 4), (70, 5)])
def test_yellow_is_3_4_5_s_by_speed(kmh: float, span_s: float) -> None:
    assert yellow_for(kmh / 3.6) == span_s


def test_what_the_shipped_clearance_leaves_beyond_yellow_is_all_red() -> None:
    assert all_red_s(program(("Gr", 20), ("yr", 3), ("rr", 1), ("rG", 20), ("ry", 3)), 3.0) == 1.0


def test_a_clearance_across_the_end_of_the_cycle_is_seen_whole() -> None:
    assert all_red_s(program(("rr", 2), ("Gr", 20), ("yr", 3), ("rG", 20), ("ry", 3)), 3.0) == 2.0


def test_a_long_all_red_is_a_stage_for_pedestrians_and_no_clearance() -> None:
    assert all_red_s(program(("GG", 20), ("yy", 3), ("rr", 25)), 3.0) == 0.0
