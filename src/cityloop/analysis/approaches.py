"""The approach lanes of signalised junctions, as sparse arrays made once from a road network.

An approach lane is the lane of one stop-line detector. It is the unit of service: links that leave
the same lane share its queue and its saturation flow, however many lanes they lead to.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from cityloop.kernel.compiled import COUNT, FLOATS, INTS, VECTOR, compiled
from cityloop.kernel.frame import Bools
from cityloop.standards.network import RoadNetwork
from cityloop.standards.signals import PERMISSIVE, PROTECTED

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Entries:
    """Sparse (row, column, weight) triples in order of rows."""

    rows: Ints
    columns: Ints
    weights: Floats

    def __len__(self) -> int:
        return len(self.rows)

    def onto_rows(self, values: Floats, count: int) -> Floats:
        """Σ weight · values[column] for each of ``count`` rows. Shape (count,)."""
        return _onto_rows(self.rows, self.columns, self.weights, values, count)


@compiled(VECTOR, INTS, INTS, FLOATS, FLOATS, COUNT)
def _onto_rows(rows: Ints, columns: Ints, weights: Floats, values: Floats, count: int) -> Floats:
    out = np.zeros(count)
    for i in range(len(rows)):
        out[rows[i]] += weights[i] * values[columns[i]]
    return out


@dataclass(frozen=True, eq=False)
class Approaches:
    """S approach lanes, D detectors, J junctions of at most P phases (a phase is j · P + p).

    ``feeds``: lane ← detector, the share of its vehicles that will cross this stop line.
    ``leaves``: lane ← detector that its vehicles drive onto, the share of the lane's vehicles.
    ``junction``: (S,), the junction of a lane. ``lanes_of_phase``: phase ← lane, weight = share of
    the lane's vehicles that have protected green. ``permissive``: likewise, but each entry is one
    link with permissive green. ``opposing``: permissive entry ← lane whose protected green it
    yields to. ``always``: (S,), lanes that are green in every phase of their junction.
    """

    junctions: int
    phases: int
    feeds: Entries
    leaves: Entries
    junction: Ints
    lanes_of_phase: Entries
    permissive: Entries
    opposing: Entries
    always: Bools

    def __len__(self) -> int:
        return len(self.junction)

    @cached_property
    def shared_feeds(self) -> Ints:
        """Group of each feed: those of one detector at one junction. Shape (F,)."""
        key = self.feeds.columns * (self.junctions + 1) + self.junction[self.feeds.rows]
        return np.asarray(np.unique(key, return_inverse=True)[1])

    @cached_property
    def watched_by(self) -> tuple[Ints, Ints]:
        """(detector, junction) pairs: the detector tells of the junction's demand."""
        return self.feeds.columns, self.junction[self.feeds.rows]

    def learned_weights(self, flow: Floats) -> Floats:
        """Shares of feeds when lanes are used in proportion to ``flow`` (S,). Shape (F,).

        A detector whose vehicles spread over several lanes of a junction divides them as they were
        counted at the stop lines; the sum of its shares stays as declared.
        """
        return _shared(self.feeds.rows, self.feeds.weights, self.shared_feeds, flow)

    def exits_free(self, queued: Floats, capacity: Floats) -> Floats:
        """1 where a lane's exits are at most half full of standing vehicles, to 0 when full. (S,).

        ``queued``, ``capacity``: (D,), vehicles standing on a detector's piece, and that fit there.
        """
        leaves = self.leaves
        return _free(leaves.rows, leaves.columns, leaves.weights, queued, capacity, len(self))


@compiled(VECTOR, INTS, FLOATS, INTS, FLOATS)
def _shared(rows: Ints, weights: Floats, group: Ints, flow: Floats) -> Floats:
    out = np.zeros(len(rows))
    declared, counted = np.zeros(len(rows)), np.zeros(len(rows))
    for i in range(len(rows)):
        out[i] = weights[i] * flow[rows[i]]
        declared[group[i]] += weights[i]
        counted[group[i]] += out[i]
    for i in range(len(rows)):
        out[i] *= declared[group[i]] / counted[group[i]]
    return out


@compiled(VECTOR, INTS, INTS, FLOATS, FLOATS, FLOATS, COUNT)
def _free(
    rows: Ints, columns: Ints, weights: Floats, queued: Floats, capacity: Floats, count: int
) -> Floats:
    out = np.ones(count)
    for i in range(len(rows)):
        fullness = queued[columns[i]] / max(capacity[columns[i]], 1.0)
        blocked = min(max(2.0 * fullness - 1.0, 0.0), 1.0)
        out[rows[i]] = max(out[rows[i]] - weights[i] * blocked, 0.0)
    return out


@lru_cache(maxsize=8)
def approaches(network: RoadNetwork) -> Approaches:
    """The approach lanes of ``network``; remembered, as a network never changes."""
    lane = network.stop_line_of
    feeds = _lane_feeds(network)
    share = _link_shares(network)
    junction = np.full(len(network.stop_lines.lanes), -1, dtype=np.int64)
    known = np.flatnonzero(lane >= 0)
    junction[lane[known]] = known // max(network.bank.shape[2], 1)
    protected = _green_links(network, PROTECTED)
    permissive = _green_links(network, PERMISSIVE)
    always = _always_green(network, protected, permissive, junction)
    matters = ~always[lane[permissive[1]]]
    permissive = permissive[0][matters], permissive[1][matters]
    lanes_of_phase = _merge(protected[0], lane[protected[1]], share[protected[1]])
    jn, phases, _ = network.bank.shape
    return Approaches(
        junctions=jn,
        phases=phases,
        feeds=feeds,
        leaves=_lane_leaves(network, share),
        junction=junction,
        lanes_of_phase=lanes_of_phase,
        permissive=Entries(permissive[0], lane[permissive[1]], share[permissive[1]]),
        opposing=_opposing(network, *permissive),
        always=always,
    )


def _merge(rows: Ints, columns: Ints, weights: Floats) -> Entries:
    """Entries in order of rows, those of one (row, column) added up."""
    width = int(columns.max(initial=0)) + 1
    keys, inverse = np.unique(rows * width + columns, return_inverse=True)
    total = np.asarray(np.bincount(inverse, weights, len(keys)), dtype=np.float64)
    return Entries(keys // width, keys % width, total)


def _lane_feeds(network: RoadNetwork) -> Entries:
    movement, detector, weight = network.feeds
    lane = network.stop_line_of[movement]
    known = lane >= 0
    return _merge(lane[known], detector[known], weight[known])


def _lane_leaves(network: RoadNetwork, share: Floats) -> Entries:
    movement, detector, weight = network.leaves
    lane = network.stop_line_of[movement]
    known = lane >= 0
    return _merge(lane[known], detector[known], (weight * share[movement])[known])


def _link_shares(network: RoadNetwork) -> Floats:
    """The share of its lane's vehicles that take each movement: equal, nothing being known."""
    lane = network.stop_line_of
    known = lane >= 0
    links = np.bincount(lane[known], minlength=len(network.stop_lines.lanes))
    share = np.zeros(len(lane))
    share[known] = 1.0 / links[lane[known]]
    return share


def _green_links(network: RoadNetwork, kind: int) -> tuple[Ints, Ints]:
    """Phase (j · P + p) and movement (j · L + link) of each green of ``kind`` of a vehicle lane."""
    _, phases, links = network.bank.shape
    j, p, link = np.nonzero(network.bank.green == kind)
    phase, movement = j * phases + p, j * links + link
    known = network.stop_line_of[movement] >= 0
    return phase[known], movement[known]


def _opposing(network: RoadNetwork, phase: Ints, movement: Ints) -> Entries:
    """For each permissive green link: the protected lanes of the same phase it yields to."""
    _, phases, links = network.bank.shape
    j, p, link = phase // max(phases, 1), phase % max(phases, 1), movement % max(links, 1)
    gives_way = network.bank.yields[j, link] & (network.bank.green[j, p] == PROTECTED)
    entry, foe = np.nonzero(gives_way)
    lane = network.stop_line_of[j[entry] * links + foe]
    known = lane >= 0
    merged = _merge(entry[known], lane[known], np.ones(int(known.sum())))
    return Entries(merged.rows, merged.columns, np.ones(len(merged)))


def _always_green(
    network: RoadNetwork, protected: tuple[Ints, Ints], permissive: tuple[Ints, Ints], lane: Ints
) -> Bools:
    """Lanes all of whose links are green, of either kind, in every phase: no phase favours them."""
    movement = np.concatenate([protected[1], permissive[1]])
    times = np.bincount(network.stop_line_of[movement], minlength=len(lane))
    known = network.stop_line_of >= 0
    links = np.bincount(network.stop_line_of[known], minlength=len(lane))
    return np.asarray((lane >= 0) & (times == links * network.bank.has_phase.sum(axis=1)[lane]))
