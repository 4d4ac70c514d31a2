"""Judges cabinets by what their lamps showed, second by second, and by nothing else.

Written against the traffic rules, not against the cabinet: it knows the junctions, the letters and
what was asked, never the cabinet's state. Every function raises AssertionError with the junction,
the second and the links.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from cityloop.safety.envelope import Limits
from cityloop.standards.signals import Junction

Letters = npt.NDArray[np.str_]
Moments = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

EXIT_RED_S = 5


@dataclass(frozen=True)
class Runs:
    """Maximal runs of True in one link's column, each from ``start`` up to, not with, ``end``."""

    start: Moments
    end: Moments

    @classmethod
    def of(cls, flags: Flags) -> "Runs":
        edges = np.diff(np.concatenate([[0], flags.astype(np.int8), [0]]))
        return cls(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1))


def green(letters: Letters) -> Flags:
    return np.isin(letters, ["G", "g"])


def check_conflicts(junction: Junction, letters: Letters) -> None:
    """Two foes are green together only where one shows g and yields to the other."""
    lit = green(letters)
    for a, link in enumerate(junction.links):
        for b in link.foes:
            both = lit[:, a] & lit[:, b]
            lawful = np.zeros(len(letters), dtype=bool)
            if b in link.yields_to:
                lawful |= letters[:, a] == "g"
            if a in junction.links[b].yields_to:
                lawful |= letters[:, b] == "g"
            bad = np.flatnonzero(both & ~lawful)
            assert not bad.size, f"{junction.id}: {a} and {b} conflict at {bad[0]} s"
            if junction.links[b].crossing_m > 0:
                sneaks = np.flatnonzero((letters[:, a] == "s") & lit[:, b])
                assert not sneaks.size, f"{junction.id}: {a} turns into people on {b}"


def check_minimum_green(junction: Junction, letters: Letters) -> None:
    """A link stays green for at least the shortest minimum of the phases that serve it, and a
    phase that is no mere all-red picture for its own.
    """
    lit = green(letters)
    for a in range(len(junction.links)):
        least = min(
            junction.min_green_s[p] for p, s in enumerate(junction.phases) if s.state[a] != "r"
        )
        runs = Runs.of(lit[:, a])
        short = (runs.end - runs.start < least) & (runs.end < len(letters))
        assert not short.any(), f"{junction.id}: link {a} green too short at {runs.start[short]}"
    for p, shown in phases_shown(junction, letters).items():
        runs = Runs.of(shown)
        short = (runs.end - runs.start < junction.min_green_s[p]) & (runs.end < len(letters))
        assert not short.any(), f"{junction.id}: phase {p} too short at {runs.start[short]}"


def phases_shown(junction: Junction, letters: Letters) -> dict[int, Flags]:
    """For each phase that cannot be taken for the middle of a clearance: when it was shown."""
    states = [phase.state for phase in junction.phases]
    middles = {
        "".join("r" if "r" in (a, b) else a for a, b in zip(s, t, strict=True))
        for s in states
        for t in states
        if s != t
    }
    plain = np.where(letters == "s", "r", letters)
    return {
        p: (plain == np.array(list(state))).all(axis=1)
        for p, state in enumerate(states)
        if state not in middles
    }


def check_clearance(junction: Junction, letters: Letters) -> None:
    """Every green of a vehicle ends through its whole yellow; a green starts only when every foe
    that was moving has been red for all-red, people for their walk, all some seconds after flash.
    """
    lit, total = green(letters), len(letters)
    seconds = np.arange(total)
    for a, link in enumerate(junction.links):
        walks = link.crossing_m > 0
        yellow = 0 if walks else junction.yellow_s[a]
        for end in Runs.of(lit[:, a]).end:
            tail = letters[end : end + math.ceil(yellow), a]
            assert (tail == "y").all(), f"{junction.id}: link {a} lost its yellow at {end}"
        moving = lit[:, a] | (letters[:, a] == "y")
        red_s = link.crossing_m / 1.2 if walks else junction.all_red_s
        last = np.maximum.accumulate(np.where(moving, seconds, -1000))
        flash = np.maximum.accumulate(np.where(letters[:, a] == "o", seconds, -1000))
        for b, other in enumerate(junction.links):
            if a not in other.foes and b not in link.foes:
                continue
            starts = Runs.of(lit[:, b]).start
            starts = starts[(starts > 0) & ~lit[starts, a]]
            bad = starts - last[starts] - 1 < red_s
            assert not bad.any(), f"{junction.id}: {b} starts before {a} is clear, {starts[bad]}"
            bad = starts - flash[starts] - 1 < EXIT_RED_S
            assert not bad.any(), f"{junction.id}: {b} starts out of flash at {starts[bad]}"


def check_letters(junction: Junction, letters: Letters) -> None:
    """Only known letters; yellow follows green alone; s only where turning on red is allowed."""
    assert np.isin(letters, list("Ggyrso")).all(), f"{junction.id}: unknown letter"
    lit = green(letters)
    for a, link in enumerate(junction.links):
        for start in Runs.of(letters[:, a] == "y").start:
            assert start > 0, f"{junction.id}: link {a} begins in yellow"
            assert lit[start - 1, a], f"{junction.id}: link {a} yellow out of nothing at {start}"
        assert link.turns_on_red or not (letters[:, a] == "s").any(), f"{junction.id}: s on {a}"
        assert link.crossing_m == 0 or not (letters[:, a] == "y").any(), f"{junction.id}: y on {a}"


def check_maximum_red(junction: Junction, letters: Letters, empty: Flags, limits: Limits) -> None:
    """No link waits longer for green than maximum red, counted from the end of its last green, or
    later while its detectors say that nobody is there, yet no longer than the red of an empty one.
    """
    seconds = np.arange(len(letters))
    for a, link in enumerate(junction.links):
        none_there = empty[:, a] & (link.crossing_m == 0)
        last_empty = np.maximum.accumulate(np.where(none_there, seconds, -1))
        runs = Runs.of(~green(letters)[:, a])
        for start, end in zip(runs.start, runs.end, strict=True):
            latest = start + int(limits.empty_red_s - limits.max_red_s)
            counted = np.clip(last_empty[start:end], start, latest)
            waited = int((seconds[start:end] + 1 - counted).max())
            told = f"{junction.id}: link {a} waits {waited} s from {start}"
            assert waited <= limits.max_red_s, told


def check_calls(junction: Junction, letters: Letters, calls: Flags) -> int:
    """Between a call and the crossing's green no other phase starts twice; returns calls judged."""
    lit, judged = green(letters), 0
    starts = {p: Runs.of(shown).start for p, shown in phases_shown(junction, letters).items()}
    for a, link in enumerate(junction.links):
        if link.crossing_m == 0:
            continue
        served = np.append(Runs.of(lit[:, a]).start, len(letters))
        waits = ~lit[:, a] & np.concatenate([[False], ~lit[:-1, a]])
        for call in np.flatnonzero(calls[:, a] & waits):
            until = served[np.searchsorted(served, call, side="right")]
            judged += 1
            for p, moments in starts.items():
                passed = np.count_nonzero((moments > call) & (moments < until))
                assert passed <= 1, f"{junction.id}: call of {a} at {call} passed over by {p}"
    return judged


def check_fixed_order(junction: Junction, letters: Letters) -> None:
    """Where the plan fixes the order, phases follow each other as listed, but for flash."""
    shown = phases_shown(junction, letters)
    if not junction.fixed_order or len(shown) < len(junction.phases):
        return
    starts = sorted((int(t), p) for p, flags in shown.items() for t in Runs.of(flags).start)
    for (before, p), (at, q) in pairwise(starts):
        flashed = (letters[before:at] == "o").any()
        assert flashed or q == (p + 1) % len(shown), f"{junction.id}: {q} follows {p} at {at}"


def planned_green_s(junction: Junction, phase: int) -> int:
    """Whole seconds of green that the local plan gives a phase."""
    longer = max(junction.phases[phase].duration_s, junction.min_green_s[phase])
    return math.ceil(longer - 1e-9)


def longest_cycle_s(junction: Junction) -> int:
    """One round of the local plan with the longest clearance there is between any two phases."""
    links = zip(junction.links, junction.yellow_s, strict=True)
    leaving = [max(y + junction.all_red_s + 1, k.crossing_m / 1.2) for k, y in links]
    greens = [planned_green_s(junction, p) for p in range(len(junction.phases))]
    return sum(greens) + math.ceil(max(leaving)) * len(greens)


def check_local_plan(junction: Junction, letters: Letters, since: int) -> None:
    """From ``since`` on every phase is shown for its planned green, in the listed order."""
    shown = phases_shown(junction, letters)
    if len(shown) < len(junction.phases):
        return
    runs = {p: Runs.of(flags) for p, flags in shown.items()}
    turns = sorted(
        (int(start), int(end), p)
        for p, run in runs.items()
        for start, end in zip(run.start, run.end, strict=True)
        if start >= since and end < len(letters)
    )
    assert len(turns) >= len(junction.phases), f"{junction.id}: no whole cycle seen"
    for (_, _, p), (_, _, q) in pairwise(turns):
        assert q == (p + 1) % len(junction.phases), f"{junction.id}: {q} follows {p}"
    for start, end, p in turns:
        assert end - start == planned_green_s(junction, p), (
            f"{junction.id}: phase {p} at {start} s not as planned"
        )
