"""Microscopic traffic, asked through SUMO's own detectors: lane areas and induction loops.

What libsumo costs is the call, about 0.4 µs each, so nothing is asked where the last answer tells
that there is nothing to hear: speed and queue of an empty piece, the loop of an empty lane.
"""

from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

import libsumo
import numpy as np
import numpy.typing as npt

from cityloop.kernel.compiled import (
    INTS,
    SHORTS,
    TRUTH,
    VECTOR_OF_BYTES,
    VECTOR_OF_INTS,
    compiled,
)
from cityloop.standards.network import Ints, RoadNetwork
from cityloop.twins.sumo.roadside import Bytes, Counts, Reading, tails

_NEVER_S = "1000000"
_INTERVAL_S = 60
"""SUMO goes through all vehicles of the interval at each call: short ones stay cheap."""
_LINE_M = 0.1
_MEMORY_TICKS = 3
_CRAWL_MPS = 2.0

# Around each of these SWIG puts a Python frame that costs a third of the call.
_CALLS = libsumo._libsumo  # noqa: SLF001
_AREA_VEHICLES = _CALLS.lanearea_getLastStepVehicleNumber
_AREA_HALTING = _CALLS.lanearea_getLastStepHaltingNumber
_AREA_SPEED = _CALLS.lanearea_getLastStepMeanSpeed
_LOOP_VEHICLES = _CALLS.inductionloop_getIntervalVehicleNumber
_LANE_VEHICLES, _LANE_SPEED = _CALLS.lane_getLastStepVehicleNumber, _CALLS.lane_getLastStepMeanSpeed


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


class LaneAreas:
    """A ``Roadside`` of the detectors that ``write_detectors`` wrote."""

    def __init__(self, network: RoadNetwork) -> None:
        self._pieces = [f"d{row}" for row in range(len(network.detector_ids))]
        self._loops = [f"s{row}" for row in range(len(network.stop_line_ids))]
        self._tails = tails(network)
        self._busy = np.zeros(len(self._loops), dtype=np.int64)
        self._total = np.zeros(len(self._loops), dtype=np.int64)
        self._seconds = -1

    def read(self) -> Reading:
        """What the detectors tell, once a second."""
        counts, queues, speeds = self._read_pieces()
        return Reading(counts, queues, speeds, self._read_loops(counts))

    def crawls(self, edge: str, lanes: Sequence[str]) -> bool:
        """Whether vehicles stand or crawl on one of ``lanes``."""
        return any(_LANE_VEHICLES(lane) and _LANE_SPEED(lane) < _CRAWL_MPS for lane in lanes)

    def _read_pieces(self) -> tuple[Counts, Counts, npt.NDArray[np.float32]]:
        names, count = self._pieces, len(self._pieces)
        counts: Counts = np.fromiter(map(_AREA_VEHICLES, names), np.uint16, count)
        occupied = counts.nonzero()[0]
        asked, many = [names[row] for row in occupied.tolist()], len(occupied)
        queues, speeds = np.zeros(count, np.uint16), np.full(count, -1.0, np.float32)
        queues[occupied] = np.fromiter(map(_AREA_HALTING, asked), np.uint16, many)
        speeds[occupied] = np.fromiter(map(_AREA_SPEED, asked), np.float32, many)
        return counts, queues, speeds

    def _read_loops(self, counts: Counts) -> Bytes:
        self._seconds += 1
        within = self._seconds % _INTERVAL_S
        if within == 0:
            self._total[:] = 0  # SUMO's new interval began with this very second
        # Who clears the line now was on its lane within the last seconds; and the loops count on,
        # so one that is asked late tells late but loses nobody: all are asked at an interval's end.
        everyone = within in (0, _INTERVAL_S - 1)
        asked = _to_ask(counts, self._tails, self._busy, everyone)
        names = [self._loops[row] for row in asked.tolist()]
        counted = np.fromiter(map(_LOOP_VEHICLES, names), np.int64, len(names))
        return _passed(asked, counted, self._total)


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
