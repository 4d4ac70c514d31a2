"""In which order the red links of a junction are served, and how late that may begin; compiled.

The inner loops of ``envelope.due``; shapes as there, J, P and L as in ``timing``.
"""

import numpy as np

from cityloop.kernel.compiled import (
    BOOL_BLOCK,
    BOOLS,
    COUNT,
    INT_BLOCK,
    INT_TABLE,
    INTS,
    TABLE_OF_INTS,
    compiled,
)
from cityloop.kernel.frame import Bools
from cityloop.safety.timing import FAR, Ints

_SOME = FAR // 2


@compiled(TABLE_OF_INTS, INTS, INTS, INT_TABLE, BOOL_BLOCK, BOOL_BLOCK, INT_TABLE, COUNT)
def due_times(
    rows: Ints,
    phase: Ints,
    red_since: Ints,
    home: Bools,
    lit: Bools,
    min_green: Ints,
    max_red: int,
) -> Ints:
    """(k, P): when each phase must have kept its minimum green; FAR and later where no link waits
    for it."""
    phases, links = home.shape[1], home.shape[2]
    out = np.empty((len(rows), phases), dtype=np.int64)
    for i in range(len(rows)):
        j = rows[i]
        for p in range(phases):
            deadline = FAR
            for k in range(links):
                if home[j, p, k] and not lit[j, phase[i], k]:
                    deadline = min(deadline, red_since[i, k] + max_red)
            out[i, p] = deadline + min_green[j, p]
    return out


@compiled(TABLE_OF_INTS, INTS, INTS, INTS, INT_TABLE, INT_TABLE, INT_TABLE, INT_BLOCK, BOOLS)
def served(
    rows: Ints,
    phase: Ints,
    leave: Ints,
    due_at: Ints,
    wish: Ints,
    turn: Ints,
    cycle: Ints,
    fixed: Bools,
) -> Ints:
    """(2, k): the least margin when phases are served in order of ``wish`` (k, P) from ``leave``
    on, and the first of them; FAR and ``phase`` where nothing is due."""
    phases = due_at.shape[1]
    out = np.empty((2, len(rows)), dtype=np.int64)
    order = np.empty(phases, dtype=np.int64)
    for i in range(len(rows)):
        j = rows[i]
        for p in range(phases):
            at = p
            while at > 0 and wish[i, order[at - 1]] > wish[i, p]:
                order[at] = order[at - 1]
                at -= 1
            order[at] = p
        if fixed[j]:
            order[:] = cycle[j, phase[i]]
        out[0, i], done = FAR, leave[i]
        for following in order:
            done += turn[j, following]
            out[0, i] = min(out[0, i], due_at[i, following] - done)
        out[1, i] = order[0]
        if out[0, i] >= _SOME:
            out[0, i], out[1, i] = FAR, phase[i]
    return out
