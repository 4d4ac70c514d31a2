"""Traffic signals that follow their traffic: each second, every junction keeps or changes phase.

Serves all who drive through signalised junctions. May change the phase of a signal, within what
its cabinet allows. If it fails, or its detectors fall silent, the cabinets run their local plans.
Model: max-pressure in vehicles served per second, seen along the path, change-over included
(``analysis.platoons``); turns that yield wait for gaps; a full exit serves nobody.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from cityloop.analysis import platoons
from cityloop.analysis.approaches import Approaches, Entries, approaches
from cityloop.analysis.arrivals import AGES, Reach, arrivals, entries, reach
from cityloop.domains.mobility import max_pressure
from cityloop.kernel.clock import CityTime
from cityloop.kernel.frame import Bools, EntityIds
from cityloop.kernel.loop import Latest, Loop, Proposals, Score
from cityloop.kernel.partition import Partition
from cityloop.kernel.reasons import Reason, Wording
from cityloop.kernel.view import NEVER, Memory, View
from cityloop.standards.network import RoadNetwork

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

GREEN = 0
OPERATOR = 2
SILENT_S = 5.0
"""A detector or cabinet not heard of for longer is silent."""
COMMITTED_S = 3.0
"""An order to change is repeated this long: the cabinet needs a tick or two to show it."""
LATENCY_S = 1.0
"""An order takes effect one second after what it was computed from."""
MOST_PASSED = 20.0
"""Vehicles over a stop line that one reading can tell of, some told seconds late included."""
BETWEEN_READINGS = 1.0
"""Vehicles by which queue and count may disagree: one may leave between the two readings."""
FORGOTTEN_S = 900.0
"""Time constant of the turning shares."""


MINIMUM_RUNS = Wording("minimum_green_runs", "Keep phase {phase}: its minimum green is not over.")
SERVES_MOST = Wording(
    "serves_most",
    "Keep phase {phase}: it serves {rate_now:.2f} vehicles a second,"
    " and no other would serve more.",
)
SERVES_MORE = Wording(
    "serves_more",
    "Change to phase {wanted}, where {queued} stand: it would serve {rate_wanted:.2f} vehicles a"
    " second, {lost_s:.0f} s of change-over included; phase {phase} serves {rate_now:.2f}.",
)


@dataclass(frozen=True, slots=True, eq=False)
class Timing:
    """What the loop saw at each of J junctions.

    ``phase``: with green now, or last; ``wanted``: what is best. ``rate_now``, ``rate_wanted``:
    vehicles per second that they serve. ``queued``: vehicles standing before the wanted phase.
    ``lost_s``: change-over between the two. ``free``: green for its minimum, so that it may change.
    ``blind``: detectors silent or absurd.
    ``controllable``: not blind, the cabinet heard of, and not in an operator's hands.
    """

    ids: EntityIds
    phase: Ints
    wanted: Ints
    rate_now: Floats
    rate_wanted: Floats
    queued: Floats
    lost_s: Floats
    free: Bools
    blind: Bools
    controllable: Bools


def start(knows: Mapping[str, Any]) -> Memory:
    """Nothing ordered yet, nothing counted yet."""
    network: RoadNetwork = knows["network"]
    junctions, lanes = len(network.bank.junctions), len(network.stop_lines.lanes)
    feeding = reach(network, approaches(network)).detectors
    return {
        "wanted": np.full(junctions, -1, dtype=np.int64),
        "wanted_at": np.zeros(junctions, dtype=np.int64),
        "counted": np.zeros(lanes),
        "counted_at": np.full(lanes, NEVER, dtype=np.int64),
        "counted_s": np.zeros(1),
        "present": np.zeros(len(network.detectors.lanes)),
        "entered": np.zeros((len(feeding), AGES)),
    }


def analyse(view: View, memory: Memory, now: CityTime) -> tuple[Timing, Memory]:
    """Which phase serves most at each junction, and whether its detectors can be believed."""
    network: RoadNetwork = view.knows["network"]
    lanes = approaches(network)
    signals = view["signals"]
    shown = (signals["phase"] >= 0) & (signals["phase"] < network.bank.has_phase.sum(axis=1))
    phase = np.where(shown, signals["phase"], 0).astype(np.int64)
    memory = _count(view, memory, reach(network, lanes))
    green = signals["stage"] == GREEN
    rates, queued, lost_s = _rates(view, memory, network, lanes, phase)
    each = np.arange(lanes.junctions)
    free = green & (signals["stageAge"] + LATENCY_S >= network.bank.min_green_s[each, phase])
    best = rates.argmax(axis=1)
    better = rates[each, best] > rates[each, phase]
    wanted = np.where(free & better, best, phase)
    wanted, wanted_at = _commit(wanted, phase, green, memory, now)
    blind = _blind(view, network, lanes, now)
    heard = shown & (signals.age_s(now) <= SILENT_S)
    findings = Timing(
        ids=network.bank.ids,
        phase=phase,
        wanted=wanted,
        rate_now=rates[each, phase],
        rate_wanted=rates[each, wanted],
        queued=queued[each, wanted],
        lost_s=lost_s[each, wanted],
        free=free,
        blind=blind,
        controllable=heard & ~blind & (signals["inCharge"] != OPERATOR),
    )
    return findings, {**memory, "wanted": wanted, "wanted_at": wanted_at}


def _floats(memory: Memory, name: str) -> Floats:
    return np.asarray(memory[name], dtype=np.float64)


def _ints(memory: Memory, name: str) -> Ints:
    return np.asarray(memory[name], dtype=np.int64)


def _vehicles(counts: Floats, most: Floats) -> Floats:
    """Counts that can be; what is absurd makes its junction blind, but must not spoil memory."""
    # fmax takes the number where the other is none.
    return np.fmin(np.fmax(counts, 0.0), most)


@lru_cache(maxsize=8)
def _most_present(network: RoadNetwork) -> Floats:
    """The most vehicles that a detector can truly tell of: two for each place, for small ones."""
    return 2.0 * network.exit_room + 2.0


def _count(view: View, memory: Memory, seen: Reach) -> dict[str, Any]:
    """Fold the counts of the last second into flows and moments of entry."""
    network: RoadNetwork = view.knows["network"]
    stops = view["stop_lines"]
    told = _vehicles(stops["vehicleCount"], np.array(MOST_PASSED))
    # A count that is repeated, because nothing newer came, has been counted. Live detectors speak
    # between two ticks, so it is not the time of the tick that tells.
    passed = np.where(stops.observed_at > _ints(memory, "counted_at"), told, 0.0)
    present = _vehicles(view["lanes"]["vehicleCount"], _most_present(network))
    entered = _floats(memory, "entered")
    keep = np.exp(-1.0 / FORGOTTEN_S)
    return {
        **memory,
        "counted": _floats(memory, "counted") * keep + passed,
        "counted_at": stops.observed_at,
        "counted_s": _floats(memory, "counted_s") * keep + 1.0,
        "present": present,
        "entered": entries(seen, _floats(memory, "present"), present, passed, entered),
    }


def _rates(
    view: View, memory: Memory, network: RoadNetwork, lanes: Approaches, phase: Ints
) -> tuple[Floats, Floats, Floats]:
    """Of each phase (J, P): vehicles served per second, vehicles standing, change-over seconds."""
    table = view["lanes"]
    most = _most_present(network)
    standing = _vehicles(table["queueLength"], most)
    moving = np.maximum(_vehicles(table["vehicleCount"], most) - standing, 0.0)
    flow = (_floats(memory, "counted") + 1.0) / (_floats(memory, "counted_s") + 60.0)
    weights = lanes.learned_weights(flow)
    arrived = arrivals(reach(network, lanes), weights, standing, moving, _floats(memory, "entered"))
    queued = Entries(lanes.feeds.rows, lanes.feeds.columns, weights).onto_rows(standing, len(lanes))
    each = np.arange(lanes.junctions)
    lost_s = platoons.intergreens(network.bank)[each, phase]
    is_green = platoons.green_now(lanes, phase)
    room = lanes.exits_free(standing, network.exit_room)
    delay_s = np.where(is_green, 0.0, lost_s.max(axis=1)[lanes.junction] + platoons.STARTUP_S)
    earliest_s = lost_s + np.where(lost_s > 0, network.bank.min_green_s, 0.0)
    rates = platoons.service_rates(lanes, arrived, room, delay_s, earliest_s)
    phase_queue = lanes.lanes_of_phase.onto_rows(queued, rates.size).reshape(rates.shape)
    open_ = platoons.may_follow(network.bank)[each, phase]
    return np.where(open_, rates, -1.0), phase_queue, lost_s


def _commit(
    wanted: Ints, phase: Ints, green: Bools, memory: Memory, now: CityTime
) -> tuple[Ints, Ints]:
    """Repeat an order to change until the cabinet shows it."""
    before, since = _ints(memory, "wanted"), _ints(memory, "wanted_at")
    fresh = (now - since) < COMMITTED_S * 1000
    wanted = np.where(green & fresh & (before >= 0) & (before != phase), before, wanted)
    return wanted, np.where(wanted == before, since, now)


def _blind(view: View, network: RoadNetwork, lanes: Approaches, now: CityTime) -> Bools:
    """Junctions with a detector that is silent or tells what cannot be. Shape (J,)."""
    table, stops = view["lanes"], view["stop_lines"]
    count, queue = table["vehicleCount"], table["queueLength"]
    sane = (count >= 0) & (count <= _most_present(network))
    sane &= (queue >= 0) & (queue <= count + BETWEEN_READINGS)
    bad = ~sane | (table.age_s(now) > SILENT_S)
    passed = stops["vehicleCount"]
    bad_line = ~((passed >= 0) & (passed <= MOST_PASSED)) | (stops.age_s(now) > SILENT_S)
    blind = np.zeros(lanes.junctions, dtype=np.bool_)
    detector, junction = lanes.watched_by
    blind[junction[bad[detector]]] = True
    blind[lanes.junction[bad_line & (lanes.junction >= 0)]] = True
    return blind


def respond(findings: Timing) -> Proposals:
    """An order for every controllable junction: to keep a phase is an order too."""
    rows = np.flatnonzero(findings.controllable)
    return Proposals(
        actuators=findings.ids,
        rows=rows,
        actions=findings.wanted[rows],
        reason=lambda i: _reason(findings, int(rows[i])),
    )


def _reason(seen: Timing, j: int) -> Reason:
    phase, wanted, rate_now = int(seen.phase[j]), int(seen.wanted[j]), float(seen.rate_now[j])
    if phase == wanted and not seen.free[j]:
        return MINIMUM_RUNS(phase=phase)
    if phase == wanted:
        return SERVES_MOST(phase=phase, rate_now=rate_now)
    return SERVES_MORE(
        phase=phase,
        wanted=wanted,
        queued=round(float(seen.queued[j])),
        rate_now=rate_now,
        rate_wanted=float(seen.rate_wanted[j]),
        lost_s=float(seen.lost_s[j]),
    )


loop = Loop(
    name="mobility/signal_timing",
    version="2",
    watches={
        "lanes": Latest("LaneDetector", ("vehicleCount", "queueLength"), "network.detector_ids"),
        "stop_lines": Latest("StopLineDetector", ("vehicleCount",), "network.stop_line_ids"),
        "signals": Latest(
            "SignalController",
            ("phase", "stage", "stageAge", "inCharge"),
            "network.controller_ids",
        ),
    },
    knows=("network",),
    every_s=1.0,
    start=start,
    analyse=analyse,
    respond=respond,
    score=Score("mean travel time of all vehicles", "s", lower_is_better=True),
    wordings=(MINIMUM_RUNS, SERVES_MOST, SERVES_MORE),
    partition=Partition("network.controller_ids", max_pressure.junctions_of, Timing),
    earlier=(max_pressure.loop,),
)
