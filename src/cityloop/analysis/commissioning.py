"""Which detectors are dead, stuck, swapped or drifting, by what their neighbours counted.

Counts are compared stretch by stretch, so that a burst or a jam, which all neighbours see, says
nothing; one device is told of one fault only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from cityloop.analysis.tally import Bools, Floats, Layout, Tally

Kind = Literal["dead", "stuck", "swapped", "drifting", "unproven"]
Role = Literal["stop line", "lane"]

ENOUGH = 20
"""Vehicles that neighbours must have seen before silence means something."""
_FIT_GAP, _FIT_NOISE = 0.05, 1.2
_ODD, _EMPTIED_ODD = 0.1, 0.25
_MOST_A_SECOND = 0.75
_DRIFT = 0.2
_TREND_Z = 4.0
_LEAST_NOISE = 0.3


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one detector, or with two that are swapped.

    ``rows``: of the stop lines or lane pieces. ``since``, ``until``: stretches, the last included.
    ``seen``: what it counted; ``expected``: what its neighbours did; for a drift its change over
    the whole time as a share. ``or_pieces``: the lane pieces of two lines that are swapped, where
    nothing tells whether lines or pieces are.
    """

    kind: Kind
    role: Role
    rows: tuple[int, ...]
    since: int
    until: int
    seen: float
    expected: float
    or_pieces: tuple[int, ...] = ()


def faults(tallies: Sequence[Tally], layout: Layout) -> list[Fault]:
    """All faults, each device with one; empty without a stretch."""
    if not tallies:
        return []
    seen = _Seen(tallies, layout)
    sound = np.ones(len(layout.tail), dtype=np.bool_)
    found: list[Fault] = []
    # Who counts for another lane may look dead or drifting beside its own: swaps come first.
    for search in (_stuck_lines, _swapped, _dead_lines, _still_pieces, _drifting, _unproven):
        fresh = search(seen, sound)
        found += fresh
        for fault in fresh:
            sound[seen.lines_of(fault)] = False
    return found


class _Seen:
    """All stretches as arrays: B stretches, S lines, D pieces."""

    def __init__(self, tallies: Sequence[Tally], layout: Layout) -> None:
        self.layout = layout
        self.seconds = np.array([it.seconds for it in tallies], dtype=np.float64)
        self.passed = np.stack([it.passed for it in tallies])
        self.left = np.stack([it.left for it in tallies])
        self.least = np.stack([it.least for it in tallies])
        self.most = np.stack([it.most for it in tallies])
        self.changes = np.stack([it.changes for it in tallies])
        self.left_at_all = sum((it.left_at_all for it in tallies), np.zeros(len(layout.tail)))
        self.at_green = sum((it.passed_at_green for it in tallies), np.zeros((1, 1)))
        self.left_with = sum((it.left_with for it in tallies), np.zeros((1, 1)))
        self.leaving = sum((it.leaving for it in tallies), np.zeros(len(layout.tail)))
        piece, line = layout.into
        coming = np.zeros((layout.pieces, len(tallies)))
        np.add.at(coming, piece, self.passed[:, line].T)
        self.coming: Floats = coming.T
        tails = layout.tail >= 0
        # Who passed the line was on the tail: that is sure, where coming onto it is not.
        self.coming[:, layout.tail[tails]] = self.passed[:, tails]

    def lines_of(self, fault: Fault) -> list[int]:
        """The stop lines that a fault bears on."""
        if fault.role == "stop line":
            return list(fault.rows)
        return np.flatnonzero(np.isin(self.layout.tail, fault.rows)).tolist()


def _longest(quiet: Bools, weight: Floats) -> tuple[int, int, float]:
    """The run of quiet stretches with the greatest weight: first, last, weight."""
    best = (0, 0, 0.0)
    start, total = 0, 0.0
    for row, still in enumerate(quiet.tolist()):
        if not still:
            start, total = row + 1, 0.0
            continue
        total += float(weight[row])
        if total > best[2]:
            best = (start, row, total)
    return best


def _stuck_lines(seen: _Seen, sound: Bools) -> list[Fault]:
    """A line over which more pass than a lane can carry."""
    found = []
    rate = seen.passed / seen.seconds[:, None]
    for s in np.flatnonzero(sound & (rate > _MOST_A_SECOND).any(axis=0)).tolist():
        since, until, total = _longest(rate[:, s] > _MOST_A_SECOND, seen.passed[:, s])
        expected = float(seen.left[since : until + 1, s].sum())
        found.append(Fault("stuck", "stop line", (s,), since, until, total, expected))
    return found


def _dead_lines(seen: _Seen, sound: Bools) -> list[Fault]:
    """A line that nobody passes while the lane before it empties at green."""
    found = []
    for s in np.flatnonzero(sound & (seen.layout.tail >= 0)).tolist():
        since, until, expected = _longest(seen.passed[:, s] == 0, seen.left[:, s])
        share = expected / max(float(seen.left[:, s].sum()), 1.0)
        if expected >= ENOUGH and (share > 0.5 or until == len(seen.passed) - 1):
            found.append(Fault("dead", "stop line", (s,), since, until, 0.0, expected))
    return found


def _still_pieces(seen: _Seen, sound: Bools) -> list[Fault]:
    """A piece whose count stands still at nothing (dead) or at something (stuck) while others see
    vehicles come onto it or leave it."""
    found = []
    able = seen.coming.sum(axis=0) >= ENOUGH
    able[seen.layout.tail[~sound]] = False
    for d in np.flatnonzero(able).tolist():
        still = (seen.changes[:, d] == 0) & (seen.least[:, d] == seen.most[:, d])
        since, until, expected = _longest(still, seen.coming[:, d])
        if expected >= ENOUGH:
            value = float(seen.most[until, d])
            kind: Kind = "stuck" if value else "dead"
            found.append(Fault(kind, "lane", (d,), since, until, value, expected))
    return found


def _swapped(seen: _Seen, sound: Bools) -> list[Fault]:
    """Two lines whose vehicles leave each other's lane; whether lines or lane detectors are
    swapped, the signals tell."""
    passed = seen.passed.sum(axis=0)
    fit = _fit(seen, passed)
    able = sound & (seen.layout.tail >= 0) & (passed >= ENOUGH)
    found: list[Fault] = []
    for a, b in combinations(np.flatnonzero(able).tolist(), 2):
        gain = min(fit[a, b] - fit[a, a], fit[b, a] - fit[b, b])
        doubt = _FIT_GAP + _FIT_NOISE / np.sqrt(min(passed[a], passed[b]))
        if gain > doubt and fit[a].argmax() == b and fit[b].argmax() == a:
            found.append(_swap(seen, passed, a, b, (float(fit[a, a]), float(fit[a, b]))))
    return found


def _fit(seen: _Seen, passed: Floats) -> Floats:
    """(S, S): how surely somebody leaves the tail of the second when the first is passed, from 0
    (as often as at any time) to 1 (always)."""
    rate = seen.leaving / seen.seconds.sum()
    share = seen.left_with / np.maximum(passed, 1.0)[:, None]
    return np.asarray((share - rate) / np.maximum(1.0 - rate, 1e-9))


def _swap(seen: _Seen, passed: Floats, a: int, b: int, fits: tuple[float, float]) -> Fault:
    """The lines, if vehicles pass at the other's green; the pieces, if they empty at the other's;
    else the lines, and the pieces as well as they."""
    tail = seen.layout.tail
    pieces = (int(tail[a]), int(tail[b]))
    last = len(seen.passed) - 1
    emptied = seen.left.sum(axis=0) / np.maximum(seen.left_at_all, 1.0)
    usual = float(np.median(emptied[passed >= ENOUGH]))
    if min(seen.at_green[s, s] / passed[s] for s in (a, b)) < 1 - _ODD:
        return Fault("swapped", "stop line", (a, b), 0, last, *fits)
    if min(emptied[a], emptied[b]) < usual - _EMPTIED_ODD:
        return Fault("swapped", "lane", pieces, 0, last, *fits)
    return Fault("swapped", "stop line", (a, b), 0, last, *fits, or_pieces=pieces)


def _drifting(seen: _Seen, sound: Bools) -> list[Fault]:
    """A detector that misses more and more: the line, where its share of those who leave the lane
    goes steadily down; the lane detector, where it goes up."""
    found: list[Fault] = []
    tail = seen.layout.tail
    enough = sound & (tail >= 0) & (seen.left.sum(axis=0) >= 2 * ENOUGH)
    for s in np.flatnonzero(enough).tolist():
        change, z = _trend(seen.passed[:, s], seen.left[:, s])
        if abs(change) < _DRIFT or abs(z) < _TREND_Z:
            continue
        last = len(seen.passed) - 1
        if change < 0:
            found.append(Fault("drifting", "stop line", (s,), 0, last, change, z))
        else:
            missed = 1.0 / (1.0 + change) - 1.0
            found.append(Fault("drifting", "lane", (int(tail[s]),), 0, last, missed, z))
    return found


def _trend(counted: Floats, expected: Floats) -> tuple[float, float]:
    """How the share counted/expected changes from the first stretch to the last, and its z.

    Least squares with weights, outliers held at three spreads; the spread is that of the counts
    themselves about the line.
    """
    at = np.arange(len(counted), dtype=np.float64)
    middle = float((at * expected).sum() / expected.sum())
    share = float(counted.sum() / expected.sum())
    spread = np.sqrt(np.maximum(expected, 1.0) * share)
    rest = (counted - share * expected) / spread
    weight = float((expected * (at - middle) ** 2).sum())
    slope = 0.0
    noise = 1.0
    for _ in range(3):
        line = slope * (at - middle) * expected / spread
        noise = max(float(np.sqrt(np.mean((rest - line) ** 2))), _LEAST_NOISE)
        held = line + np.clip(rest - line, -3 * noise, 3 * noise)
        slope = float((held * spread * (at - middle)).sum()) / weight
    first, last = (max(share + slope * (x - middle), 0.01) for x in (at[0], at[-1]))
    return last / first - 1.0, slope * np.sqrt(weight) / (noise * np.sqrt(share))


def _unproven(seen: _Seen, sound: Bools) -> list[Fault]:
    """Lines that nobody was seen to pass, by anybody: somebody has to drive over them."""
    quiet = (seen.passed.sum(axis=0) == 0) & sound
    last = len(seen.passed) - 1
    return [
        Fault("unproven", "stop line", (s,), 0, last, 0.0, float(seen.left[:, s].sum()))
        for s in np.flatnonzero(quiet).tolist()
    ]
