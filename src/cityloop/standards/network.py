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


def part_of(network: RoadNetwork, rows: Ints) -> RoadNetwork:
    """The part of ``network`` with the junctions of ``rows``, which ascend, and its halo.

    The halo are the detectors of neighbours that its vehicles come from or drive onto, and the stop
    lines at which those count. All rows stand in the order of the whole, so sums are the same.
    """
    width = network.bank.shape[2]
    place = _places(rows, len(network.bank.junctions))
    feeds, leaves = (
        _of_junctions(triples, place, width) for triples in (network.feeds, network.leaves)
    )
    detectors = np.unique(np.concatenate([feeds[1], leaves[1]]))
    own = network.stop_line_of.reshape(-1, max(width, 1))[rows].ravel()
    lines = np.unique(np.concatenate([own[own >= 0], _lines_on(network, detectors)]))
    line_place = _places(lines, len(network.stop_lines.lanes))
    detector_place = _places(detectors, len(network.detectors.lanes))
    return RoadNetwork(
        version=network.version,
        bank=network.bank.part(rows),
        detectors=_detectors_of(network.detectors, detectors),
        stop_lines=StopLines(
            _named(network.stop_lines.ids, lines), _lanes(network.stop_lines.lanes, lines)
        ),
        feeds=(feeds[0], detector_place[feeds[1]], feeds[2]),
        leaves=(leaves[0], detector_place[leaves[1]], leaves[2]),
        stop_line_of=np.where(own >= 0, line_place[own], -1),
        exit_room=network.exit_room[detectors],
    )


def _places(rows: Ints, count: int) -> Ints:
    """Row of the whole → row of the part, -1 where it is not among ``rows``; one more for -1."""
    place = np.full(count + 1, -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    return place


def _of_junctions(
    triples: tuple[Ints, Ints, Floats], place: Ints, width: int
) -> tuple[Ints, Ints, Floats]:
    movement, detector, weight = triples
    junction = place[movement // max(width, 1)]
    ours = junction >= 0
    moved = junction[ours] * width + movement[ours] % max(width, 1)
    return moved, detector[ours], weight[ours]


def _lines_on(network: RoadNetwork, detectors: Ints) -> Ints:
    """The stop lines on the lanes of ``detectors``."""
    lines = {lane: row for row, lane in enumerate(network.stop_lines.lanes)}
    found = [lines.get(network.detectors.lanes[row], -1) for row in detectors.tolist()]
    return np.array([row for row in found if row >= 0], dtype=np.int64)


def _detectors_of(whole: Detectors, rows: Ints) -> Detectors:
    return Detectors(
        _named(whole.ids, rows),
        _lanes(whole.lanes, rows),
        whole.start_m[rows],
        whole.end_m[rows],
        whole.distance_m[rows],
    )


def _named(ids: EntityIds, rows: Ints) -> EntityIds:
    return EntityIds(_lanes(ids.names, rows))


def _lanes(names: tuple[str, ...], rows: Ints) -> tuple[str, ...]:
    return tuple(names[row] for row in rows.tolist())


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
