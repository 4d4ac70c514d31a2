"""Which states every signal head was seen in, from the phases and stages that cabinets reported."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cityloop.analysis.tally import Bools, Ints

GREEN, YELLOW, RED = "green", "yellow", "red"


@dataclass(frozen=True, eq=False)
class Heads:
    """How often each junction changed from a phase to a phase: (J, P, P); the diagonal counts
    phases seen at all. ``green``: (J, P, L). ``crossing``: (J, L), which shows no yellow."""

    changes: Ints
    green: Bools
    crossing: Bools
    has_link: Bools


def count_changes(phase: Ints, stage: Ints, into: Ints, before: Ints) -> Ints:
    """Add the changes of T seconds to ``into`` (J, P, P); what was green last, (J,), -1 nothing.

    ``phase``, ``stage``: (T, J). ``before``: what was green last when the stretch began.
    """
    for row in range(phase.shape[1]):
        lit = phase[stage[:, row] == 0, row]
        lit = lit[(lit >= 0) & (lit < into.shape[1])]
        if before[row] >= 0:
            lit = np.concatenate(([before[row]], lit))
        if len(lit):
            np.add.at(into[row], (lit[:-1], lit[1:]), 1)
            into[row, lit[-1], lit[-1]] += 1
            before = np.where(np.arange(len(before)) == row, lit[-1], before)
    return before


def missing_states(heads: Heads) -> Sequence[tuple[int, int, tuple[str, ...]]]:
    """(junction, link, states that it was never seen in); nothing of heads seen in all."""
    seen = np.einsum("jpp->jp", heads.changes) > 0
    green = (heads.green & seen[:, :, None]).any(axis=1)
    red = (~heads.green & seen[:, :, None]).any(axis=1)
    ends = heads.green[:, :, None, :] & ~heads.green[:, None, :, :]
    yellow = (ends & (heads.changes > 0)[:, :, :, None]).any(axis=(1, 2)) | heads.crossing
    states = ((GREEN, green), (YELLOW, yellow), (RED, red))
    found = []
    for j, k in np.argwhere(heads.has_link & ~(green & red & yellow)).tolist():
        found.append((j, k, tuple(name for name, shown in states if not shown[j, k])))
    return found
