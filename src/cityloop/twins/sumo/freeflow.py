"""How long a route takes when nobody is in the way."""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import libsumo


class FreeRoad:
    """The roads of the simulation that runs in this process, without traffic and at green.

    An edge takes its length over its speed limit, and so does the way across a junction (SUMO's
    internal lane). What a driver or vehicle would do below the limit is not counted.
    """

    def __init__(self) -> None:
        self._edge_s = cache(lambda edge: _lane_s(f"{edge}_0"))
        self._crossing_s = cache(_crossing_s)

    def seconds(self, route: Sequence[str]) -> float:
        """From the begin of the first edge to the end of the last."""
        crossings = sum(self._crossing_s(a, b) for a, b in pairwise(route))
        return crossings + sum(self._edge_s(edge) for edge in route)


def _lane_s(lane: str) -> float:
    return float(libsumo.lane.getLength(lane) / libsumo.lane.getMaxSpeed(lane))


def _crossing_s(origin: str, target: str) -> float:
    """Seconds from an edge to the next; 0 where the network has no internal lanes."""
    for number in range(libsumo.edge.getLaneNumber(origin)):
        for link in libsumo.lane.getLinks(f"{origin}_{number}"):
            onto, via = str(link[0]), str(link[4])
            if onto.rpartition("_")[0] == target and via:
                return _lane_s(via)
    return 0.0
