"""Traffic signals by pressure: green goes where most wait and most room is behind them.

Serves all who drive through signalised junctions, as the first version of the signal loop, to
which a city may go back. May change the phase of a signal, within what its cabinet allows. If it
fails, or its detectors fall silent, the cabinets run their local plans.
Model: max-pressure (``analysis.max_pressure``) over what lane-area detectors count.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cityloop.analysis.max_pressure import link_pressures
from cityloop.kernel.clock import CityTime
from cityloop.kernel.frame import Bools, EntityIds
from cityloop.kernel.loop import Latest, Loop, Proposals, Score
from cityloop.kernel.partition import Partition
from cityloop.kernel.reasons import Reason, Wording
from cityloop.kernel.view import Memory, View
from cityloop.standards.network import RoadNetwork, part_of

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

GREEN = 0
OPERATOR = 2
SILENT_S = 5.0
"""A detector or cabinet not heard of for longer is silent."""

PRESSURE_RUNS = Wording(
    "pressure_runs", "Keep phase {phase}: {age_s:.0f} s of its minimum {least_s:.0f} s are over."
)
PRESSURE_HIGHEST = Wording(
    "pressure_highest",
    "Keep phase {phase}: its pressure of {pressure:.1f} vehicles is the highest.",
)
PRESSURE_HIGHER = Wording(
    "pressure_higher",
    "Change to phase {wanted}: its pressure is {pressure_wanted:.1f} vehicles,"
    " that of phase {phase} {pressure_now:.1f}.",
)


@dataclass(frozen=True, slots=True, eq=False)
class Pressures:
    """What the loop saw at each of J junctions; all arrays of shape (J,).

    ``phase``: with green now, or last; ``wanted``: of highest pressure, once ``free``: green for
    its minimum ``least_s``. Pressures in vehicles. ``controllable``: no detector silent or absurd,
    the cabinet heard of, and not in an operator's hands.
    """

    ids: EntityIds
    phase: Ints
    wanted: Ints
    pressure_now: Floats
    pressure_wanted: Floats
    age_s: Floats
    least_s: Floats
    free: Bools
    controllable: Bools


def start(_knows: Mapping[str, Any]) -> Memory:
    """Nothing to remember."""
    return {}


def analyse(view: View, memory: Memory, now: CityTime) -> tuple[Pressures, Memory]:
    """Which phase has the highest pressure at each junction."""
    network: RoadNetwork = view.knows["network"]
    bank, signals = network.bank, view["signals"]
    each = np.arange(len(bank.junctions))
    shown = (signals["phase"] >= 0) & (signals["phase"] < bank.has_phase.sum(axis=1))
    phase = np.where(shown, signals["phase"], 0).astype(np.int64)
    pressure = _pressures(network, view)
    least_s = bank.min_green_s[each, phase]
    age_s = np.nan_to_num(signals["stageAge"], posinf=0.0, neginf=0.0)
    free = (signals["stage"] == GREEN) & (age_s >= least_s)
    wanted = np.where(free, pressure.argmax(axis=1), phase)
    heard = shown & (signals.age_s(now) <= SILENT_S) & (signals["inCharge"] != OPERATOR)
    findings = Pressures(
        bank.ids,
        phase,
        wanted,
        pressure[each, phase],
        pressure[each, wanted],
        age_s,
        least_s,
        free,
        heard & ~_blind(network, view, now),
    )
    return findings, memory


def _counts(network: RoadNetwork, view: View) -> tuple[Floats, Bools]:
    """Vehicles on each detector (D,), and which of them cannot be believed."""
    count = view["lanes"]["vehicleCount"]
    sane = (count >= 0) & (count <= 2.0 * network.exit_room + 2.0)
    return np.where(sane, count, 0.0), ~sane


def _pressures(network: RoadNetwork, view: View) -> Floats:
    """Of each phase, (J, P); minus infinity for padding."""
    bank = network.bank
    junctions, _, links = bank.shape
    counts, _ = _counts(network, view)

    def of_movements(incidence: tuple[Ints, Ints, Floats]) -> Floats:
        movement, detector, weight = incidence
        total = np.bincount(movement, weight * counts[detector], junctions * links)
        return total.astype(np.float64).reshape(junctions, links)

    green = (bank.green > 0) & ~bank.pedestrian[:, None, :]
    pressure = link_pressures(green, of_movements(network.feeds), of_movements(network.leaves))
    return np.asarray(np.where(bank.has_phase, pressure, -np.inf), dtype=np.float64)


def _blind(network: RoadNetwork, view: View, now: CityTime) -> Bools:
    """(J,): a detector that feeds the junction is silent or tells what cannot be."""
    _, absurd = _counts(network, view)
    bad = absurd | (view["lanes"].age_s(now) > SILENT_S)
    movement, detector, _ = network.feeds
    blind = np.zeros(len(network.bank.junctions), dtype=np.bool_)
    blind[movement[bad[detector]] // network.bank.shape[2]] = True
    return blind


def respond(findings: Pressures) -> Proposals:
    """An order for every controllable junction: to keep a phase is an order too."""
    rows = np.flatnonzero(findings.controllable)
    return Proposals(
        actuators=findings.ids,
        rows=rows,
        actions=findings.wanted[rows],
        reason=lambda i: _reason(findings, int(rows[i])),
    )


def _reason(seen: Pressures, j: int) -> Reason:
    phase, wanted = int(seen.phase[j]), int(seen.wanted[j])
    if not seen.free[j]:
        return PRESSURE_RUNS(
            phase=phase, age_s=float(seen.age_s[j]), least_s=float(seen.least_s[j])
        )
    if phase == wanted:
        return PRESSURE_HIGHEST(phase=phase, pressure=float(seen.pressure_now[j]))
    return PRESSURE_HIGHER(
        phase=phase,
        wanted=wanted,
        pressure_now=float(seen.pressure_now[j]),
        pressure_wanted=float(seen.pressure_wanted[j]),
    )


def junctions_of(knows: Mapping[str, Any], rows: Ints) -> Mapping[str, Any]:
    """What a part of the loop knows: its junctions, and the lanes of neighbours it looks at."""
    return {**knows, "network": part_of(knows["network"], rows)}


loop = Loop(
    name="mobility/signal_timing",
    version="1",
    watches={
        "lanes": Latest("LaneDetector", ("vehicleCount",), "network.detector_ids"),
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
    wordings=(PRESSURE_RUNS, PRESSURE_HIGHEST, PRESSURE_HIGHER),
    partition=Partition("network.controller_ids", junctions_of, Pressures),
)
