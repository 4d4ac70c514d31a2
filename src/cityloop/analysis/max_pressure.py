"""Max-pressure: give green to the phase whose movements have most to send and room to send it to.

Source: Varaiya, "Max pressure control of a network of signalized intersections", Transportation
Research C 36 (2013). Two forms stand here. ``link_pressures`` is the textbook's: whole counts on
the links before and behind the stop line. ``lane_pressures`` sees along the path and knows what
the textbook leaves out: links that share a lane, turns that yield, exits that are full.
"""

import numpy as np
import numpy.typing as npt

from cityloop.analysis.approaches import Approaches, Entries
from cityloop.kernel.frame import Bools

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

CRITICAL_GAP_S = 4.5
"""Gap in the opposing flow that a turning driver accepts (HCM 2010, exhibit 19-10: 4.1 to 4.5)."""
FOLLOW_UP_S = 2.5
"""Time between two drivers who use the same gap (HCM 2010, exhibit 19-11: 2.2 to 2.5)."""
DISCHARGE_S = 2.0
"""Time between two vehicles of a discharging queue: 1,800 vehicles an hour and lane."""
LOOKAHEAD_S = 30.0
"""Span over which a yielding turn is judged against the opposing demand."""


def link_pressures(green: Bools, incoming: Floats, outgoing: Floats) -> Floats:
    """Σ over the phase's green links of vehicles before minus vehicles behind. Shape (J, P).

    ``green``: (J, P, L). ``incoming``, ``outgoing``: (J, L), vehicles on the lanes a link joins.
    """
    return np.asarray(np.einsum("jpl,jl->jp", green, incoming - outgoing))


def lane_pressures(
    lanes: Approaches,
    queued: Floats,
    approaching: Floats,
    room: Floats,
    *,
    approaching_weight: float = 0.5,
) -> Floats:
    """Vehicles that each phase could serve, by lane and by exit. Shape (J, P).

    ``queued``, ``approaching``: (S,), vehicles of each approach lane. ``room``: (S,), 1 where the
    exits are free, 0 where they are full.
    """
    demand = (queued + approaching_weight * approaching) * room
    demand[lanes.always] = 0.0
    count = lanes.junctions * lanes.phases
    total = lanes.lanes_of_phase.onto_rows(demand, count)
    if len(lanes.permissive):
        weight = gap_weights(lanes.opposing, len(lanes.permissive), queued, approaching)
        turns = lanes.permissive
        total += np.bincount(turns.rows, turns.weights * weight * demand[turns.columns], count)
    return total.reshape(lanes.junctions, lanes.phases)


def gap_weights(opposing: Entries, count: int, queued: Floats, approaching: Floats) -> Floats:
    """Capacity of yielding links as a share of saturation, by the demand they yield to. (count,).

    While the opposing queue discharges nobody turns; afterwards drivers accept gaps.
    """
    blocked_s = np.zeros(count)
    np.maximum.at(blocked_s, opposing.rows, DISCHARGE_S * queued[opposing.columns])
    free = 1.0 - np.minimum(blocked_s / LOOKAHEAD_S, 1.0)
    flow = opposing.onto_rows(approaching, count) / LOOKAHEAD_S
    return np.asarray(free * gap_capacity(flow) * DISCHARGE_S)


def gap_capacity(flow: Floats) -> Floats:
    """Vehicles per second that turn through an opposing flow in vehicles per second.

    Harders' formula, q·exp(-q·critical gap) / (1 - exp(-q·follow-up time)) (HCM 2010, eq. 19-32);
    1 / follow-up time as q goes to 0.
    """
    q = np.maximum(flow, 1e-6)
    return np.asarray(q * np.exp(-q * CRITICAL_GAP_S) / -np.expm1(-q * FOLLOW_UP_S))
