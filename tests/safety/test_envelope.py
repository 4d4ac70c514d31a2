"""Which junctions are sound, and what must be green in time."""

from dataclasses import replace

import numpy as np
import pytest
from tests.safety.crossroads import CLEARANCE, EAST_WEST, NORTH_SOUTH, WALK, crossroads, link

from cityloop.kernel.errors import ConfigError
from cityloop.safety.envelope import SENTENCES, Limits, Refusal, check_bank, due, yellow_for
from cityloop.safety.timing import FAR, Timing
from cityloop.standards.signals import Junction, Phase, SignalBank


def with_phase(state: str) -> Junction:
    junction = crossroads()
    phases = (*junction.phases, Phase(state, 20))
    return replace(junction, phases=phases, min_green_s=(6.0, 6.0, 10.0, 10.0))


def check(junction: Junction, limits: Limits | None = None) -> None:
    check_bank(SignalBank((junction,)), limits or Limits())


def test_a_sound_junction_passes() -> None:
    check(crossroads())


def test_two_conflicting_greens_are_named() -> None:
    with pytest.raises(ConfigError, match=r"x, phase 3: links 0 \(G\) and 1 \(G\) conflict"):
        check(with_phase("GGrr"))


def test_a_permissive_green_must_yield_to_what_it_conflicts_with() -> None:
    with pytest.raises(ConfigError, match="neither gives way"):
        check(with_phase("Ggrr"))


def test_a_permissive_green_that_yields_may_conflict() -> None:
    junction = with_phase("Ggrr")
    polite = replace(junction.links[1], yields_to=frozenset({0}))
    check(replace(junction, links=(junction.links[0], polite, *junction.links[2:])))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"min_green_s": (4.0, 6.0, 10.0)}, r"phase 0: minimum green 4.0 s is below 5.0 s"),
        ({"min_green_s": (6.0, 6.0, 9.0)}, r"phase 2: minimum green 9.0 s is below 10.0 s"),
        ({"min_green_s": (6.0, float("nan"), 10.0)}, "phase 1: minimum green nan"),
        ({"min_green_s": (6.0,)}, "one entry per phase"),
        ({"yellow_s": (2.0, 3.0, 3.0, 3.0)}, "link 0: yellow 2.0 s is below 3 s, due at 50 km/h"),
        ({"links": (*crossroads().links[:3], link())}, None),
        ({"links": (*crossroads().links, link()), "yellow_s": (3.0,) * 5}, "state 'GrrG'"),
        ({"phases": (), "min_green_s": ()}, "has no phase"),
        ({"phases": (Phase("GrrG", 9), Phase("rGrr", 9), Phase("rrrr", 9))}, "serves link 2"),
        ({"phases": (Phase("Gyrr", 9), Phase("rGrr", 9), Phase("rrGr", 9))}, "one of G, g, r"),
    ],
)
def test_what_is_unsound_is_named(change: dict[str, object], says: str | None) -> None:
    junction = replace(crossroads(), **change)  # type: ignore[arg-type]
    if says is None:
        check(junction)
        return
    with pytest.raises(ConfigError, match=says):
        check(junction)


def test_a_maximum_red_out_of_reach_names_what_is_reachable() -> None:
    with pytest.raises(ConfigError, match="up to 31 s of red; the maximum red is 25 s"):
        check(crossroads(), Limits(max_red_s=25))


@pytest.mark.parametrize(("speed_kmh", "yellow_s"), [(30, 3), (50, 3), (60, 4), (70, 5)])
def test_yellow_grows_with_the_speed_of_approach(speed_kmh: float, yellow_s: float) -> None:
    assert yellow_for(speed_kmh / 3.6) == yellow_s


def test_every_refusal_has_its_sentence() -> None:
    assert len(SENTENCES) == len(Refusal)


def ask_due(red_since_s: list[int], leave_s: int = 50, max_red_s: float = 120) -> tuple[int, int]:
    timing = Timing(SignalBank((crossroads(),)), Limits(max_red_s=max_red_s))
    slack, first = due(
        timing,
        np.array([0]),
        np.array([NORTH_SOUTH]),
        np.array([leave_s * 1000]),
        np.array([red_since_s]) * 1000,
        None,
    )
    return int(slack[0]), int(first[0])


def test_the_phase_whose_link_waits_longest_is_due_first() -> None:
    assert ask_due([0, 30, 0, 0])[1] == WALK
    assert ask_due([0, 0, 30, 0])[1] == EAST_WEST


def test_the_slack_leaves_time_for_every_phase_that_waits() -> None:
    # Leave at 50, east-west 55 to 61 at least, so people walk from 66 at the earliest.
    slack, first = ask_due([0, 0, 1, 0], max_red_s=100)
    assert (slack, first) == ((101 - (50 + CLEARANCE + 6 + CLEARANCE)) * 1000, EAST_WEST)


def test_nothing_is_due_where_nothing_waits() -> None:
    one = replace(
        crossroads(), links=(link(),), phases=(Phase("G", 9),), min_green_s=(6.0,), yellow_s=(3.0,)
    )
    timing, zero = Timing(SignalBank((one,)), Limits()), np.array([0])
    slack, first = due(timing, zero, zero, zero, np.array([[0]]), None)
    assert (slack[0], first[0]) == (FAR, 0)
