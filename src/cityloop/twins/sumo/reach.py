"""What detectors see: lane pieces upstream of each stop line and just behind each junction.

A stop-line lane is often a short stub behind an uncontrolled node; a loop that sees only the stub
takes a long queue for a short one. So the walk goes on upstream, over uncontrolled nodes and the
lanes inside them, until its reach is covered or another signal stands in the way.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from cityloop.twins.sumo.junctions import Signalised
from cityloop.twins.sumo.netfile import Connection, NetFile

SHORTEST_PIECE_M = 1.0


@dataclass(frozen=True, slots=True)
class Piece:
    """A detector's part of a lane; ``distance_m`` from its end along the path to a stop line
    (infinite where it watches the road behind a junction only)."""

    lane: str
    start_m: float
    end_m: float
    distance_m: float


@dataclass(frozen=True, slots=True)
class Reach:
    """Pieces in order of lanes, and what each tells of: (movement, piece, share) triples.

    A movement is (junction row, link row). ``feeds``: shares of a piece over the movements of one
    junction sum to 1: equal over those reachable from it. ``leaves``: how the piece's lane takes
    part in what lies behind the movement, 1 for the lane it enters.
    """

    pieces: tuple[Piece, ...]
    feeds: tuple[tuple[tuple[int, int], int, float], ...]
    leaves: tuple[tuple[tuple[int, int], int, float], ...]
    stop_lanes: tuple[str, ...]


_Movement = tuple[int, int]


@dataclass(slots=True)
class _Seen:
    """How far a lane is looked at from its end (``tail_m``) and from its beginning (``head_m``)."""

    tail_m: dict[str, float] = field(default_factory=dict)
    head_m: dict[str, float] = field(default_factory=dict)
    distance_m: dict[str, float] = field(default_factory=dict)
    feeds: dict[tuple[int, str], set[_Movement]] = field(default_factory=dict)
    leaves: dict[tuple[_Movement, str], float] = field(default_factory=dict)


class _Paths:
    """Which lanes lead to which without a signal between; ``exits`` lead nowhere but back."""

    def __init__(self, net: NetFile) -> None:
        self.net = net
        self.before: dict[str, list[str]] = defaultdict(list)
        self.after: dict[str, list[str]] = defaultdict(list)
        onward = {c.from_lane for c in net.connections if c.direction != "t"}
        self.exits = set(net.lanes) - onward
        signalised = _inside_signalised(net)
        for connection in net.connections:
            if connection.signal or connection.from_lane in signalised:
                continue
            if self.carries(connection):
                following = connection.via or connection.to_lane
                self.after[connection.from_lane].append(following)
                self.before[following].append(connection.from_lane)

    def carries(self, connection: Connection) -> bool:
        """Whether motor vehicles may use the connection."""
        return all(self.net.lanes[n].motor for n in (connection.from_lane, connection.to_lane))

    def upstream(self, lane: str, reach_m: float) -> Iterator[tuple[str, float]]:
        """Lanes from which ``lane`` is reached, itself first: (lane, metres from its end)."""
        queue, done = [(0.0, lane)], set()
        while queue:
            distance, name = heappop(queue)
            if name in done:
                continue
            done.add(name)
            yield name, distance
            further = distance + self.net.lanes[name].length_m
            if further < reach_m:
                for previous in self.before[name]:
                    heappush(queue, (further, previous))

    def downstream(self, lane: str, reach_m: float) -> Iterator[tuple[str, float, float]]:
        """Lanes behind ``lane``, itself first: (lane, metres to its beginning, share)."""
        stack, done = [(lane, 0.0, 1.0)], set()
        while stack:
            name, distance, share = stack.pop()
            if name in done:
                continue
            done.add(name)
            yield name, distance, share
            further = distance + self.net.lanes[name].length_m
            following = self.after[name] if further < reach_m else []
            stack.extend((next_, further, share / len(following)) for next_ in following)


def _inside_signalised(net: NetFile) -> set[str]:
    """Lanes inside junctions that are entered at a signal."""
    onward = {c.from_lane: c.via for c in net.connections if c.from_lane.startswith(":")}
    lanes = {c.via for c in net.connections if c.signal and c.via}
    return lanes | {second for lane in lanes if (second := onward.get(lane, ""))}


def read_reach(
    net: NetFile,
    signalised: Sequence[Signalised],
    reach_m: float,
    exit_m: float,
    segment_m: float | None = None,
) -> Reach:
    """Walk ``reach_m`` upstream of every stop line and ``exit_m`` behind every signalised link.

    Lanes whose road leads nowhere are left out behind a junction: vehicles leave there freely. With
    ``segment_m`` pieces are whole segments, equal parts of a lane of about that length.
    """
    paths, seen = _Paths(net), _Seen()
    stops: dict[str, list[_Movement]] = defaultdict(list)
    for j, item in enumerate(signalised):
        for k, group in enumerate(item.connections):
            for connection in group:
                if paths.carries(connection):
                    stops[connection.from_lane].append((j, k))
                    _behind(paths, seen, (j, k), connection, exit_m)
    for lane, movements in stops.items():
        _towards(paths, seen, lane, movements, reach_m)
    if segment_m is not None:
        for part_m in (seen.tail_m, seen.head_m):
            for lane, metres in part_m.items():
                part_m[lane] = _whole(net.lanes[lane].length_m, metres, segment_m)
    return _reach(net, seen, sorted(stops, key=_order(net).__getitem__))


def segments_of(length_m: float, segment_m: float) -> int:
    """Equal parts of about ``segment_m`` in a lane (as SUMO's ``MELoop::numSegmentsFor``)."""
    return max(int(length_m / segment_m + 0.5), 1)


def _whole(length_m: float, part_m: float, segment_m: float) -> float:
    """The length of the whole segments nearest to ``part_m``, one at least."""
    each_m = length_m / segments_of(length_m, segment_m)
    return each_m * max(round(part_m / each_m), 1)


def _order(net: NetFile) -> Mapping[str, int]:
    return {name: row for row, name in enumerate(net.lanes)}


def _towards(
    paths: _Paths, seen: _Seen, stop: str, movements: Sequence[_Movement], reach_m: float
) -> None:
    for lane, distance in paths.upstream(stop, reach_m):
        needed = min(paths.net.lanes[lane].length_m, reach_m - distance)
        seen.tail_m[lane] = max(seen.tail_m.get(lane, 0.0), needed)
        seen.distance_m[lane] = min(seen.distance_m.get(lane, distance), distance)
        for movement in movements:
            seen.feeds.setdefault((movement[0], lane), set()).add(movement)


def _behind(
    paths: _Paths, seen: _Seen, movement: _Movement, connection: Connection, exit_m: float
) -> None:
    for lane, distance, share in paths.downstream(connection.to_lane, exit_m):
        if lane not in paths.exits:
            needed = min(paths.net.lanes[lane].length_m, exit_m - distance)
            seen.head_m[lane] = max(seen.head_m.get(lane, 0.0), needed)
            key = (movement, lane)
            seen.leaves[key] = seen.leaves.get(key, 0.0) + share


def _reach(net: NetFile, seen: _Seen, stop_lanes: Sequence[str]) -> Reach:
    pieces: list[Piece] = []
    tails: dict[str, int] = {}
    heads: dict[str, int] = {}
    for name, lane in net.lanes.items():
        tail_m, head_m = seen.tail_m.get(name, 0.0), seen.head_m.get(name, 0.0)
        if lane.length_m < SHORTEST_PIECE_M or not (tail_m or head_m):
            continue
        tail_from = lane.length_m - tail_m
        if head_m and head_m >= tail_from - SHORTEST_PIECE_M:
            tail_from, head_m = 0.0, 0.0
            heads[name] = len(pieces)
        if head_m:
            heads[name] = len(pieces)
            pieces.append(Piece(name, 0.0, head_m, float("inf")))
        if tail_m or not head_m:
            tails[name] = len(pieces)
            distance = seen.distance_m.get(name, float("inf"))
            pieces.append(Piece(name, tail_from, lane.length_m, distance))
    return Reach(
        tuple(pieces), tuple(_feeds(seen, tails)), tuple(_leaves(seen, heads)), tuple(stop_lanes)
    )


def _feeds(seen: _Seen, tails: Mapping[str, int]) -> Iterator[tuple[_Movement, int, float]]:
    for (_, lane), movements in seen.feeds.items():
        if lane in tails:
            for movement in sorted(movements):
                yield movement, tails[lane], 1.0 / len(movements)


def _leaves(seen: _Seen, heads: Mapping[str, int]) -> Iterator[tuple[_Movement, int, float]]:
    for (movement, lane), share in seen.leaves.items():
        if lane in heads:
            yield movement, heads[lane], min(share, 1.0)
