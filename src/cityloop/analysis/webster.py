"""Fixed-time plans for a known demand: the decent baseline.

Source: Webster, "Traffic signal settings", Road Research Technical Paper 39 (1958): the cycle of
least delay is (1.5 L + 5) / (1 - Y), its green shared in proportion to critical flow ratios.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from cityloop.analysis.platoons import intergreens
from cityloop.standards.signals import PERMISSIVE, PROTECTED, SignalBank

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SATURATION_VPH = 1800.0
"""Vehicles per hour of green and lane."""
YIELDING = 0.5
"""Capacity of a permissive green as a share of a protected one."""
CYCLE_S = (30.0, 120.0)
HIGHEST_LOAD = 0.9
"""Flow ratio above which Webster's cycle grows without sense; it is computed at this load then."""
LOST_AT_START_S = 2.0
MOST_PHASES = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """A cycle: phases in order with the green of each."""

    phases: tuple[int, ...]
    greens_s: tuple[float, ...]
    cycle_s: float


def plans(bank: SignalBank, lane_of: Ints, flow_vph: Floats) -> tuple[Plan, ...]:
    """One plan per junction.

    ``lane_of``: (J · L,), the approach lane of a movement, -1 without one. ``flow_vph``: (J · L,).
    """
    lost = intergreens(bank)
    ratios = [_lane_ratios(bank, lane_of, flow_vph, j) for j in range(len(bank.junctions))]
    return tuple(_plan(bank, lost[j], *ratios[j], j) for j in range(len(bank.junctions)))


def _lane_ratios(
    bank: SignalBank, lane_of: Ints, flow_vph: Floats, j: int
) -> tuple[Floats, Floats]:
    """Flow ratio of each lane of junction ``j`` (n,), and its capacity by phase (P, n) in 0..1."""
    size = len(bank.junctions[j].links)
    part = slice(j * bank.shape[2], j * bank.shape[2] + size)
    lane, flow = lane_of[part], flow_vph[part]
    lanes = np.unique(lane[lane >= 0])
    member = lane[:, None] == lanes
    total = flow @ member
    links = np.maximum(member.sum(axis=0), 1)
    share = np.where(total > 0, flow[:, None] * member / np.maximum(total, 1e-9), member / links)
    green = bank.green[j, : len(bank.junctions[j].phases), :size]
    worth = np.select([green == PROTECTED, green == PERMISSIVE], [1.0, YIELDING], 0.0)
    return total / SATURATION_VPH, worth @ share


def _plan(bank: SignalBank, lost_s: Floats, ratio: Floats, worth: Floats, j: int) -> Plan:
    best: Plan | None = None
    least = np.inf
    for phases in _covers(worth):
        need = _needs(ratio, worth, phases)
        order = [*phases[1:], phases[0]]
        lost = sum(lost_s[a, b] + LOST_AT_START_S for a, b in zip(phases, order, strict=True))
        load = min(sum(need), HIGHEST_LOAD)
        cost = (1.5 * lost + 5.0) / (1.0 - load) + 1000.0 * max(sum(need) - HIGHEST_LOAD, 0.0)
        if cost < least:
            least, best = cost, _share_green(phases, need, lost, bank.min_green_s[j])
    if best is None:
        phase_count = len(bank.junctions[j].phases)
        greens = tuple(bank.duration_s[j, :phase_count].tolist())
        return Plan(tuple(range(phase_count)), greens, sum(greens))
    return best


def _covers(worth: Floats) -> Iterator[tuple[int, ...]]:
    """Sets of phases that serve every lane which any phase serves, small ones first."""
    servable = worth.max(axis=0, initial=0.0) > 0
    for size in range(1, min(len(worth), MOST_PHASES) + 1):
        for phases in combinations(range(len(worth)), size):
            if ((worth[list(phases)].max(axis=0, initial=0.0) > 0) == servable).all():
                yield phases


def _needs(ratio: Floats, worth: Floats, phases: tuple[int, ...]) -> list[float]:
    """Share of green time that each phase needs; a lane adds what the others leave unserved."""
    need = np.zeros(len(phases))
    serves = worth[list(phases)]
    for lane in np.argsort((serves > 0).sum(axis=0), kind="stable"):
        missing = ratio[lane] - need @ serves[:, lane]
        if missing > 0 and serves[:, lane].any():
            best = int(serves[:, lane].argmax())
            need[best] += missing / serves[best, lane]
    return [float(value) for value in need]


def _share_green(
    phases: tuple[int, ...], need: list[float], lost_s: float, least_s: Floats
) -> Plan:
    load = min(sum(need), HIGHEST_LOAD)
    cycle = float(np.clip((1.5 * lost_s + 5.0) / (1.0 - load), *CYCLE_S))
    lost_in_intergreens = lost_s - LOST_AT_START_S * len(phases)
    useful = max(cycle - lost_in_intergreens, 0.0)
    total = sum(need)
    shares = [value / total for value in need] if total > 0 else [1 / len(need)] * len(need)
    greens = tuple(
        float(max(round(useful * share), least_s[p]))
        for p, share in zip(phases, shares, strict=True)
    )
    return Plan(phases, greens, sum(greens) + lost_in_intergreens)
