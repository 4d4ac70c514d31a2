"""Who asks for a signalised crossing: the push buttons of the twin."""

import libsumo
import numpy as np

from cityloop.kernel.frame import Bools
from cityloop.standards.signals import Link, SignalBank

_STANDING_MPS = 0.2


class Buttons:
    """The push buttons at all crossings of ``bank`` in the running simulation."""

    def __init__(self, bank: SignalBank) -> None:
        self._shape = (bank.shape[0], bank.shape[2])
        self._links: dict[str, tuple[int, int]] = {}
        self._corners: list[str] = []
        for row, junction in enumerate(bank.junctions):
            for k, link in enumerate(junction.links):
                if link.crossing_m > 0:
                    self._links[_edge(link.to_lane)] = (row, k)
                    self._corners += _corners(link)
        self._corners = sorted(set(self._corners))

    def calls(self) -> Bools:
        """(J, L): somebody stands at a corner and wants to cross there next."""
        out = np.zeros(self._shape, dtype=np.bool_)
        person = libsumo.person
        if not self._corners or not person.getIDCount():
            return out
        for corner in self._corners:
            for name in libsumo.edge.getLastStepPersonIDs(corner):
                wanted = self._links.get(person.getNextEdge(name))
                if wanted is not None and person.getSpeed(name) < _STANDING_MPS:
                    out[wanted] = True
        return out


def _corners(link: Link) -> list[str]:
    """The walking areas at both ends of a crossing."""
    far = [onward[0] for onward in libsumo.lane.getLinks(link.to_lane)]
    return [_edge(lane) for lane in (link.from_lane, *far)]


def _edge(lane: str) -> str:
    return lane.rpartition("_")[0]
