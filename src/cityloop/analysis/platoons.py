"""Service of platoons: how many vehicles a phase gets across per second of the time it costs.

The greedy wave: the phase in charge is kept while it serves more vehicles a second than any other
could over its best green, the time lost in changing over included. It generalises the rule of
serving a queue to its end (exhaustive service is optimal for two queues with set-up times; Hofri
and Ross, SIAM J. Computing 16, 1987) to phases that share lanes, turns that yield and arrivals
that are seen coming.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from cityloop.analysis.approaches import Approaches
from cityloop.analysis.arrivals import GRID_S
from cityloop.kernel.frame import Bools
from cityloop.standards.signals import SignalBank

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

STEPS_S = np.diff(GRID_S, prepend=0.0)
HEADWAY_S = 1.9
"""Time between two vehicles of a discharging queue."""
CRITICAL_GAP_S = 4.5
"""Gap in the opposing flow that a turning driver accepts (HCM 2010, exhibit 19-10: 4.1 to 4.5)."""
FOLLOW_UP_S = 2.5
"""Time between two drivers who use the same gap (HCM 2010, exhibit 19-11: 2.2 to 2.5)."""
STARTUP_S = 2.0
"""What a queue loses between the start of green and its full flow."""


@lru_cache(maxsize=8)
def intergreens(bank: SignalBank) -> Floats:
    """Seconds from the end of phase a to the start of phase b. Shape (J, P, P) as [j, a, b]."""
    green = bank.green > 0
    ends = green[:, :, None, :] & ~green[:, None, :, :]
    yellow = np.where(ends, bank.yellow_s[:, None, None, :], 0.0).max(axis=3, initial=0.0)
    return np.where(ends.any(axis=3), yellow + bank.all_red_s[:, None, None], 0.0)


@lru_cache(maxsize=8)
def may_follow(bank: SignalBank) -> Bools:
    """Whether phase b may follow a, or b is a; in a fixed order only the next may. (J, P, P)."""
    out = bank.has_phase[:, :, None] & bank.has_phase[:, None, :]
    for j, junction in enumerate(bank.junctions):
        if junction.fixed_order:
            each = np.arange(len(junction.phases))
            out[j] = False
            out[j, each, each] = out[j, each, (each + 1) % len(each)] = True
    return out


def departures(arrived: Floats, capacity: Floats) -> Floats:
    """Vehicles served by each moment, first come first served. Shape (n, K).

    ``arrived``, ``capacity``: cumulative. A capacity that nobody uses is lost.
    """
    spare = np.minimum.accumulate(arrived - capacity, axis=1)
    return np.asarray(capacity + np.minimum(spare, 0.0))


def service_rates(
    lanes: Approaches, arrived: Floats, room: Floats, delay_s: Floats, earliest_s: Floats
) -> Floats:
    """Vehicles per second of each phase over its best green. Shape (J, P).

    ``room``: (S,), 1 where exits are free to 0 where they are full. ``delay_s``: (S,), until the
    lane could start: 0 when it has green now. ``earliest_s``: (J, P), the shortest span that a
    phase may be judged on: what is left of the change-over and its minimum green.
    """
    capacity = np.maximum(GRID_S - delay_s[:, None], 0.0) * (room / HEADWAY_S)[:, None]
    served = departures(arrived, capacity)
    served[lanes.always] = 0.0
    count = lanes.junctions * lanes.phases
    total = lanes.lanes_of_phase.curves_onto_rows(served, count)
    if len(lanes.permissive):
        total += _yielding(lanes, arrived, served, room, delay_s, count)
    rate = total / GRID_S
    rate[earliest_s.reshape(-1, 1) > GRID_S] = 0.0
    return np.asarray(rate.max(axis=1).reshape(lanes.junctions, lanes.phases))


def _yielding(
    lanes: Approaches, arrived: Floats, served: Floats, room: Floats, delay_s: Floats, count: int
) -> Floats:
    """What permissive links add: gaps in the opposing departures, moment by moment. (count, K)."""
    turns, number = lanes.permissive, len(lanes.permissive)
    steps = np.diff(served, axis=1, prepend=0.0)
    opposing = lanes.opposing.curves_onto_rows(steps, number) / STEPS_S
    open_s = np.clip(GRID_S - delay_s[turns.columns, None], 0.0, STEPS_S)
    flow = gap_capacity(opposing) * open_s * room[turns.columns, None]
    mine = arrived[turns.columns] * turns.weights[:, None]
    crossed = departures(mine, np.cumsum(flow, axis=1))
    return lanes.turn_curves.curves_onto_rows(crossed, count)


def gap_capacity(flow: Floats) -> Floats:
    """Vehicles per second that turn through an opposing flow in vehicles per second.

    Harders' formula, q·exp(-q·critical gap) / (1 - exp(-q·follow-up time)) (HCM 2010, eq. 19-32);
    1 / follow-up time as q goes to 0.
    """
    q = np.maximum(flow, 1e-6)
    return np.asarray(q * np.exp(-q * CRITICAL_GAP_S) / -np.expm1(-q * FOLLOW_UP_S))


def green_now(lanes: Approaches, phase: Ints) -> Bools:
    """Whether each lane has green, protected or not, in its junction's ``phase`` (J,). (S,)."""
    current = np.zeros(lanes.junctions * lanes.phases, dtype=np.bool_)
    current[np.arange(lanes.junctions) * lanes.phases + phase] = True
    out = np.zeros(len(lanes), dtype=np.bool_)
    for entries in (lanes.lanes_of_phase, lanes.permissive):
        out[entries.columns[current[entries.rows]]] = True
    return out
