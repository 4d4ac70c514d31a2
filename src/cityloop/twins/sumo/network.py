"""A road network as a loop knows it, from any SUMO network file."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np

from cityloop.kernel.errors import ConfigError
from cityloop.kernel.frame import EntityIds
from cityloop.standards.network import Detectors, Floats, Ints, RoadNetwork, StopLines
from cityloop.standards.signals import SignalBank
from cityloop.twins.sumo.junctions import Signalised, read_junctions
from cityloop.twins.sumo.netfile import read_net
from cityloop.twins.sumo.reach import Piece, Reach, read_reach

VEHICLE_M = 7.5
"""Road that a standing car and the gap before it take (HBS 2015: 6 to 7.5 m)."""


def read_network(
    net: Path,
    *,
    additional: Sequence[Path] = (),
    reach_m: float = 200.0,
    exit_m: float = 100.0,
    min_green_s: float = 7.0,
    segment_m: float | None = None,
    signals: bool = True,
) -> RoadNetwork:
    """The signalised part of the SUMO network ``net``: junctions, detectors, what feeds what.

    Detectors reach ``reach_m`` upstream of each stop line and ``exit_m`` behind each junction;
    vehicle phases last at least ``min_green_s``. With ``segment_m`` they see whole segments of
    about that length, as queues of a mesoscopic simulation tell (``SumoScenario.segment_m``).
    Signal plans in ``additional`` files go before
    those of the network. ``version`` names the files' content and these settings. Raises
    ConfigError when a file is missing, is no network or, with ``signals``, has no usable one.
    """
    roads = read_net(net, additional)
    signalised = read_junctions(roads, min_green_s)
    if signals and not signalised:
        raise ConfigError(f"{net} has no signalised junction; choose a network with traffic lights")
    reach = read_reach(roads, signalised, reach_m, exit_m, segment_m)
    bank = SignalBank(tuple(item.junction for item in signalised))
    content = b"".join(path.read_bytes() for path in (net, *additional))
    settings = f"{reach_m} {exit_m} {min_green_s}" + (f" {segment_m}" if segment_m else "")
    return RoadNetwork(
        version=hashlib.blake2b(content + settings.encode(), digest_size=8).hexdigest(),
        bank=bank,
        detectors=_detectors(reach.pieces),
        stop_lines=StopLines(_ids("StopLineDetector", reach.stop_lanes), reach.stop_lanes),
        feeds=_triples(reach.feeds, bank),
        leaves=_triples(reach.leaves, bank),
        stop_line_of=_stop_line_of(signalised, reach, bank),
        exit_room=np.array([(p.end_m - p.start_m) / VEHICLE_M for p in reach.pieces]),
    )


def entity_id(type_: str, name: str) -> str:
    """``urn:ngsi-ld:<Type>:<name>``; what a URN may not hold is percent-encoded (RFC 8141)."""
    return f"urn:ngsi-ld:{type_}:{quote(name, safe=':@!$&()*+,;=')}"


def _ids(type_: str, names: Sequence[str]) -> EntityIds:
    return EntityIds([entity_id(type_, name) for name in names])


def _detectors(pieces: Sequence[Piece]) -> Detectors:
    lanes = tuple(piece.lane for piece in pieces)
    # A lane with two pieces: the one at its beginning is marked, the other has the lane's name.
    names = [
        f"{piece.lane}!start" if lanes[row + 1 : row + 2] == (piece.lane,) else piece.lane
        for row, piece in enumerate(pieces)
    ]
    return Detectors(
        ids=_ids("LaneDetector", names),
        lanes=lanes,
        start_m=np.array([piece.start_m for piece in pieces]),
        end_m=np.array([piece.end_m for piece in pieces]),
        distance_m=np.array([piece.distance_m for piece in pieces]),
    )


def _triples(
    entries: Sequence[tuple[tuple[int, int], int, float]], bank: SignalBank
) -> tuple[Ints, Ints, Floats]:
    width = bank.shape[2]
    rows = np.array([j * width + link for (j, link), _, _ in entries], dtype=np.int64)
    columns = np.array([piece for _, piece, _ in entries], dtype=np.int64)
    return rows, columns, np.array([share for _, _, share in entries], dtype=np.float64)


def _stop_line_of(signalised: Sequence[Signalised], reach: Reach, bank: SignalBank) -> Ints:
    rows = {lane: row for row, lane in enumerate(reach.stop_lanes)}
    out = np.full((len(signalised), bank.shape[2]), -1, dtype=np.int64)
    for j, item in enumerate(signalised):
        for k, link in enumerate(item.junction.links):
            out[j, k] = rows.get(link.from_lane, -1)
    return out.ravel()
