"""When the vehicles that detectors see can be at the stop line.

A lane-area detector tells how many vehicles are on its piece, not where. But it told so a second
ago, too: who has come onto the piece since, and how long ago, follows from its counts and those of
the stop line. So a detector's moving vehicles are placed by the moment they came in.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from cityloop.analysis.approaches import Approaches
from cityloop.kernel.compiled import (
    COUNT,
    FLOAT_TABLE,
    FLOATS,
    INT_TABLE,
    INTS,
    TABLE,
    compiled,
)
from cityloop.standards.network import RoadNetwork

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

GRID_S = np.array([2, 4, 6, 8, 10, 12, 15, 18, 21, 25, 30, 35, 40, 50, 60], dtype=np.float64)
"""Moments ahead at which arrivals and service are counted; K of them."""
MOMENTS = len(GRID_S)
AGES = 24
"""Seconds for which entries are remembered: 200 m at 30 km/h."""
SLOWEST_MPS = 3.0


@dataclass(frozen=True, eq=False)
class Reach:
    """What an entry age means for each feed of ``Approaches.feeds``; F feeds, K moments.

    ``standing``: (F, K), the share of a piece's standing vehicles that could have arrived.
    ``moving``: (F, K), of those moving somewhere on it. ``slot``: (F, AGES), flat index into (S, K)
    of the moment by which a vehicle that came in so long ago could arrive. ``detectors``: (E,), the
    detectors that feed any lane, in order; ``source``: (F,), the feed's row among them;
    ``own_line``: (E,), the stop line in which the piece ends, -1 where it ends elsewhere.
    """

    lanes: Approaches
    detectors: Ints
    source: Ints
    standing: Floats
    moving: Floats
    slot: Ints
    own_line: Ints


@lru_cache(maxsize=8)
def reach(network: RoadNetwork, lanes: Approaches) -> Reach:
    """Travel times from every detector piece to its stop lines at the speed of the approach."""
    rows, pieces = lanes.feeds.rows, network.detectors
    speed = approach_speeds(network, len(lanes))[rows]
    near_s = pieces.distance_m[lanes.feeds.columns] / speed
    length_s = np.maximum((pieces.end_m - pieces.start_m)[lanes.feeds.columns] / speed, 0.1)
    ahead_s = near_s[:, None] + np.maximum(length_s[:, None] - np.arange(AGES), 0.0)
    moment = np.minimum(np.searchsorted(GRID_S, ahead_s), len(GRID_S) - 1)
    detectors, source = np.unique(lanes.feeds.columns, return_inverse=True)
    return Reach(
        lanes=lanes,
        detectors=detectors,
        source=source,
        standing=(near_s[:, None] <= GRID_S).astype(np.float64),
        moving=np.clip((GRID_S - near_s[:, None]) / length_s[:, None], 0.0, 1.0),
        slot=rows[:, None] * len(GRID_S) + moment,
        own_line=_own_lines(network)[detectors],
    )


def _own_lines(network: RoadNetwork) -> Ints:
    lines = {lane: row for row, lane in enumerate(network.stop_lines.lanes)}
    own = np.array([lines.get(lane, -1) for lane in network.detectors.lanes], dtype=np.int64)
    return np.where(network.detectors.distance_m == 0, own, -1)


def approach_speeds(network: RoadNetwork, lanes: int) -> Floats:
    """Speed in m/s allowed on each approach lane. Shape (S,)."""
    speed = np.full(lanes, SLOWEST_MPS)
    width = network.bank.shape[2]
    for movement, lane in enumerate(network.stop_line_of.tolist()):
        if lane >= 0:
            j, link = divmod(movement, width)
            speed[lane] = max(speed[lane], network.bank.junctions[j].links[link].speed_mps)
    return speed


def entries(seen: Reach, before: Floats, counts: Floats, passed: Floats, earlier: Floats) -> Floats:
    """Vehicles that came onto each feeding detector by age in seconds, newest first. (E, AGES).

    ``before``, ``counts``: (D,), a second ago and now. ``passed``: (S,), over the stop line in
    between. ``earlier``: what this gave a second ago.
    """
    return _entries(seen.detectors, seen.own_line, before, counts, passed, earlier)


@compiled(TABLE, INTS, INTS, FLOATS, FLOATS, FLOATS, FLOAT_TABLE)
def _entries(
    detectors: Ints, own_line: Ints, before: Floats, counts: Floats, passed: Floats, earlier: Floats
) -> Floats:
    out = np.empty(earlier.shape)
    for e in range(len(detectors)):
        came = counts[detectors[e]] - before[detectors[e]]
        if own_line[e] >= 0:
            came += passed[own_line[e]]
        out[e, 0] = max(came, 0.0)
        out[e, 1:] = earlier[e, :-1]
    return out


def arrivals(
    seen: Reach, weights: Floats, standing: Floats, moving: Floats, entered: Floats
) -> Floats:
    """Vehicles that could be at each stop line by each moment, those waiting included. (S, K).

    ``weights``: (F,), share of a feed. ``standing``, ``moving``: (D,), vehicles per detector.
    ``entered``: (E, AGES); of those who came in, the newest still move, as lanes do not overtake;
    who came in longer ago than is remembered may be anywhere.
    """
    feeds, count = seen.lanes.feeds, len(seen.lanes)
    timed = _timed(seen.slot, seen.source, seen.detectors, weights, moving, entered, count)
    return _with_the_rest(
        timed,
        *(feeds.rows, feeds.columns, weights, standing, seen.standing),
        *(moving, entered, seen.source, seen.moving),
    )


@compiled(TABLE, INT_TABLE, INTS, INTS, FLOATS, FLOATS, FLOAT_TABLE, COUNT)
def _timed(
    slot: Ints,
    source: Ints,
    detectors: Ints,
    weights: Floats,
    moving: Floats,
    entered: Floats,
    count: int,
) -> Floats:
    """Of those whose entry is remembered, the vehicles that could arrive by each moment."""
    out = np.zeros((count, MOMENTS))
    flat = out.reshape(-1)
    for f in range(len(source)):
        still, placed = moving[detectors[source[f]]], 0.0
        came = 0.0
        for age in range(slot.shape[1]):
            came += entered[source[f], age]
            newest = min(came, still)
            flat[slot[f, age]] += (newest - placed) * weights[f]
            placed = newest
    for lane in range(count):
        for k in range(1, MOMENTS):
            out[lane, k] += out[lane, k - 1]
    return out


@compiled(
    *(TABLE, TABLE, INTS, INTS, FLOATS, FLOATS, FLOAT_TABLE),
    *(FLOATS, FLOAT_TABLE, INTS, FLOAT_TABLE),
)
def _with_the_rest(
    out: Floats,
    lanes: Ints,
    detector: Ints,
    weights: Floats,
    standing: Floats,
    standing_by: Floats,
    moving: Floats,
    entered: Floats,
    source: Ints,
    moving_by: Floats,
) -> Floats:
    """``out`` with those added who stand, and who came in longer ago than is remembered."""
    for f in range(len(lanes)):
        stand = weights[f] * standing[detector[f]]
        still = moving[detector[f]]
        rest = weights[f] * (still - min(entered[source[f]].sum(), still))
        for k in range(out.shape[1]):
            out[lanes[f], k] += stand * standing_by[f, k] + rest * moving_by[f, k]
    return out
