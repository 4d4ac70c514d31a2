"""Which lane a detector stands on, given where it is, which way traffic goes there, and its lane.

A place from a map or a phone is off by metres, so each lane near it is a candidate: its cost grows
with distance and with the angle between its direction and the detector's bearing. Shares of the
candidates by exp(-cost) say how sure the choice is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

NEAR_M = 40.0
"""A lane further away is no candidate."""
_ROAD_M, _LANE_M, _ANGLE_DEG = 6.0, 1.6, 25.0
_DOUBTFUL = 0.5


@dataclass(frozen=True, eq=False)
class Lanes:
    """Lanes as straight pieces: P pieces of N lanes.

    ``start``, ``end``: (P, 2) metres. ``lane``: (P,) row of the piece's lane. ``along_m``: (P,)
    where on the lane it begins. ``road``: (N,) number of the lane's road. ``index``: (N,) from the
    kerb.
    """

    start: Floats
    end: Floats
    lane: Ints
    along_m: Floats
    road: Ints
    index: Ints


@dataclass(frozen=True, slots=True)
class Match:
    """Where a detector stands; ``lane`` -1 where no lane is near. ``doubt``: empty when sure."""

    lane: int
    along_m: float
    distance_m: float
    confidence: float
    doubt: str


def match_lanes(
    places: Floats, bearings_deg: Floats, wanted: Ints, lanes: Lanes
) -> Sequence[Match]:
    """The lane of each detector.

    ``places``: (D, 2) metres. ``bearings_deg``: (D,), the way traffic goes, from north, NaN not
    known. ``wanted``: (D,) the lane from the kerb, -1 not known.
    """
    return [
        _match(place, float(bearing), int(index), lanes)
        for place, bearing, index in zip(places, bearings_deg, wanted, strict=True)
    ]


def _match(place: Floats, bearing: float, wanted: int, lanes: Lanes) -> Match:
    along, distance = _foot(place, lanes)
    near = np.flatnonzero(distance <= NEAR_M)
    if not len(near):
        return Match(-1, 0.0, float(distance.min(initial=np.inf)), 0.0, "no lane is near")
    cost = distance[near] / _ROAD_M
    if not np.isnan(bearing):
        cost = cost + _turned(lanes, near, bearing) / _ANGLE_DEG
    best = near[int(cost.argmin())]
    road = lanes.road[lanes.lane[best]]
    of_road = near[lanes.road[lanes.lane[near]] == road]
    road_share = _share(cost, lanes.road[lanes.lane[near]], int(road))
    lane, lane_share, doubt = _lane(of_road, distance, wanted, lanes)
    piece = of_road[lanes.lane[of_road] == lane]
    piece = piece[int(distance[piece].argmin())]
    confidence = road_share * lane_share * float(np.exp(-distance[piece] / NEAR_M))
    if not doubt and confidence < _DOUBTFUL:
        doubt = "another road is as near" if road_share <= lane_share else "the lane is a guess"
    return Match(int(lane), float(along[piece]), float(distance[piece]), confidence, doubt)


def _foot(place: Floats, lanes: Lanes) -> tuple[Floats, Floats]:
    """(P,): metres along the lane and away from it, of the nearest point of each piece."""
    way = lanes.end - lanes.start
    length = np.hypot(way[:, 0], way[:, 1])
    safe = np.where(length > 0, length, 1.0)
    share = np.clip(((place - lanes.start) * way).sum(axis=1) / safe**2, 0.0, 1.0)
    foot = lanes.start + way * share[:, None]
    return lanes.along_m + share * length, np.hypot(*(place - foot).T)


def _turned(lanes: Lanes, pieces: Ints, bearing: float) -> Floats:
    """Degrees between the detector's bearing and each piece's direction."""
    way = lanes.end[pieces] - lanes.start[pieces]
    directions = np.degrees(np.arctan2(way[:, 0], way[:, 1]))
    return np.asarray(np.abs((directions - bearing + 180.0) % 360.0 - 180.0))


def _share(cost: Floats, groups: Ints, group: int) -> float:
    """The share of ``group`` by the least cost of each group."""
    least = [cost[groups == other].min() for other in np.unique(groups)]
    mine = cost[groups == group].min()
    return float(1.0 / np.exp(mine - np.array(least)).sum())


def _lane(pieces: Ints, distance: Floats, wanted: int, lanes: Lanes) -> tuple[int, float, str]:
    """The lane among those of one road: the one that is wanted, or else the nearest."""
    rows = np.unique(lanes.lane[pieces])
    if wanted >= 0:
        found = rows[lanes.index[rows] == wanted]
        if len(found):
            return int(found[0]), 1.0, ""
    near = np.array([distance[pieces[lanes.lane[pieces] == row]].min() for row in rows])
    best = int(near.argmin())
    share = float(1.0 / np.exp((near[best] - near) / _LANE_M).sum())
    doubt = f"the road has no lane {wanted}" if wanted >= 0 else ""
    return int(rows[best]), share, doubt
