"""The twin's sensors: lane-area and stop-line detectors, entry queues; as frames, second by second.

What libsumo costs is the call, about 0.4 µs each, so nothing is asked where the last answer tells
that there is nothing to hear: speed and queue of an empty piece, the loop of an empty lane.
"""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import quoteattr

import libsumo
import numpy as np
import numpy.typing as npt

from cityloop.kernel.clock import CityTime
from cityloop.kernel.compiled import (
    BOOLS,
    BYTES,
    FLOATS,
    INTS,
    SHORTS,
    TABLE_OF_BOOLS,
    TRUTH,
    VECTOR_OF_BYTES,
    VECTOR_OF_INTS,
    compiled,
)
from cityloop.kernel.frame import Array, Bools, Column, EntityIds, Frame
from cityloop.standards.network import Floats, Ints, RoadNetwork
from cityloop.standards.signals import Junction
from cityloop.twins.sumo.network import entity_id

Counts = npt.NDArray[np.uint16]
Bytes = npt.NDArray[np.uint8]

_NEVER_S = "1000000"
_INTERVAL_S = 60
"""SUMO goes through all vehicles of the interval at each call: short ones stay cheap."""
_LINE_M = 0.1
_MEMORY_TICKS = 3
_FULL = 0.8

# Around each of these SWIG puts a Python frame that costs a third of the call.
_CALLS = libsumo._libsumo  # noqa: SLF001
_AREA_VEHICLES = _CALLS.lanearea_getLastStepVehicleNumber
_AREA_HALTING = _CALLS.lanearea_getLastStepHaltingNumber
_AREA_SPEED = _CALLS.lanearea_getLastStepMeanSpeed
_LOOP_VEHICLES = _CALLS.inductionloop_getIntervalVehicleNumber
_EDGE_VEHICLES = _CALLS.edge_getLastStepVehicleNumber
_LANE_VEHICLES, _LANE_SPEED = _CALLS.lane_getLastStepVehicleNumber, _CALLS.lane_getLastStepMeanSpeed
_PENDING = _CALLS.simulation_getPendingVehicles


def write_detectors(network: RoadNetwork, path: Path) -> Path:
    """The additional file with all detectors of ``network``; none of them writes output.

    Short ids, since libsumo passes them by value with each call.
    """
    pieces = network.detectors
    lines = [
        f'<laneAreaDetector id="d{row}" lane={quoteattr(lane)} pos="{pieces.start_m[row]:.2f}"'
        f' endPos="{pieces.end_m[row]:.2f}" friendlyPos="true" period="{_NEVER_S}" file="NUL"/>'
        for row, lane in enumerate(pieces.lanes)
    ]
    lines += [
        f'<inductionLoop id="s{row}" lane={quoteattr(lane)} pos="-{_LINE_M}" friendlyPos="true"'
        f' period="{_INTERVAL_S}" file="NUL"/>'
        for row, lane in enumerate(network.stop_lines.lanes)
    ]
    path.write_text("\n".join(["<additional>", *lines, "</additional>\n"]), encoding="utf-8")
    return path


class Sensors:
    """Reads the detectors of the running simulation; the newest readings stay for the cabinets.

    ``counts``, ``queues``: (D,) vehicles and halting vehicles on each piece. ``speeds``: (D,) m/s.
    ``passed``: (S,) vehicles that cleared the stop line since the last ``read``. ``pending``:
    vehicles that wait to enter.
    """

    def __init__(self, network: RoadNetwork, entries: Mapping[str, int], edges: EntityIds) -> None:
        self.network = network
        self._entries = dict(entries)
        self._edges = edges
        self._pieces = [f"d{row}" for row in range(len(network.detector_ids))]
        self._loops = [f"s{row}" for row in range(len(network.stop_line_ids))]
        self._tails = _tails(network)
        self._busy = np.zeros(len(self._loops), dtype=np.int64)
        self._total = np.zeros(len(self._loops), dtype=np.int64)
        self._seconds = -1
        self.counts: Counts = np.zeros(len(self._pieces), dtype=np.uint16)
        self.queues: Counts = np.zeros(len(self._pieces), dtype=np.uint16)
        self.speeds: npt.NDArray[np.float32] = np.zeros(len(self._pieces), dtype=np.float32)
        self.passed: Bytes = np.zeros(len(self._loops), dtype=np.uint8)
        self.pending: tuple[str, ...] = ()
        self.waiting: Counts = np.zeros(len(edges), dtype=np.uint16)

    def read(self) -> None:
        """Ask the simulation, once a second."""
        self._read_pieces()
        self._read_loops()
        self.pending = _PENDING()
        entries = [self._entry(vehicle) for vehicle in self.pending]
        self.waiting = np.zeros(len(self._edges), dtype=np.uint16)
        if entries:
            self.waiting += np.bincount(entries, minlength=len(self._edges)).astype(np.uint16)

    def _read_pieces(self) -> None:
        names, count = self._pieces, len(self._pieces)
        counts: Counts = np.fromiter(map(_AREA_VEHICLES, names), np.uint16, count)
        occupied = counts.nonzero()[0]
        asked, many = [names[row] for row in occupied.tolist()], len(occupied)
        queues, speeds = np.zeros(count, np.uint16), np.full(count, -1.0, np.float32)
        queues[occupied] = np.fromiter(map(_AREA_HALTING, asked), np.uint16, many)
        speeds[occupied] = np.fromiter(map(_AREA_SPEED, asked), np.float32, many)
        self.counts, self.queues, self.speeds = counts, queues, speeds

    def _read_loops(self) -> None:
        self._seconds += 1
        within = self._seconds % _INTERVAL_S
        if within == 0:
            self._total[:] = 0  # SUMO's new interval began with this very second
        # Who clears the line now was on its lane within the last seconds; and the loops count on,
        # so one that is asked late tells late but loses nobody: all are asked at an interval's end.
        everyone = within in (0, _INTERVAL_S - 1)
        asked = _to_ask(self.counts, self._tails, self._busy, everyone)
        names = [self._loops[row] for row in asked.tolist()]
        counted = np.fromiter(map(_LOOP_VEHICLES, names), np.int64, len(names))
        self.passed = _passed(asked, counted, self._total)

    def _entry(self, vehicle: str) -> int:
        row = self._entries.get(vehicle)
        if row is None:
            edge = libsumo.vehicle.getRoute(vehicle)[0]
            row = self._edges.index.get(entity_id("EntryQueue", edge), 0)
            self._entries[vehicle] = row
        return row

    def frames(self, run: str, at: CityTime) -> tuple[Frame, Frame, Frame]:
        """The newest readings as LaneDetector, StopLineDetector and EntryQueue frames."""
        lanes = {
            "vehicleCount": Column(self.counts),
            "queueLength": Column(self.queues),
            "meanSpeed": Column(self.speeds, null=self.speeds < 0),
        }
        return (
            Frame("LaneDetector", run, at, self.network.detector_ids, lanes),
            _counted("StopLineDetector", run, at, self.network.stop_line_ids, self.passed),
            _counted("EntryQueue", run, at, self._edges, self.waiting),
        )


@compiled(VECTOR_OF_INTS, SHORTS, INTS, VECTOR_OF_INTS, TRUTH)
def _to_ask(counts: Counts, tails: Ints, busy: Ints, everyone: bool) -> Ints:
    """Loops with somebody on their lane in one of the last ticks; ``busy`` counts these down."""
    for loop in range(len(busy)):
        if everyone or counts[tails[loop]] > 0:
            busy[loop] = _MEMORY_TICKS
        elif busy[loop] > 0:
            busy[loop] -= 1
    return np.flatnonzero(busy)


@compiled(VECTOR_OF_BYTES, INTS, INTS, VECTOR_OF_INTS)
def _passed(asked: Ints, counted: Ints, total: Ints) -> Bytes:
    """Who passed each loop since it was asked last; ``total`` is what it told then."""
    out = np.zeros(len(total), dtype=np.uint8)
    for place, loop in enumerate(asked):
        # SUMO takes back a vehicle that changes lanes on the loop: the next one stands for it.
        if counted[place] > total[loop]:
            out[loop] = counted[place] - total[loop]
            total[loop] = counted[place]
    return out


def _counted(type_: str, run: str, at: CityTime, ids: EntityIds, counts: Array) -> Frame:
    return Frame(type_, run, at, ids, {"vehicleCount": Column(counts)})


def _tails(network: RoadNetwork) -> Ints:
    """(S,): the piece that ends at each stop line. A lane shorter than any piece has none; its
    neighbour in the list stands in, which only delays its count."""
    rows = {lane: row for row, lane in enumerate(network.detectors.lanes)}
    return np.array([rows.get(lane, 0) for lane in network.stop_lines.lanes], dtype=np.int64)


class Nearby:
    """What the cabinets sense themselves, link by link: (J, L) arrays, padding False."""

    def __init__(self, network: RoadNetwork, sensors: Sensors) -> None:
        self._sensors = sensors
        self._shape = (network.bank.shape[0], network.bank.shape[2])
        self._has_line = network.stop_line_of >= 0
        self._line = np.where(self._has_line, network.stop_line_of, 0)
        self._tail = _tails(network)[self._line]
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
        seen = self._sensors.queues, self._sensors.passed, self._room
        told = _at_lines(*seen, self._has_line, self._line, self._tail, self._ahead)
        waiting, discharged, blocked_ahead = told.reshape(3, *self._shape)
        return waiting, discharged, blocked_ahead

    def box_blocked(self, rows: Ints) -> Bools:
        """(J,): vehicles stand or crawl inside; asked of ``rows`` only, False elsewhere."""
        out = np.zeros(self._shape[0], dtype=np.bool_)
        for row in rows.tolist():
            lanes = [lanes for edge, lanes in self._boxes[row].items() if _EDGE_VEHICLES(edge)]
            out[row] = any(_crawls(lane) for part in lanes for lane in part)
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


_CRAWL_MPS = 2.0


def _crawls(lane: str) -> bool:
    return bool(_LANE_VEHICLES(lane) and _LANE_SPEED(lane) < _CRAWL_MPS)


def _inside(junction: Junction) -> dict[str, list[str]]:
    """The lanes inside a junction by edge, second halves of waiting turns included."""
    lanes = dict.fromkeys(link.via for link in junction.links if link.via)
    for first in tuple(lanes):
        lanes |= dict.fromkeys(link[4] for link in libsumo.lane.getLinks(first) if link[4])
    edges: dict[str, list[str]] = defaultdict(list)
    for lane in lanes:
        edges[libsumo.lane.getEdgeID(lane)].append(lane)
    return edges
