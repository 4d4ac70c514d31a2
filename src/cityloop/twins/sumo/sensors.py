"""The twin's sensors: lane-area and stop-line detectors, entry queues; as frames, second by second.

The same types whatever the simulation's resolution: who counts is a ``Roadside``.
"""

from collections import defaultdict
from collections.abc import Mapping

import libsumo
import numpy as np

from cityloop.kernel.clock import CityTime
from cityloop.kernel.compiled import BOOLS, BYTES, FLOATS, INTS, SHORTS, TABLE_OF_BOOLS, compiled
from cityloop.kernel.frame import Array, Bools, Column, EntityIds, Frame
from cityloop.standards.network import Floats, Ints, RoadNetwork
from cityloop.standards.signals import Junction
from cityloop.twins.sumo.network import entity_id
from cityloop.twins.sumo.roadside import Bytes, Counts, Reading, Roadside, tails

_FULL = 0.8

# Around each of these SWIG puts a Python frame that costs a third of the call.
_CALLS = libsumo._libsumo  # noqa: SLF001
_EDGE_VEHICLES = _CALLS.edge_getLastStepVehicleNumber
_PENDING = _CALLS.simulation_getPendingVehicles


class Sensors:
    """What ``roadside`` tells, second by second; the newest stays for the cabinets.

    ``seen``: the newest reading. ``pending``: vehicles that wait to enter.
    """

    def __init__(
        self,
        network: RoadNetwork,
        entries: Mapping[str, int],
        edges: EntityIds,
        roadside: Roadside,
    ) -> None:
        self.network, self.roadside = network, roadside
        self._entries = dict(entries)
        self._edges = edges
        self.read()

    def read(self) -> None:
        """Ask the simulation, once a second."""
        self.seen: Reading = self.roadside.read()
        self.pending: tuple[str, ...] = _PENDING()
        entries = [self._entry(vehicle) for vehicle in self.pending]
        self.waiting: Counts = np.zeros(len(self._edges), dtype=np.uint16)
        if entries:
            self.waiting += np.bincount(entries, minlength=len(self._edges)).astype(np.uint16)

    def _entry(self, vehicle: str) -> int:
        row = self._entries.get(vehicle)
        if row is None:
            edge = libsumo.vehicle.getRoute(vehicle)[0]
            row = self._edges.index.get(entity_id("EntryQueue", edge), 0)
            self._entries[vehicle] = row
        return row

    def frames(self, run: str, at: CityTime) -> tuple[Frame, Frame, Frame]:
        """The newest readings as LaneDetector, StopLineDetector and EntryQueue frames."""
        seen = self.seen
        lanes = {
            "vehicleCount": Column(seen.counts),
            "queueLength": Column(seen.queues),
            "meanSpeed": Column(seen.speeds, null=seen.speeds < 0),
        }
        return (
            Frame("LaneDetector", run, at, self.network.detector_ids, lanes),
            _counted("StopLineDetector", run, at, self.network.stop_line_ids, seen.passed),
            _counted("EntryQueue", run, at, self._edges, self.waiting),
        )


def _counted(type_: str, run: str, at: CityTime, ids: EntityIds, counts: Array) -> Frame:
    return Frame(type_, run, at, ids, {"vehicleCount": Column(counts)})


class Nearby:
    """What the cabinets sense themselves, link by link: (J, L) arrays, padding False."""

    def __init__(self, network: RoadNetwork, sensors: Sensors) -> None:
        self._sensors = sensors
        self._shape = (network.bank.shape[0], network.bank.shape[2])
        self._has_line = network.stop_line_of >= 0
        self._line = np.where(self._has_line, network.stop_line_of, 0)
        self._tail = tails(network)[self._line]
        heads = {lane: row for row, lane in reversed(list(enumerate(network.detectors.lanes)))}
        ahead = np.full(self._has_line.shape, -1, dtype=np.int64)
        for j, junction in enumerate(network.bank.junctions):
            for k, link in enumerate(junction.links):
                ahead[j * self._shape[1] + k] = heads.get(link.to_lane, -1)
        starts = network.detectors.start_m[ahead] == 0.0
        self._ahead = np.where((ahead >= 0) & starts, ahead, -1)
        self._room = network.exit_room * _FULL
        self._boxes = [_inside(junction) for junction in network.bank.junctions]

    def at_lines(self) -> tuple[Bools, Bools, Bools]:
        """Vehicles halt on the lane before the line; somebody cleared the line in the last second;
        the lane behind the junction stands full. Each (J, L)."""
        seen = self._sensors.seen.queues, self._sensors.seen.passed, self._room
        told = _at_lines(*seen, self._has_line, self._line, self._tail, self._ahead)
        waiting, discharged, blocked_ahead = told.reshape(3, *self._shape)
        return waiting, discharged, blocked_ahead

    def box_blocked(self, rows: Ints) -> Bools:
        """(J,): vehicles stand or crawl inside; asked of ``rows`` only, False elsewhere."""
        out = np.zeros(self._shape[0], dtype=np.bool_)
        crawls = self._sensors.roadside.crawls
        for row in rows.tolist():
            box = self._boxes[row].items()
            out[row] = any(_EDGE_VEHICLES(edge) and crawls(edge, lanes) for edge, lanes in box)
        return out


@compiled(TABLE_OF_BOOLS, SHORTS, BYTES, FLOATS, BOOLS, INTS, INTS, INTS)
def _at_lines(
    queues: Counts,
    passed: Bytes,
    room: Floats,
    has_line: Bools,
    line: Ints,
    tail: Ints,
    ahead: Ints,
) -> Bools:
    out = np.zeros((3, len(line)), dtype=np.bool_)
    for link in range(len(line)):
        if has_line[link]:
            out[0, link] = queues[tail[link]] > 0
            out[1, link] = passed[line[link]] > 0
        if ahead[link] >= 0:
            out[2, link] = queues[ahead[link]] >= room[ahead[link]]
    return out


def _inside(junction: Junction) -> dict[str, list[str]]:
    """The lanes inside a junction by edge, second halves of waiting turns included."""
    lanes = dict.fromkeys(link.via for link in junction.links if link.via)
    for first in tuple(lanes):
        lanes |= dict.fromkeys(link[4] for link in libsumo.lane.getLinks(first) if link[4])
    edges: dict[str, list[str]] = defaultdict(list)
    for lane in lanes:
        edges[libsumo.lane.getEdgeID(lane)].append(lane)
    return edges
