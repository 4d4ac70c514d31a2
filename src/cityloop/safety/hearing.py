"""What the cabinets' own detectors tell, folded each second; compiled, as it is of every link."""

from cityloop.kernel.compiled import (
    BOOL_TABLE,
    COUNT,
    FLOAT_TABLE,
    NOTHING,
    TABLE_OF_INTS,
    VECTOR_OF_INTS,
    compiled,
)
from cityloop.kernel.frame import Bools
from cityloop.safety.timing import Floats, Ints


@compiled(NOTHING, FLOAT_TABLE, BOOL_TABLE, BOOL_TABLE, TABLE_OF_INTS, TABLE_OF_INTS, COUNT, COUNT)
def excuse_empty(
    waiting: Floats,
    vehicles: Bools,
    lit: Bools,
    dark_since: Ints,
    red_since: Ints,
    patience: int,
    now: int,
) -> None:
    """Where nobody waits, maximum red counts from ``patience`` ms after the end of green, or now.

    All (J, L); ``red_since`` changes in place. What is no number is no zero: a detector that fails
    lets maximum red run.
    """
    for j in range(lit.shape[0]):
        for k in range(lit.shape[1]):
            if waiting[j, k] == 0 and vehicles[j, k] and not lit[j, k]:
                red_since[j, k] = min(dark_since[j, k] + patience, now)


@compiled(NOTHING, FLOAT_TABLE, FLOAT_TABLE, FLOAT_TABLE, BOOL_TABLE, VECTOR_OF_INTS, COUNT)
def note_movement(
    waiting: Floats,
    discharged: Floats,
    blocked_ahead: Floats,
    lit: Bools,
    moved_at: Ints,
    now: int,
) -> None:
    """Where a green serves somebody, or has nobody to serve, ``moved_at`` (J,) becomes now."""
    for j in range(lit.shape[0]):
        moves = stuck = False
        for k in range(lit.shape[1]):
            if lit[j, k]:
                moves |= discharged[j, k] != 0
                stuck |= waiting[j, k] > 0 and blocked_ahead[j, k] == 0
        if moves or not stuck:
            moved_at[j] = now
