"""Mesoscopic traffic, asked through the queues of its road segments.

SUMO's mesoscopic model cuts each road into segments of about 98 m and moves vehicles from queue to
queue; with a queue for each lane a segment tells what a lane-area detector of its length would.
Four things differ from detectors, as measured (see docs/explanation/mesoscopic.md):

- Detectors and lanes of libsumo tell nothing here; vehicles tell their segment and queue.
- Only the head of a queue counts as halting. Who is longer in a segment than its free road takes is
  standing here.
- Nobody has a speed of their own within a segment: none is told.
- Who waits inside a junction is in nobody's way: no box is ever blocked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

import libsumo
import numpy as np

from cityloop.standards.network import Floats, Ints, RoadNetwork
from cityloop.twins.sumo.reach import segments_of
from cityloop.twins.sumo.roadside import Bytes, Reading
from cityloop.twins.sumo.scenario import SEGMENT_M

SLOW = 1.3
"""Who takes this much longer than on a free road stands; drivers' own speeds vary by a tenth."""
_BITS = 24
_CELL = (1 << _BITS) - 1
"""What is known of a vehicle is one number: the second in which it came, and its cell."""

_CALLS = libsumo._libsumo  # noqa: SLF001 (as in ``lane_areas``)
_EDGE_VEHICLES = _CALLS.edge_getLastStepVehicleNumber
_EDGE_IDS = _CALLS.edge_getLastStepVehicleIDs
_SEGMENT, _QUEUE = _CALLS.vehicle_getSegmentIndex, _CALLS.vehicle_getLaneIndex
_ARRIVED = _CALLS.simulation_getArrivedIDList


@dataclass(slots=True)
class _Road:
    """A watched edge: vehicles up to segment ``head`` and from segment ``tail`` on are looked at.

    ``cells``: the cell of (segment, lane), -1 where nobody looks; those from ``last`` up to ``end``
    lie in the last segment, which is left for another edge only.
    """

    edge: str
    lanes: int
    head: int
    tail: int
    cells: list[int]
    last: int
    end: int


class QueueSegments:
    """A ``Roadside`` of mesoscopic queues; ``network`` was read with ``SEGMENT_M``."""

    def __init__(self, network: RoadNetwork) -> None:
        self._pieces, self._lines = len(network.detectors.lanes), len(network.stop_lines.lanes)
        watched = _watched(network)
        self._piece: Ints = np.zeros(sum(map(len, watched.values())), dtype=np.int64)
        self._free_s: Floats = np.zeros(len(self._piece))
        self._road_of = [0] * len(self._piece)
        self._line_of = [-1] * len(self._piece)
        lines = {lane: row for row, lane in enumerate(network.stop_lines.lanes)}
        self._roads: list[_Road] = []
        for edge, places in watched.items():
            self._add(edge, places, lines)
        self._edges = [road.edge for road in self._roads]
        self._second = 0
        self._known: dict[str, int] = {}
        self._speeds = np.full(self._pieces, -1.0, np.float32)

    def _add(self, edge: str, places: dict[tuple[int, int], int], lines: dict[str, int]) -> None:
        """Number the cells of ``edge``, those of its last segment last."""
        first = self._roads[-1].end if self._roads else 0
        length = libsumo.lane.getLength(f"{edge}_0")
        many, lanes = segments_of(length, SEGMENT_M), libsumo.edge.getLaneNumber(edge)
        cells = [-1] * (many * lanes)
        for cell, ((segment, lane), piece) in enumerate(sorted(places.items()), first):
            name = f"{edge}_{lane}"
            cells[segment * lanes + lane] = cell
            self._piece[cell], self._road_of[cell] = piece, len(self._roads)
            self._free_s[cell] = SLOW * length / many / libsumo.lane.getMaxSpeed(name) + 1.0
            self._line_of[cell] = lines.get(name, -1) if segment == many - 1 else -1
        used = {segment for segment, _ in places}
        tail = many
        while tail - 1 in used:
            tail -= 1
        head = max((s for s in used if s < tail), default=-1)
        in_last = sum(segment == many - 1 for segment, _ in places)
        end = first + len(places)
        self._roads.append(_Road(edge, lanes, head, tail, cells, end - in_last, end))

    def read(self) -> Reading:
        """Where every vehicle within reach is; only who may have moved on is asked."""
        self._second += 1
        before = self._known
        known: dict[str, int] = {}
        for road in compress(self._roads, map(_EDGE_VEHICLES, self._edges)):
            self._look(road, known)
        self._known = known
        told = np.fromiter(known.values(), np.int64, len(known))
        cell, since = told & _CELL, told >> _BITS
        piece = self._piece[cell]
        standing = piece[self._second - since > self._free_s[cell]]
        return Reading(
            np.bincount(piece, minlength=self._pieces).astype(np.uint16),
            np.bincount(standing, minlength=self._pieces).astype(np.uint16),
            self._speeds,
            self._passed(before, known),
        )

    def _look(self, road: _Road, known: dict[str, int]) -> None:
        """Put the vehicles on the watched segments of ``road`` into ``known``. An edge names its
        vehicles in order of segments, so those between head and tail are never asked."""
        vehicles: tuple[str, ...] = _EDGE_IDS(road.edge)
        before, left = self._known.get, len(vehicles)
        last, end, tail = road.last, road.end, road.tail
        for vehicle in reversed(vehicles):
            told = before(vehicle, -1)
            if told >= 0 and last <= told & _CELL < end:
                known[vehicle] = told
            else:
                segment = _SEGMENT(vehicle)
                if segment < tail:
                    break
                self._note(vehicle, told, road.cells[segment * road.lanes + _QUEUE(vehicle)], known)
            left -= 1
        for vehicle in vehicles[:left] if road.head >= 0 else ():
            segment = _SEGMENT(vehicle)
            if segment > road.head:
                break
            cell = road.cells[segment * road.lanes + _QUEUE(vehicle)]
            self._note(vehicle, before(vehicle, -1), cell, known)

    def _note(self, vehicle: str, told: int, cell: int, known: dict[str, int]) -> None:
        """``vehicle`` is in ``cell`` now, negative where nobody looks; ``told``: known so far."""
        if cell >= 0:
            same = told >= 0 and told & _CELL == cell
            known[vehicle] = told if same else self._second << _BITS | cell

    def _passed(self, before: dict[str, int], known: dict[str, int]) -> Bytes:
        """Who left the last segment before a stop line and did not end there."""
        arrived, road_of = frozenset(_ARRIVED()), self._road_of
        gone = [
            line
            for vehicle, told in before.items()
            if (line := self._line_of[told & _CELL]) >= 0
            and (
                (now := known.get(vehicle)) is None or road_of[now & _CELL] != road_of[told & _CELL]
            )
            and vehicle not in arrived
        ]
        return np.bincount(np.array(gone, np.int64), minlength=self._lines).astype(np.uint8)

    def crawls(self, edge: str, lanes: Sequence[str]) -> bool:
        """Never: who waits inside a junction is in nobody's way here."""
        return False


def _watched(network: RoadNetwork) -> dict[str, dict[tuple[int, int], int]]:
    """Edge → (segment, lane) → the detector piece that lies there."""
    out: dict[str, dict[tuple[int, int], int]] = {}
    pieces = network.detectors
    for piece, lane in enumerate(pieces.lanes):
        edge, _, index = lane.rpartition("_")
        length = libsumo.lane.getLength(lane)
        each_m = length / segments_of(length, SEGMENT_M)
        first = round(float(pieces.start_m[piece]) / each_m)
        last = max(round(float(pieces.end_m[piece]) / each_m), first + 1)
        places = out.setdefault(edge, {})
        for segment in range(first, min(last, segments_of(length, SEGMENT_M))):
            places[segment, int(index)] = piece
    return out
