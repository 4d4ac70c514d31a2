"""The commissioning check: every detector against its neighbours, every signal head in each state,
over a stretch of the record."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cityloop.analysis.commissioning import Fault, faults
from cityloop.analysis.signal_heads import Heads, count_changes, missing_states
from cityloop.analysis.tally import Ints, Layout, Tally, tally
from cityloop.city.commission_report import Commissioning, FaultRow, HeadRow
from cityloop.interconnection.past import Past
from cityloop.kernel.clock import CityTime, iso
from cityloop.kernel.errors import ConfigError
from cityloop.kernel.frame import EntityIds, Frame
from cityloop.standards.network import RoadNetwork

_LINES, _LANES, _SIGNALS = "StopLineDetector", "LaneDetector", "SignalController"
TYPES = frozenset({_LINES, _LANES, _SIGNALS})
_STRETCHES, _SHORTEST_S, _LONGEST_S = 24, 60, 900


@dataclass(frozen=True, slots=True)
class Span:
    """What part of the record is looked at; None: from its begin, to its end, the newest run."""

    run: str | None = None
    since: CityTime | None = None
    until: CityTime | None = None


def commission(past: Past, network: RoadNetwork, city: str, asked: Span) -> Commissioning:
    """Check the detectors and heads of ``network`` on what ``past`` holds of ``asked``.

    Raises ConfigError where the record holds too little.
    """
    run, since, until = _span(past, asked)
    layout = layout_of(network)
    tallies: list[Tally] = []
    starts: list[CityTime] = []
    count, phases, _ = network.bank.shape
    changes = np.zeros((count, phases, phases), dtype=np.int64)
    lit = np.full(count, -1, dtype=np.int64)
    for start, stretch in _stretches(past, network, run, since, until):
        tallies.append(tally(stretch.passed, stretch.present, stretch.phase, stretch.stage, layout))
        starts.append(start)
        lit = count_changes(stretch.phase, stretch.stage, changes, lit)
    ends = [*starts[1:], until]
    bank = network.bank
    heads = Heads(changes, bank.green > 0, bank.pedestrian, _steering(network))
    return Commissioning(
        city=city,
        run=run,
        since=iso(since),
        until=iso(until),
        seconds=sum(it.seconds for it in tallies),
        stop_lines=len(network.stop_line_ids),
        lanes=len(network.detector_ids),
        heads=int(heads.has_link.sum()),
        faults=[_row(fault, network, starts, ends) for fault in faults(tallies, layout)],
        unseen_heads=[_head(network, j, k, missing) for j, k, missing in missing_states(heads)],
    )


def _span(past: Past, asked: Span) -> tuple[str, CityTime, CityTime]:
    runs = past.runs(_SIGNALS)
    if not runs:
        raise ConfigError("nothing is on record yet; let the city run for an hour, better a day")
    run = asked.run or list(runs)[-1]
    if run not in runs:
        raise ConfigError(f"run {run} is not on record; there are: {', '.join(runs)}")
    first, last = runs[run]
    since, until = max(asked.since or first, first), min(asked.until or last, last)
    if until - since < 2 * _SHORTEST_S * 1000:
        raise ConfigError(
            f"run {run} holds {max(until - since, 0) / 1000:.0f} s of that time; at least "
            f"{2 * _SHORTEST_S} s are needed, and a day is better"
        )
    return run, CityTime(since), CityTime(until)


def layout_of(network: RoadNetwork) -> Layout:
    """How the network's detectors stand to one another."""
    bank = network.bank
    _, phases, width = bank.shape
    rows = {lane: row for row, lane in enumerate(network.detectors.lanes)}
    lines = len(network.stop_lines.lanes)
    junction = np.zeros(lines, dtype=np.int64)
    green_in = np.zeros((lines, phases), dtype=np.bool_)
    for movement in np.flatnonzero(network.stop_line_of >= 0).tolist():
        line, (j, k) = int(network.stop_line_of[movement]), divmod(movement, width)
        junction[line] = j
        green_in[line] |= bank.green[j, :, k] > 0
    return Layout(
        tail=np.array([rows.get(lane, -1) for lane in network.stop_lines.lanes], dtype=np.int64),
        junction=junction,
        green_in=green_in,
        into=_all_come(network),
        pieces=len(network.detectors.lanes),
    )


def _all_come(network: RoadNetwork) -> tuple[Ints, Ints]:
    """(piece, line) where whoever passes the line comes onto the piece, whatever way they take."""
    line_of = network.stop_line_of
    ways = np.bincount(line_of[line_of >= 0], minlength=len(network.stop_lines.lanes))
    movement, piece, share = network.leaves
    came: dict[tuple[int, int], float] = defaultdict(float)
    for m, d, part in zip(movement.tolist(), piece.tolist(), share.tolist(), strict=True):
        if line_of[m] >= 0:
            came[d, int(line_of[m])] += part
    sure = [(d, s) for (d, s), part in came.items() if part > ways[s] - 0.01]
    pairs = np.array(sure, dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


@dataclass(frozen=True, slots=True, eq=False)
class _Stretch:
    """(T, S), (T, D), (T, J), (T, J)."""

    passed: Ints
    present: Ints
    phase: Ints
    stage: Ints


def _stretches(
    past: Past, network: RoadNetwork, run: str, since: CityTime, until: CityTime
) -> Iterator[tuple[CityTime, _Stretch]]:
    length = min(max((until - since) // 1000 // _STRETCHES, _SHORTEST_S), _LONGEST_S)
    for begin in range(since, until - length * 500, length * 1000):
        start, end = CityTime(begin), CityTime(min(begin + length * 1000, until))
        seconds = -(-(end - start) // 1000)

        def column(type_: str, name: str, ids: EntityIds, *, hold: bool) -> Ints:
            parts = past.frames(type_, run, start, end)  # noqa: B023 (used before the next turn)
            return _filled(parts, name, ids, start, seconds, hold=hold)  # noqa: B023

        yield (
            start,
            _Stretch(
                column(_LINES, "vehicleCount", network.stop_line_ids, hold=False),
                column(_LANES, "vehicleCount", network.detector_ids, hold=True),
                column(_SIGNALS, "phase", network.controller_ids, hold=True),
                column(_SIGNALS, "stage", network.controller_ids, hold=True),
            ),
        )


def _filled(
    parts: Sequence[Frame], name: str, ids: EntityIds, start: CityTime, seconds: int, *, hold: bool
) -> Ints:
    """(T, n): the values second by second; where one is missing the last goes on, or nothing."""
    out = np.zeros((seconds, len(ids)), dtype=np.int64)
    done = 0
    last = np.zeros(len(ids), dtype=np.int64)
    for part in parts:
        at = (part.observed_at - start) // 1000
        if not done <= at < seconds:
            continue
        if hold:
            out[done:at] = last
        rows, values, there = _values(part, name, ids)
        last = last.copy() if hold else np.zeros(len(ids), dtype=np.int64)
        last[rows[there]] = values[there]
        out[at] = last
        done = at + 1
    if hold:
        out[done:] = last
    return out


def _values(part: Frame, name: str, ids: EntityIds) -> tuple[Ints, Ints, Ints]:
    """Rows among ``ids``, values, and which of them there are."""
    same = part.ids.digest == ids.digest
    rows = (
        np.arange(len(ids))
        if same
        else np.array([ids.index.get(entity, -1) for entity in part.ids.names], dtype=np.int64)
    )
    column = part.columns.get(name)
    if column is None:
        return rows, rows, np.zeros(0, dtype=np.int64)
    there = rows >= 0
    for mask in (column.null, column.absent):
        if mask is not None:
            there &= ~mask
    return rows, column.values.astype(np.int64), np.flatnonzero(there)


def _steering(network: RoadNetwork) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    out = network.bank.has_link.copy()
    for j, junction in enumerate(network.bank.junctions):
        for k, link in enumerate(junction.links):
            out[j, k] &= bool(link.from_lane)
    return out


_SENTENCES = {
    "dead": "counts nothing, while its neighbours saw {expected:.0f} vehicles",
    "stuck": "stands still at {seen:.0f}, while its neighbours saw {expected:.0f} vehicles",
    "swapped": "count for each other: exchange their wires or ids",
    "drifting": "misses more and more: {missed:.0%} fewer at the end than at the begin",
    "unproven": "was passed by nobody that anything saw; drive over it",
}


def _row(
    fault: Fault, network: RoadNetwork, starts: Sequence[CityTime], ends: Sequence[CityTime]
) -> FaultRow:
    ids = network.stop_line_ids if fault.role == "stop line" else network.detector_ids
    sentence = _SENTENCES[fault.kind].format(
        seen=fault.seen, expected=fault.expected, missed=-fault.seen
    )
    if fault.or_pieces:
        pieces = " and ".join(network.detectors.lanes[row] for row in fault.or_pieces)
        sentence += f" (or the lane detectors {pieces} do: one green serves both)"
    names = [str(ids.names[row]) for row in fault.rows]
    shown = " and ".join(name.rpartition(":")[2] for name in names)
    plural = "detectors" if len(names) > 1 else "detector"
    return FaultRow(
        kind=fault.kind,
        devices=names,
        since=iso(starts[fault.since]),
        until=iso(ends[fault.until]),
        seen=fault.seen,
        expected=fault.expected,
        text=f"{fault.role} {plural} {shown} {sentence}",
    )


def _head(network: RoadNetwork, j: int, k: int, missing: Sequence[str]) -> HeadRow:
    junction = network.bank.junctions[j]
    link = junction.links[k]
    return HeadRow(
        junction=junction.id,
        link=k,
        from_lane=link.from_lane,
        to_lane=link.to_lane,
        missing=list(missing),
    )
