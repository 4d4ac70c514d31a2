"""What a cabinet does to its arrays when it hears an order or changes a phase; compiled, since with
16 junctions a call of NumPy costs more than its rows.

All arrays as in ``cabinet``: (J,), or (J, L) and (J, P + 1, …) where the name says so there. What a
function writes stands last and is changed in place.
"""

import numpy as np

from cityloop.kernel.compiled import (
    BOOL_BLOCK,
    BOOLS,
    COUNT,
    INT_BLOCK,
    INT_TABLE,
    INTS,
    NOTHING,
    TABLE_OF_BOOLS,
    TABLE_OF_INTS,
    TRUTH,
    VECTOR_OF_INTS,
    compiled,
)
from cityloop.kernel.frame import Bools
from cityloop.safety.envelope import FLASH, Refusal, Stage
from cityloop.safety.holders import LOCAL, OPERATOR
from cityloop.safety.timing import FAR, Ints

_GREEN, _YELLOW, _ALL_RED, _FLASHING = (int(stage) for stage in Stage)
_MAXIMUM_RED = int(Refusal.MAXIMUM_RED)

NO_GOAL, ASK_PLAN = -1, -2
"""What ``goals`` says where no phase is to come, and where the local plan knows which."""


@compiled(VECTOR_OF_INTS, INTS, INTS, VECTOR_OF_INTS, INTS, INTS, INTS, COUNT, TRUTH, COUNT)
def wishes(
    rows: Ints,
    actions: Ints,
    codes: Ints,
    target: Ints,
    must_end: Ints,
    due: Ints,
    flash: int,
    bound: bool,
    now: int,
) -> Ints:
    """The phase that each order, (k,), asks to change to, -1 where it is refused or asks for none.

    Where it is ``bound`` by maximum red, which sends for another phase by now, it is refused in
    ``codes``.
    """
    out = np.full(len(rows), -1, dtype=np.int64)
    for i in range(len(rows)):
        j = rows[i]
        asked = flash if actions[i] == FLASH else actions[i]
        if codes[i] != 0:
            continue
        if bound and must_end[j] <= now and asked != due[j]:
            codes[i] = _MAXIMUM_RED
        elif asked >= 0 and asked != target[j]:
            out[i] = asked
    return out


@compiled(NOTHING, INTS, INTS, INTS, VECTOR_OF_INTS)
def want(rows: Ints, codes: Ints, asked: Ints, wanted: Ints) -> None:
    """Enter what orders that passed ask for."""
    for i in range(len(rows)):
        if codes[i] == 0:
            wanted[rows[i]] = asked[i]


@compiled(VECTOR_OF_INTS, INTS, INTS, INTS, INT_BLOCK, INT_TABLE, INTS, INTS, COUNT)
def detours(
    rows: Ints,
    phase: Ints,
    wanted: Ints,
    clearance: Ints,
    min_green: Ints,
    spare: Ints,
    last_end: Ints,
    now: int,
) -> Ints:
    """How long each change and its minimum green take, (k,) in ms; of none at all where nobody is
    late after any, as both what waits now and what ends now can wait for so long."""
    out, fits = np.empty(len(rows), dtype=np.int64), True
    for i in range(len(rows)):
        j = rows[i]
        out[i] = clearance[j, phase[i], wanted[i]] + min_green[j, wanted[i]]
        fits &= out[i] <= min(last_end[j] - now, spare[j])
    return out[:0] if fits else out


@compiled(
    NOTHING,
    *(INTS, INTS, BOOL_BLOCK, INT_BLOCK, INT_BLOCK, INTS),
    *(VECTOR_OF_INTS, VECTOR_OF_INTS),
    *(TABLE_OF_BOOLS, TABLE_OF_INTS, TABLE_OF_INTS),
    *[VECTOR_OF_INTS] * 6,
    COUNT,
)
def begin(
    rows: Ints,
    goal: Ints,
    lit_in: Bools,
    yellow: Ints,
    clearance: Ints,
    phase: Ints,
    target: Ints,
    stage: Ints,
    lit: Bools,
    dark_since: Ints,
    red_since: Ints,
    since: Ints,
    clear_from: Ints,
    clear_until: Ints,
    may_end: Ints,
    plan_end: Ints,
    must_end: Ints,
    now: int,
) -> None:
    """Leave the phases of ``rows`` for ``goal``, (k,): after flash every link counts as ended."""
    flash = lit_in.shape[1] - 1
    for i in range(len(rows)):
        j, old, new = rows[i], phase[rows[i]], goal[i]
        for k in range(lit.shape[1]):
            before, after = lit_in[j, old, k], lit_in[j, new, k]
            if old == flash or (before and not after):
                dark_since[j, k] = red_since[j, k] = now
            lit[j, k] = before and after
        target[j], since[j], clear_from[j] = new, now, now
        shows = yellow[j, old, new]
        stage[j] = _YELLOW if shows > 0 else _ALL_RED
        clear_until[j] = now + (shows if shows > 0 else clearance[j, old, new])
        may_end[j] = plan_end[j] = must_end[j] = FAR


@compiled(
    NOTHING,
    *(INTS, INTS, BOOL_BLOCK),
    *(VECTOR_OF_INTS, VECTOR_OF_INTS, TABLE_OF_BOOLS),
    *[VECTOR_OF_INTS] * 3,
    COUNT,
)
def enter(
    rows: Ints,
    goal: Ints,
    lit_in: Bools,
    phase: Ints,
    stage: Ints,
    lit: Bools,
    since: Ints,
    moved_at: Ints,
    clear_until: Ints,
    now: int,
) -> None:
    """Show ``goal``, (k,), at ``rows``."""
    flash = lit_in.shape[1] - 1
    for i in range(len(rows)):
        j = rows[i]
        phase[j] = goal[i]
        stage[j] = _FLASHING if goal[i] == flash else _GREEN
        since[j] = moved_at[j] = now
        clear_until[j] = FAR
        lit[j] = lit_in[j, goal[i]]


@compiled(TABLE_OF_INTS, INTS, INTS, INT_BLOCK, INTS, INTS, COUNT)
def ending(
    phase: Ints, target: Ints, clearance: Ints, clear_from: Ints, clear_until: Ints, now: int
) -> Ints:
    """(2, k): junctions whose yellow or red is to move on by now, and when their clearance ends."""
    rows = np.flatnonzero(clear_until <= now)
    out = np.empty((2, len(rows)), dtype=np.int64)
    for i in range(len(rows)):
        j = rows[i]
        out[0, i], out[1, i] = j, clear_from[j] + clearance[j, phase[j], target[j]]
    return out


@compiled(NOTHING, INTS, INTS, *[VECTOR_OF_INTS] * 3, COUNT)
def linger(rows: Ints, end: Ints, stage: Ints, since: Ints, clear_until: Ints, now: int) -> None:
    """All red where the ``end``, (k,), of a clearance is still to come."""
    for i in range(len(rows)):
        j = rows[i]
        if end[i] <= now:
            continue
        if stage[j] == _YELLOW:
            since[j] = now
        stage[j] = _ALL_RED
        clear_until[j] = end[i]


@compiled(VECTOR_OF_INTS, INTS, INTS, BOOLS, *[INTS] * 9, COUNT, COUNT)
def goals(
    wanted: Ints,
    in_charge: Ints,
    flashing: Bools,
    must_end: Ints,
    plan_end: Ints,
    may_end: Ints,
    moved_at: Ints,
    since: Ints,
    stage: Ints,
    phase: Ints,
    due: Ints,
    first: Ints,
    stall: int,
    now: int,
) -> Ints:
    """(J,): the phase to change to: as an order, else maximum red, watchdog, local plan, or the end
    of flash (to ``first``) ask for one."""
    out = np.full(len(wanted), NO_GOAL, dtype=np.int64)
    for j in range(len(wanted)):
        free = in_charge[j] != OPERATOR
        due_now = free and must_end[j] <= now
        stalled = free and max(moved_at[j] + stall, may_end[j]) <= now
        planned = in_charge[j] == LOCAL and plan_end[j] <= now
        if wanted[j] >= 0:
            out[j] = wanted[j]
        elif not due_now and (planned or (stalled and due[j] == phase[j])):
            out[j] = ASK_PLAN
        elif stage[j] == _FLASHING and since[j] < now and not flashing[j]:
            out[j] = first[j]
        elif due_now or stalled:
            out[j] = due[j]
    return out
