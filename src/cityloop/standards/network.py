"""What a traffic loop knows of the roads: detectors and how they tell of movements, as arrays."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cityloop.kernel.frame import EntityIds
from cityloop.standards.signals import SignalBank

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Detectors:
    """Lane-area detectors: one per lane piece within reach of a stop line, internal lanes too.

    ``lanes``: D lane names. ``start_m``, ``end_m``: (D,), along the lane. ``distance_m``: (D,),
    from the piece's downstream end along the path to the stop line. ``ids``: of the entities.
    """

    ids: EntityIds
    lanes: tuple[str, ...]
    start_m: Floats
    end_m: Floats
    distance_m: Floats


@dataclass(frozen=True, eq=False)
class StopLines:
    """Stop-line detectors: one per signalled incoming lane; count what passes. S of them."""

    ids: EntityIds
    lanes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class RoadNetwork:
    """The signalised network as a loop knows it; every array is versioned by ``version``.

    Incidence as sparse triples (row, column, weight):
    ``feeds``: movement m is fed by detector d with share w (1 where the lane piece serves only it;
    the shares of a detector over the movements of one junction sum to 1).
    ``leaves``: movement m empties onto detector d (first pieces of the downstream lane), share w.
    Movements are numbered j * L + link, L = ``bank.shape[2]``.
    ``stop_line_of``: (J * L,), row of the stop-line detector of each movement, -1 where none.
    ``exit_room``: (D,), vehicles that fit on the detector's piece.
    """

    version: str
    bank: SignalBank
    detectors: Detectors
    stop_lines: StopLines
    feeds: tuple[Ints, Ints, Floats]
    leaves: tuple[Ints, Ints, Floats]
    stop_line_of: Ints
    exit_room: Floats

    @property
    def detector_ids(self) -> EntityIds:
        """Ids of the lane-area detectors, in row order."""
        return self.detectors.ids

    @property
    def stop_line_ids(self) -> EntityIds:
        """Ids of the stop-line detectors, in row order."""
        return self.stop_lines.ids

    @property
    def controller_ids(self) -> EntityIds:
        """Ids of the signal controllers, in row order."""
        return self.bank.ids


def no_network() -> RoadNetwork:
    """Of a city that names no streets: nothing signalised, no detector."""
    nobody, none = EntityIds(()), np.zeros(0)
    nothing = np.zeros(0, dtype=np.int64)
    return RoadNetwork(
        version="",
        bank=SignalBank(()),
        detectors=Detectors(nobody, (), none, none, none),
        stop_lines=StopLines(nobody, ()),
        feeds=(nothing, nothing, none),
        leaves=(nothing, nothing, none),
        stop_line_of=nothing,
        exit_room=none,
    )
