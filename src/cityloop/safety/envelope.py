"""The safety envelope of signals: what may be ordered, what must come now, what is sound at all.

Pure functions over arrays. The centre's guard and the cabinet call the same ones; the cabinet,
which alone knows how long each link has been red and who called, has the last word.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from cityloop.kernel.compiled import BOOLS, INT_BLOCK, INT_TABLE, INTS, VECTOR_OF_INTS, compiled
from cityloop.kernel.errors import ConfigError, Gathered
from cityloop.kernel.frame import Bools
from cityloop.safety.service import due_times, served
from cityloop.safety.timing import FAR, WALK_MPS, WALK_S, Ints, Limits, Timing
from cityloop.standards.signals import Junction, Link, SignalBank

__all__ = [
    "FLASH",
    "LOCK_OUT",
    "RELEASE",
    "SENTENCES",
    "Calls",
    "Limits",
    "Refusal",
    "Stage",
    "check_bank",
    "due",
    "refusals",
    "yellow_for",
]

RELEASE, FLASH, LOCK_OUT = -1, -2, -3
"""Actions of an order that are no phase; an operator's alone."""


class Stage(IntEnum):
    """Where a cabinet stands, as SignalController.stage reports it."""

    GREEN = 0
    YELLOW = 1
    ALL_RED = 2
    FLASH = 3


class Refusal(IntEnum):
    """Why an order was not carried out; 0 lets pass."""

    NONE = 0
    UNKNOWN_PHASE = 1
    OPERATORS_ONLY = 2
    EXPIRED = 3
    FROM_THE_FUTURE = 4
    OLD_EPOCH = 5
    LOCKED_OUT = 6
    LEASE_HELD = 7
    ALREADY_TAKEN = 8
    IN_CLEARANCE = 9
    MINIMUM_GREEN = 10
    FIXED_ORDER = 11
    MAXIMUM_RED = 12
    PEDESTRIAN_CALL = 13
    UNOBSERVED = 14


# Plain numbers: a member of an enum is slow to reach, and these are asked for every second.
_GREEN, _FLASHING, _IN_CLEARANCE = int(Stage.GREEN), int(Stage.FLASH), int(Refusal.IN_CLEARANCE)
_MINIMUM_GREEN, _FIXED_ORDER = int(Refusal.MINIMUM_GREEN), int(Refusal.FIXED_ORDER)

SENTENCES: tuple[str, ...] = (
    "may be carried out",
    "the junction has no such phase",
    "only an operator may release, flash or lock out",
    "the order has expired",
    "the order was issued later than now",
    "a newer epoch of the centre is known here",
    "an operator has locked the junction out",
    "a higher priority class holds the lease",
    "an order of this class issued as late or later was already taken",
    "the junction is in clearance, which is neither cut short nor redirected",
    "the green has not yet lasted its minimum",
    "the plan fixes the order and another phase is next",
    "another phase is due, or a link would wait longer than the maximum red",
    "a called crossing comes before this phase may start again",
    "the controller has not been heard of late",
)
"""Refusal code → sentence."""


def refusals(
    timing: Timing, rows: Ints, wanted: Ints, stage: Ints, phase: Ints, age_ms: Ints
) -> Ints:
    """Refusal codes, shape (k,), as far as stage and phase tell.

    ``wanted``: phases that exist, or the count of phases P for flash. ``phase``: what is green, or
    in clearance what is coming. ``age_ms``: since the stage began. All shape (k,), for ``rows``.
    """
    times = timing.cycle, timing.fixed_order, timing.min_green_ms
    return _refusals(rows, wanted, stage, phase, age_ms, *times)


@compiled(VECTOR_OF_INTS, INTS, INTS, INTS, INTS, INTS, INT_BLOCK, BOOLS, INT_TABLE)
def _refusals(
    rows: Ints,
    wanted: Ints,
    stage: Ints,
    phase: Ints,
    age_ms: Ints,
    cycle: Ints,
    fixed: Bools,
    min_green: Ints,
) -> Ints:
    codes = np.zeros(len(rows), dtype=np.int64)
    for i in range(len(rows)):
        j = rows[i]
        if wanted[i] == phase[i] or (stage[i] == _FLASHING and age_ms[i] > 0):
            continue
        if stage[i] != _GREEN:
            codes[i] = _IN_CLEARANCE
        elif age_ms[i] < min_green[j, phase[i]]:
            codes[i] = _MINIMUM_GREEN
        elif fixed[j] and wanted[i] != cycle[j, phase[i], 0] and wanted[i] != cycle.shape[2]:
            codes[i] = _FIXED_ORDER
    return codes


@dataclass(frozen=True, slots=True, eq=False)
class Calls:
    """Pedestrian calls not yet served, of some junctions.

    ``called``: (k, L). ``started``: (k, L, P), the phase has started since the link was called.
    """

    called: Bools
    started: Bools

    def barred(self, lit: Bools) -> Bools:
        """(k, P): phases that may not start again before a called link; ``lit``: (k, P, L)."""
        skips = self.called[:, :, None] & self.started & ~lit.transpose(0, 2, 1)
        return np.asarray(skips.any(axis=1))


def due(
    timing: Timing, rows: Ints, phase: Ints, leave: Ints, red_since: Ints, calls: Calls | None
) -> tuple[Ints, Ints]:
    """What maximum red still allows: (slack in ms, the phase that must come first), shape (k,).

    ``phase`` is or will be green and may end at ``leave`` (ms) at the earliest; ``red_since``:
    (k, L), ms of city time since which each link is not green. The slack is how much later than
    ``leave`` it may end while every red link still gets its green in time; negative: too late; FAR,
    with ``phase`` itself, when no link waits.

    Each link waits for its home phase; entering that and keeping its minimum green is a job with a
    due time. Served in order of due time (Jackson's rule: no order is better) the least margin is
    the slack. A job that may not start again before a called crossing keeps its place behind it. In
    a fixed order the order is given. Jobs of the future have no part: their deadlines are a whole
    maximum red away, and ``check_bank`` has seen that a whole round fits into that.
    """
    times = timing.home, timing.lit, timing.min_green_ms, int(timing.limits.max_red_s) * 1000
    due_at = wish = due_times(rows, phase, red_since, *times)
    if calls is not None:
        unserved = Calls(calls.called & ~timing.lit[rows, phase], calls.started)
        wish = _behind_calls(timing, rows, due_at, timing.turn_ms[rows], unserved)
    order = timing.turn_ms, timing.cycle, timing.fixed_order
    slack, first = served(rows, phase, leave, due_at, wish, *order)
    return slack, first


def _behind_calls(timing: Timing, rows: Ints, due_at: Ints, turn: Ints, calls: Calls) -> Ints:
    """Due times, each brought forward so that a called crossing stands before what it bars."""
    lit, home = timing.lit[rows, :-1], timing.home[rows]
    skips = calls.called[:, :, None] & calls.started & ~lit.transpose(0, 2, 1)
    before = (home[:, :, :, None] & skips[:, None, :, :]).any(axis=2)  # (k, P, P): first, second
    for _ in range(due_at.shape[1]):
        latest = np.where(before, (due_at - turn)[:, None, :], 2 * FAR).min(axis=2)
        if (latest >= due_at).all():
            break
        due_at = np.minimum(due_at, latest)
    return due_at


def check_bank(bank: SignalBank, limits: Limits) -> None:
    """Raise ConfigError naming phase and links of every junction that is not sound.

    Sound: no two conflicting links are green together unless one shows permissive green and yields
    to the other; minimum greens last 5 s or more, and a crossing's 5 s and the walk at 1.2 m/s
    (RiLSA 2015); yellow lasts 3, 4, 5 s up to 50, 60, above 60 km/h (RiLSA 2015); every link is
    served or may turn on red; maximum red can be kept.
    """
    told = Gathered()
    for junction in bank.junctions:
        with told:
            _check_junction(junction)
    told.check()
    _check_max_red(bank, limits)


def _check_junction(junction: Junction) -> None:
    _check_shape(junction)
    for number, phase in enumerate(junction.phases):
        _check_conflicts(junction, number, phase.state)
        _check_green(junction, number, phase.state)
    for number, link in enumerate(junction.links):
        _check_link(junction, number, link)


def _check_shape(junction: Junction) -> None:
    if not junction.phases:
        raise ConfigError(f"junction {junction.id} has no phase; leave it out or give it a plan")
    counts = (len(junction.min_green_s), len(junction.yellow_s))
    if counts != (len(junction.phases), len(junction.links)):
        raise ConfigError(
            f"junction {junction.id}: min_green_s needs one entry per phase"
            f" ({len(junction.phases)}), yellow_s one per link ({len(junction.links)})"
        )
    for number, phase in enumerate(junction.phases):
        if len(phase.state) != len(junction.links) or set(phase.state) - set("Ggr"):
            raise ConfigError(
                f"junction {junction.id}, phase {number}: state {phase.state!r} must have one of"
                f" G, g, r for each of its {len(junction.links)} links"
            )


def _check_conflicts(junction: Junction, number: int, state: str) -> None:
    for a, link in enumerate(junction.links):
        for b in link.foes:
            if state[a] == "r" or state[b] == "r":
                continue
            gives_way = (state[a] == "g" and b in link.yields_to) or (
                state[b] == "g" and a in junction.links[b].yields_to
            )
            if not gives_way:
                raise ConfigError(
                    f"junction {junction.id}, phase {number}: links {a} ({state[a]}) and {b}"
                    f" ({state[b]}) conflict and neither gives way; one must be red, or permissive"
                    " and yield to the other"
                )


def _check_green(junction: Junction, number: int, state: str) -> None:
    served = [
        link.crossing_m for link, letter in zip(junction.links, state, strict=True) if letter != "r"
    ]
    needed = WALK_S + max(served, default=0.0) / WALK_MPS
    if not junction.min_green_s[number] >= needed - 1e-6:
        raise ConfigError(
            f"junction {junction.id}, phase {number}: minimum green"
            f" {junction.min_green_s[number]} s is below {needed:.1f} s (5 s, and the time to walk"
            " its longest crossing)"
        )


def _check_link(junction: Junction, number: int, link: Link) -> None:
    served = any(phase.state[number] != "r" for phase in junction.phases)
    if not served and not link.turns_on_red:
        raise ConfigError(
            f"junction {junction.id}: no phase serves link {number} ({link.from_lane} to"
            f" {link.to_lane}); add one or leave the link out"
        )
    needed = 0.0 if link.crossing_m > 0 else yellow_for(link.speed_mps)
    if not junction.yellow_s[number] >= needed:
        raise ConfigError(
            f"junction {junction.id}, link {number}: yellow {junction.yellow_s[number]} s is below"
            f" {needed:g} s, due at {link.speed_mps * 3.6:.0f} km/h"
        )


def yellow_for(speed_mps: float) -> float:
    """Seconds of yellow by approach speed: 3, 4, 5 up to 50, 60, above 60 km/h (RiLSA 2015)."""
    speed_kmh = speed_mps * 3.6
    if speed_kmh <= 50.5:
        return 3.0
    return 4.0 if speed_kmh <= 60.5 else 5.0


def _check_max_red(bank: SignalBank, limits: Limits) -> None:
    reachable = Timing(bank, limits).reachable_red_ms / 1000.0
    told = Gathered(
        [
            ConfigError(
                f"junction {bank.junctions[row].id}: minimum greens and clearances of the phases"
                f" that serve every link need up to {reachable[row]:.0f} s of red; the maximum red"
                f" is {limits.max_red_s:g} s: allow more, or merge phases"
            )
            for row in np.flatnonzero(reachable > int(limits.max_red_s))
        ]
    )
    told.check()
