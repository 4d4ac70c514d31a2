"""How a twin is asked about its roads: one port, whatever the simulation's resolution."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from cityloop.standards.network import Ints, RoadNetwork

Counts = npt.NDArray[np.uint16]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What the roads tell of one second.

    ``counts``, ``queues``: (D,) vehicles and halting vehicles on each piece of the network's
    detectors. ``speeds``: (D,) m/s, below 0 where nobody can tell. ``passed``: (S,) vehicles that
    cleared each stop line since the reading before.
    """

    counts: Counts
    queues: Counts
    speeds: npt.NDArray[np.float32]
    passed: Bytes


class Roadside(Protocol):
    """Asks the running simulation what detectors in a street would tell."""

    def read(self) -> Reading:
        """The newest second; called exactly once for each."""
        ...

    def crawls(self, edge: str, lanes: Sequence[str]) -> bool:
        """Whether somebody stands or crawls on ``lanes`` of ``edge``, which is not empty."""
        ...


def tails(network: RoadNetwork) -> Ints:
    """(S,): the piece that ends at each stop line. A lane shorter than any piece has none; its
    neighbour in the list stands in, which only delays its count."""
    rows = {lane: row for row, lane in enumerate(network.detectors.lanes)}
    return np.array([rows.get(lane, 0) for lane in network.stop_lines.lanes], dtype=np.int64)
