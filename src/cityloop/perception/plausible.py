"""Finds sensors that lie within their range: values that jump, and values that stand still.

A value is judged against the last one of its device that was believed, so that one spike costs one
value and not the sound one after it. The further back that one lies, the further a value may have
come since: a level that has truly changed is believed again after a while.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cityloop.kernel.compiled import FLOATS, INTS, NUMBER, VECTOR, VECTOR_OF_INTS, compiled
from cityloop.kernel.frame import EntityIds
from cityloop.kernel.rows import Rows
from cityloop.standards.plausibility import Plausible

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SOUND, JUMPS, FROZEN = 0, 1, 2
IMPLAUSIBLE = {
    JUMPS: ("jumps", "further from the last believed value than its quantity can change"),
    FROZEN: ("frozen", "the very same value for longer than its quantity stands still"),
}
"""Verdict → reason and detail of the reject."""
_NEVER = -(2**62)
_SHORTEST_S = 1.0


@dataclass(slots=True)
class _Believed:
    """The last believed value of each device, when it was said, and since when it is the same."""

    value: Floats
    at: Ints
    since: Ints


class Believer:
    """Judges one attribute of the devices of one source. It begins anew with the process."""

    def __init__(self, limits: Plausible) -> None:
        self._limits = limits
        self._slots: dict[str, int] = {}
        self._of_list: dict[bytes, Ints] = {}
        self._last = _Believed(np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))

    def judge(self, part: Rows, rows: Ints, values: Floats) -> Ints:
        """SOUND, JUMPS or FROZEN for ``values``, which stand in ``rows`` of ``part``.

        What is older than the last believed value is not judged.
        """
        slots = self._slots_of(part.ids)[part.entity[rows]]
        times = part.observed_at[rows]
        order = np.lexsort((times, slots))
        limits, last = self._limits, self._last
        frozen_ms = min(limits.frozen_s * 1000.0, 2.0**62)
        found = _judge(
            *(slots[order], times[order], values[order], limits.most_per_s, frozen_ms),
            *(last.value, last.at, last.since),
        )
        verdicts = np.empty(len(rows), np.int64)
        verdicts[order] = found
        return verdicts

    def _slots_of(self, ids: EntityIds) -> Ints:
        """Where each device of a list is remembered; new ones get a place."""
        slots = self._of_list.get(ids.digest)
        if slots is None:
            found = [self._slots.setdefault(name, len(self._slots)) for name in ids]
            slots = self._of_list[ids.digest] = np.array(found, np.int64)
            more = len(self._slots) - len(self._last.at)
            never = np.full(more, _NEVER)
            self._last = _Believed(
                np.concatenate([self._last.value, np.zeros(more)]),
                np.concatenate([self._last.at, never]),
                np.concatenate([self._last.since, never]),
            )
        return slots


@compiled(
    *(VECTOR_OF_INTS, INTS, INTS, FLOATS, NUMBER, NUMBER),
    *(VECTOR, VECTOR_OF_INTS, VECTOR_OF_INTS),
)
def _judge(
    slots: Ints,
    times: Ints,
    values: Floats,
    most_per_s: float,
    frozen_ms: float,
    value: Floats,
    at: Ints,
    since: Ints,
) -> Ints:
    """Verdicts in order of device and time; what is believed is remembered in the last three."""
    out = np.zeros(len(values), np.int64)
    for i in range(len(values)):
        s = slots[i]
        if at[s] == _NEVER:
            value[s], at[s], since[s] = values[i], times[i], times[i]
        elif times[i] <= at[s]:
            continue
        elif abs(values[i] - value[s]) > most_per_s * max((times[i] - at[s]) / 1000, _SHORTEST_S):
            out[i] = JUMPS
        elif values[i] != value[s]:
            value[s], at[s], since[s] = values[i], times[i], times[i]
        else:
            at[s] = times[i]
            if times[i] - since[s] > frozen_ms:
                out[i] = FROZEN
    return out
