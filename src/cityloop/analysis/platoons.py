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
from cityloop.analysis.arrivals import GRID_S, MOMENTS
from cityloop.kernel.compiled import (
    BOOLS,
    FLOAT_TABLE,
    FLOATS,
    INTS,
    NOTHING,
    NUMBER,
    TABLE,
    VECTOR,
    compiled,
)
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


@compiled(TABLE, FLOAT_TABLE, FLOAT_TABLE)
def departures(arrived: Floats, capacity: Floats) -> Floats:
    """Vehicles served by each moment, first come first served. Shape (n, K).

    ``arrived``, ``capacity``: cumulative. A capacity that nobody uses is lost.
    """
    out = np.empty(arrived.shape)
    for i in range(len(arrived)):
        spare = 0.0
        for k in range(arrived.shape[1]):
            spare = min(spare, arrived[i, k] - capacity[i, k])
            out[i, k] = capacity[i, k] + spare
    return out


@compiled(NUMBER, NUMBER)
def gap_capacity(flow: float) -> float:
    """Vehicles per second that turn through an opposing flow in vehicles per second.

    Harders' formula, q·exp(-q·critical gap) / (1 - exp(-q·follow-up time)) (HCM 2010, eq. 19-32);
    1 / follow-up time as q goes to 0.
    """
    q = max(flow, 1e-6)
    return float(q * np.exp(-q * CRITICAL_GAP_S) / -np.expm1(-q * FOLLOW_UP_S))


def service_rates(
    lanes: Approaches, arrived: Floats, room: Floats, delay_s: Floats, earliest_s: Floats
) -> Floats:
    """Vehicles per second of each phase over its best green. Shape (J, P).

    ``room``: (S,), 1 where exits are free to 0 where they are full. ``delay_s``: (S,), until the
    lane could start: 0 when it has green now. ``earliest_s``: (J, P), the shortest span that a
    phase may be judged on: what is left of the change-over and its minimum green.
    """
    served = _served(arrived, room, delay_s, lanes.always)
    total = np.zeros((earliest_s.size, MOMENTS))
    green, turns, foes = lanes.lanes_of_phase, lanes.permissive, lanes.opposing
    _protected(total, green.rows, green.columns, green.weights, served)
    _yielding(
        total,
        *(turns.rows, turns.columns, turns.weights, foes.rows, foes.columns),
        *(arrived, served, room, delay_s),
    )
    rates = _best(total, np.ascontiguousarray(earliest_s).reshape(-1))
    return rates.reshape(lanes.junctions, lanes.phases)


@compiled(TABLE, FLOAT_TABLE, FLOATS, FLOATS, BOOLS)
def _served(arrived: Floats, room: Floats, delay_s: Floats, always: Bools) -> Floats:
    """What each lane would get across if it had green from its delay on. (S, K)."""
    capacity = np.empty(arrived.shape)
    for lane in range(len(arrived)):
        for k in range(MOMENTS):
            capacity[lane, k] = max(GRID_S[k] - delay_s[lane], 0.0) * (room[lane] / HEADWAY_S)
    served = departures(arrived, capacity)
    for lane in range(len(arrived)):
        if always[lane]:
            served[lane] = 0.0
    return served


@compiled(NOTHING, TABLE, INTS, INTS, FLOATS, FLOAT_TABLE)
def _protected(total: Floats, rows: Ints, columns: Ints, weights: Floats, served: Floats) -> None:
    for i in range(len(rows)):
        for k in range(MOMENTS):
            total[rows[i], k] += weights[i] * served[columns[i], k]


@compiled(
    *(NOTHING, TABLE, INTS, INTS, FLOATS, INTS, INTS),
    *(FLOAT_TABLE, FLOAT_TABLE, FLOATS, FLOATS),
)
def _yielding(
    total: Floats,
    rows: Ints,
    columns: Ints,
    weights: Floats,
    foe_of: Ints,
    foe: Ints,
    arrived: Floats,
    served: Floats,
    room: Floats,
    delay_s: Floats,
) -> None:
    """Add what permissive links get through gaps in the opposing departures, moment by moment."""
    opposing = np.zeros((len(rows), MOMENTS))
    for i in range(len(foe)):
        before = 0.0
        for k in range(MOMENTS):
            opposing[foe_of[i], k] += (served[foe[i], k] - before) / STEPS_S[k]
            before = served[foe[i], k]
    for i in range(len(rows)):
        lane, flow, spare = columns[i], 0.0, 0.0
        for k in range(MOMENTS):
            open_s = min(max(GRID_S[k] - delay_s[lane], 0.0), STEPS_S[k])
            flow += gap_capacity(opposing[i, k]) * open_s * room[lane]
            spare = min(spare, arrived[lane, k] * weights[i] - flow)
            total[rows[i], k] += flow + spare


@compiled(VECTOR, FLOAT_TABLE, FLOATS)
def _best(total: Floats, earliest_s: Floats) -> Floats:
    """Vehicles per second over the best of the spans that are long enough."""
    out = np.zeros(len(total))
    for phase in range(len(total)):
        for k in range(MOMENTS):
            if earliest_s[phase] <= GRID_S[k]:
                out[phase] = max(out[phase], total[phase, k] / GRID_S[k])
    return out


def green_now(lanes: Approaches, phase: Ints) -> Bools:
    """Whether each lane has green, protected or not, in its junction's ``phase`` (J,). (S,)."""
    current = np.zeros(lanes.junctions * lanes.phases, dtype=np.bool_)
    current[np.arange(lanes.junctions) * lanes.phases + phase] = True
    out = np.zeros(len(lanes), dtype=np.bool_)
    for entries in (lanes.lanes_of_phase, lanes.permissive):
        out[entries.columns[current[entries.rows]]] = True
    return out
