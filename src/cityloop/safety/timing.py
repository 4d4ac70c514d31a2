"""The times a signal bank must keep, worked out once as arrays in whole milliseconds.

A cabinet is stepped once a second, so every time is rounded up to whole seconds: no interval is
ever shorter than it was declared. *Clearance* from one phase to another is all that passes between
their greens: yellow, then red until every path that ended has been left.

Axes as in ``SignalBank``: J junctions, P phases, L links. Flash is the pseudo-phase P, in which no
link is green, so arrays over phases that may be flash have P + 1 entries.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from cityloop.kernel.frame import Bools
from cityloop.standards.signals import SignalBank

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

FAR = 2**52
"""A moment or span in ms that never comes; sums of many of them still fit."""

WALK_S, WALK_MPS = 5.0, 1.2
"""Minimum green of a crossing and the speed it is cleared at (RiLSA 2015, pedestrians)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a cabinet holds to, in seconds; the shipped values are those of the signal study.

    ``max_red_s``: the longest a link may wait for green once somebody waits there; from the end of
    its last green where detectors do not say that nobody does. ``empty_red_s``: the longest that it
    may stay red while they say so; never less than ``max_red_s``.
    ``box_hold_s``: the longest all-red is prolonged for vehicles that stand in the junction.
    ``stall_s``: a green with vehicles at the line that discharges nobody for so long is given up.
    ``order_life_s``: an order is void so long after it was issued, whatever expiry it names: a
    centre that falls silent is forgotten. ``flash_exit_red_s``: red for all after flashing.
    ``silence_s``: the centre's guard refuses orders to a controller unheard for so long.
    """

    max_red_s: float = 120.0
    empty_red_s: float = 300.0
    box_hold_s: float = 10.0
    stall_s: float = 10.0
    order_life_s: float = 30.0
    flash_exit_red_s: float = 5.0
    silence_s: float = 10.0


@dataclass(frozen=True, eq=False)
class Timing:
    """The times of ``bank`` under ``limits``."""

    bank: SignalBank
    limits: Limits

    @cached_property
    def lit(self) -> Bools:
        """(J, P + 1, L): the link is green, protected or permissive, in the phase."""
        count, phases, links = self.bank.shape
        out = np.zeros((count, phases + 1, links), dtype=np.bool_)
        out[:, :phases] = self.bank.green > 0
        return out

    @cached_property
    def phase_count(self) -> Ints:
        """(J,)."""
        return np.asarray(self.bank.has_phase.sum(axis=1))

    @cached_property
    def min_green_ms(self) -> Ints:
        """(J, P + 1); 0 for flash and padding."""
        return np.pad(whole_seconds(self.bank.min_green_s), ((0, 0), (0, 1)))

    @cached_property
    def plan_ms(self) -> Ints:
        """(J, P + 1): green of the local plan, at least the minimum (``in_plan`` tells which)."""
        planned = np.pad(whole_seconds(self.bank.duration_s), ((0, 0), (0, 1)))
        return np.maximum(planned, self.min_green_ms)

    @cached_property
    def in_plan(self) -> Bools:
        """(J, P): the local plan gives the phase a green of its own; all where it names none."""
        named: Bools = self.bank.duration_s > 0
        silent = ~named.any(axis=1, keepdims=True)
        return np.asarray((named | silent) & self.bank.has_phase)

    @cached_property
    def yellow_ms(self) -> Ints:
        """(J, L); 0 for crossings: people are shown red while the last of them walk off."""
        return np.where(self.bank.pedestrian, 0, whole_seconds(self.bank.yellow_s))

    @cached_property
    def leaving_ms(self) -> Ints:
        """(J, L): from the end of a link's green until a conflicting green may start."""
        vehicles = self.yellow_ms + whole_seconds(self.bank.all_red_s)[:, None]
        rows = [[link.crossing_m / WALK_MPS for link in j.links] for j in self.bank.junctions]
        walk = np.zeros((self.bank.shape[0], self.bank.shape[2]))
        for j, row in enumerate(rows):
            walk[j, : len(row)] = row
        return np.asarray(np.maximum(vehicles, whole_seconds(walk)))

    @cached_property
    def yellow_between_ms(self) -> Ints:
        """(J, P + 1, P + 1): how long some link shows yellow from one phase to another."""
        return self._longest_of_ended(self.yellow_ms)

    @cached_property
    def clearance_ms(self) -> Ints:
        """(J, P + 1, P + 1): from the end of one phase to the start of another."""
        out = self._longest_of_ended(self.leaving_ms)
        out[:, -1, :] = whole_seconds(np.array(self.limits.flash_exit_red_s))
        return out

    def _longest_of_ended(self, spans: Ints) -> Ints:
        phases = self.lit.shape[1]
        out = np.zeros((len(self.lit), phases, phases), dtype=np.int64)
        for old in range(phases):
            ended = self.lit[:, old, None, :] & ~self.lit
            out[:, old] = np.where(ended, spans[:, None, :], 0).max(axis=2, initial=0)
        return out

    @cached_property
    def fixed_order(self) -> Bools:
        """(J,)."""
        return np.array([j.fixed_order for j in self.bank.junctions], dtype=np.bool_)

    @cached_property
    def cycle(self) -> Ints:
        """(J, P + 1, P): the phases that follow each phase in the listed order, itself last.

        After flash the list begins at its head. Padding phases come last.
        """
        count, phases, _ = self.bank.shape
        out = np.empty((count, phases + 1, phases), dtype=np.int64)
        ahead = np.arange(phases)
        for old in range(phases + 1):
            turn = (old + 1 + ahead) % np.maximum(self.phase_count, 1)[:, None]
            start = ahead if old == phases else turn
            out[:, old] = np.where(ahead < self.phase_count[:, None], start, ahead)
        return out

    @cached_property
    def home(self) -> Bools:
        """(J, P, L): each link's home phase, which maximum red sends for it.

        A small set of phases that serves every link, found greedily; in a fixed order the first
        phase that serves it.
        """
        out = np.zeros((*self.bank.shape,), dtype=np.bool_)
        for j, junction in enumerate(self.bank.junctions):
            lit = self.lit[j, : len(junction.phases)]
            left = lit.any(axis=0)
            while left.any():
                gain = (lit & left).sum(axis=1)
                phase = int(np.argmax(gain > 0 if junction.fixed_order else gain))
                out[j, phase] = lit[phase] & left
                left = left & ~lit[phase]
        return out

    @cached_property
    def turn_ms(self) -> Ints:
        """(J, P): the most it takes to enter a phase and keep its minimum green; 0 for padding."""
        phases = self.bank.shape[1]
        into = self.clearance_ms[:, :phases, :phases]
        longest = np.where(self.bank.has_phase[:, :, None], into, 0).max(axis=1, initial=0)
        before = (np.arange(phases) - 1)[None, :] % np.maximum(self.phase_count, 1)[:, None]
        fixed = into[np.arange(len(into))[:, None], before, np.arange(phases)[None, :]]
        entry = np.where(self.fixed_order[:, None], fixed, longest)
        return np.where(self.bank.has_phase, entry + self.min_green_ms[:, :phases], 0)

    @cached_property
    def reachable_red_ms(self) -> Ints:
        """(J,): the longest red when every phase that must come is given only its minimum green."""
        needed = self.home.any(axis=2) | (self.fixed_order[:, None] & self.bank.has_phase)
        greens = np.where(needed, self.min_green_ms[:, :-1], FAR).min(axis=1, initial=FAR)
        total = np.where(needed, self.turn_ms, 0).sum(axis=1)
        return np.asarray(total - np.where(greens < FAR, greens, 0))

    @cached_property
    def spare_red_ms(self) -> Ints:
        """(J,): how much the maximum red allows beyond ``reachable_red_ms``."""
        return np.asarray(int(self.limits.max_red_s) * 1000 - self.reachable_red_ms)


def whole_seconds(value_s: Floats) -> Ints:
    """Seconds in ms, rounded up to whole seconds."""
    return (np.ceil(np.asarray(value_s) - 1e-9) * 1000).astype(np.int64)
