"""Signalised junctions as data: links, phases, conflicts; and the same as arrays for a whole city.

Words are SUMO's (link, phase, foe, state letters G g y r) and, for timing, those of the field:
intergreen, minimum green. A *phase* here is a green phase only; what lies between two phases is
computed from the links that end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from cityloop.kernel.frame import Bools, EntityIds

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

RED, PERMISSIVE, PROTECTED = 0, 1, 2
LETTERS = {"r": RED, "s": RED, "u": RED, "y": RED, "g": PERMISSIVE, "G": PROTECTED}


@dataclass(frozen=True, slots=True)
class Link:
    """One signalled connection of a junction: from a lane over a lane inside to a lane.

    ``foes``: link indices whose paths cross or merge with this one. ``yields_to``: those foes it
    must give way to when both are green (SUMO's response matrix). ``crossing_m``: length of a
    pedestrian crossing, 0 for vehicles. ``turns_on_red``: may go after a stop at red (letter s).
    """

    from_lane: str
    to_lane: str
    via: str
    direction: str
    speed_mps: float
    foes: frozenset[int]
    yields_to: frozenset[int]
    crossing_m: float = 0.0
    turns_on_red: bool = False


@dataclass(frozen=True, slots=True)
class Phase:
    """One green phase: a letter per link (G protected, g permissive, r red), and its local time.

    ``duration_s`` is the green the local plan gives it.
    """

    state: str
    duration_s: float


@dataclass(frozen=True, slots=True)
class Junction:
    """A signalised junction: all that guard, cabinet and loop know of it.

    ``min_green_s`` per phase; ``yellow_s`` by the approach speed of each link; ``all_red_s``
    between the end of yellow and the next green. ``fixed_order``: phases may only follow each
    other as listed. ``x``, ``y`` in metres of the network's own plane.
    """

    id: str
    x: float
    y: float
    links: tuple[Link, ...]
    phases: tuple[Phase, ...]
    min_green_s: tuple[float, ...]
    yellow_s: tuple[float, ...]
    all_red_s: float = 0.0
    fixed_order: bool = False
    offset_s: float = 0.0


@dataclass(frozen=True, eq=False)
class SignalBank:
    """Many junctions as padded arrays: J junctions, at most P phases, at most L links.

    ``green``: (J, P, L) of RED, PERMISSIVE, PROTECTED. ``foes``, ``yields``: (J, L, L) bool.
    ``min_green_s``, ``duration_s``: (J, P). ``yellow_s``: (J, L). ``pedestrian``: (J, L) bool.
    Padding is red, without foes, and False in ``has_phase`` (J, P) and ``has_link`` (J, L).
    ``padded``: P and L are at least so large, as in a part of a larger bank.
    """

    junctions: tuple[Junction, ...]
    padded: tuple[int, int] = (0, 0)

    @cached_property
    def ids(self) -> EntityIds:
        """``urn:ngsi-ld:SignalController:…`` of each junction."""
        return EntityIds([f"urn:ngsi-ld:SignalController:{j.id}" for j in self.junctions])

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """(J, P, L)."""
        phases = max((len(j.phases) for j in self.junctions), default=0)
        links = max((len(j.links) for j in self.junctions), default=0)
        return len(self.junctions), max(phases, self.padded[0]), max(links, self.padded[1])

    def part(self, rows: Ints) -> "SignalBank":
        """The junctions of ``rows``, padded as here."""
        return SignalBank(tuple(self.junctions[row] for row in rows.tolist()), self.shape[1:])

    @cached_property
    def has_phase(self) -> Bools:
        """(J, P)."""
        counts = np.array([len(j.phases) for j in self.junctions], dtype=np.int64)
        return np.asarray(np.arange(self.shape[1]) < counts[:, None])

    @cached_property
    def has_link(self) -> Bools:
        """(J, L)."""
        counts = np.array([len(j.links) for j in self.junctions], dtype=np.int64)
        return np.asarray(np.arange(self.shape[2]) < counts[:, None])

    @cached_property
    def green(self) -> Bytes:
        """(J, P, L)."""
        out = np.zeros(self.shape, dtype=np.uint8)
        for j, junction in enumerate(self.junctions):
            for p, phase in enumerate(junction.phases):
                out[j, p, : len(phase.state)] = [LETTERS[letter] for letter in phase.state]
        return out

    @cached_property
    def foes(self) -> Bools:
        """(J, L, L): paths cross or merge. Symmetric."""
        return self._pairs([[link.foes for link in j.links] for j in self.junctions], True)

    @cached_property
    def yields(self) -> Bools:
        """(J, L, L): the first link gives way to the second."""
        return self._pairs([[link.yields_to for link in j.links] for j in self.junctions], False)

    def _pairs(self, sets: list[list[frozenset[int]]], symmetric: bool) -> Bools:
        size = self.shape[2]
        out = np.zeros((len(self.junctions), size, size), dtype=np.bool_)
        for j, links in enumerate(sets):
            for a, others in enumerate(links):
                out[j, a, list(others)] = True
        return out | out.transpose(0, 2, 1) if symmetric else out

    @cached_property
    def pedestrian(self) -> Bools:
        """(J, L)."""
        return self._per_link([[link.crossing_m > 0 for link in j.links] for j in self.junctions])

    @cached_property
    def min_green_s(self) -> Floats:
        """(J, P)."""
        return _pad([j.min_green_s for j in self.junctions], self.shape[1])

    @cached_property
    def duration_s(self) -> Floats:
        """(J, P): greens of the local plan."""
        return _pad([[p.duration_s for p in j.phases] for j in self.junctions], self.shape[1])

    @cached_property
    def yellow_s(self) -> Floats:
        """(J, L)."""
        return _pad([j.yellow_s for j in self.junctions], self.shape[2])

    @cached_property
    def all_red_s(self) -> Floats:
        """(J,)."""
        return np.array([j.all_red_s for j in self.junctions], dtype=np.float64)

    def _per_link(self, rows: list[list[bool]]) -> Bools:
        return _pad(rows, self.shape[2]).astype(np.bool_)


def _pad(rows: Sequence[Sequence[float]], width: int) -> Floats:
    out = np.zeros((len(rows), width), dtype=np.float64)
    for j, row in enumerate(rows):
        out[j, : len(row)] = row
    return out
