"""One crossing of four roads, small enough to reckon by hand; seen 200 m far at 10 m/s."""

import numpy as np

from cityloop.kernel.frame import EntityIds
from cityloop.standards.network import Detectors, RoadNetwork, StopLines
from cityloop.standards.signals import Junction, Link, Phase, SignalBank

NORTH, NORTH_LEFT, SOUTH, EAST, WEST = range(5)
NORTH_SOUTH, EAST_WEST = range(2)
REACH_M, SPEED_MPS, ROOM = 200.0, 10.0, 26.0


def crossing(*, shared_detector: bool = False) -> RoadNetwork:
    """Lanes north (straight), north left, south, east, west; phases north-south and east-west.

    The left turn from the north has permissive green and yields to the south. Each lane has one
    detector and one exit with a detector of its own; with ``shared_detector`` one detector sees
    both northern lanes, its vehicles declared to use them equally.
    """
    foes = [{EAST, WEST}, {SOUTH, EAST, WEST}, {NORTH_LEFT, EAST, WEST}]
    foes += [{NORTH, NORTH_LEFT, SOUTH}] * 2
    links = tuple(
        Link(
            from_lane=f"in{k}",
            to_lane=f"out{k}",
            via="",
            direction="l" if k == NORTH_LEFT else "s",
            speed_mps=SPEED_MPS,
            foes=frozenset(foes[k]),
            yields_to=frozenset({SOUTH} if k == NORTH_LEFT else ()),
        )
        for k in range(5)
    )
    junction = Junction(
        "centre", 0.0, 0.0, links, (Phase("GgGrr", 30), Phase("rrrGG", 30)), (7.0,) * 2, (3.0,) * 5
    )
    count = 10
    feeding = np.array([0, 0, 2, 3, 4] if shared_detector else [0, 1, 2, 3, 4])
    share = np.array([0.5, 0.5, 1, 1, 1]) if shared_detector else np.ones(5)
    return RoadNetwork(
        version="crossing",
        bank=SignalBank((junction,)),
        detectors=Detectors(
            EntityIds([f"urn:ngsi-ld:LaneDetector:{d}" for d in range(count)]),
            tuple(f"in{d}" if d < 5 else f"out{d - 5}" for d in range(count)),
            np.zeros(count),
            np.full(count, REACH_M),
            np.where(np.arange(count) < 5, 0.0, np.inf),
        ),
        stop_lines=StopLines(
            EntityIds([f"urn:ngsi-ld:StopLineDetector:{s}" for s in range(5)]),
            tuple(f"in{s}" for s in range(5)),
        ),
        feeds=(np.arange(5), feeding, share),
        leaves=(np.arange(5), np.arange(5, 10), np.ones(5)),
        stop_line_of=np.arange(5),
        exit_room=np.full(count, ROOM),
    )
