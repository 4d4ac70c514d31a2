"""What the detectors of a city counted in a stretch of time, and how well they fit each other.

The neighbours of a stop-line detector are the lane detector that ends at its line (who passes the
line leaves the lane in that second) and the signal (who passes does so at green). Both are exact to
the second, so that a few dozen vehicles tell what hourly sums would not.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_AFTER_GREEN = 6
"""Seconds after the end of green in which one still passes: yellow, and what stood on the line."""


@dataclass(frozen=True, eq=False)
class Layout:
    """How the detectors stand: S stop lines, D lane pieces, J junctions of at most P phases.

    ``tail``: (S,), the piece that ends at the line, -1 none. ``junction``: (S,). ``green_in``:
    (S, P), whether the line has green in a phase.
    ``into``: pairs (piece, line): all who pass the line come onto the piece.
    """

    tail: Ints
    junction: Ints
    green_in: Bools
    into: tuple[Ints, Ints]
    pieces: int


@dataclass(frozen=True, eq=False)
class Tally:
    """Sums over ``seconds``, by line and piece.

    ``passed``: (S,) vehicles over the line; ``passed_at_green``: (S, S), those of the first while
    the second had green; ``left_with``: (S, S), those of the first while somebody left the tail of
    the second. ``leaving``: (S,) seconds soon after which somebody left the tail. ``green``: (S,)
    seconds of green. ``left``: (S,) who left the tail in the line's green, ``left_at_all``: at any
    time. ``came``: (D,). ``least``, ``most``: (D,) vehicles on the piece. ``changes``: (D,).
    """

    seconds: int
    passed: Floats
    passed_at_green: Floats
    left_with: Floats
    leaving: Floats
    green: Floats
    left: Floats
    left_at_all: Floats
    came: Floats
    least: Ints
    most: Ints
    changes: Floats


def tally(passed: Ints, present: Ints, phase: Ints, stage: Ints, layout: Layout) -> Tally:
    """The sums of a stretch of T seconds.

    ``passed``: (T, S). ``present``: (T, D). ``phase``, ``stage``: (T, J), stage 0 is green.
    """
    steps = np.diff(present, axis=0, prepend=present[:1])
    green = _green(phase, stage, layout)
    has_tail = layout.tail >= 0
    of_tail = np.where(has_tail, steps[:, layout.tail], 0)
    gone = np.maximum(-of_tail, 0)
    soon = _soon(gone > 0)
    passes = passed.astype(np.float64)
    return Tally(
        seconds=len(passed),
        passed=passes.sum(axis=0),
        passed_at_green=passes.T @ green.astype(np.float64),
        left_with=passes.T @ soon.astype(np.float64),
        leaving=soon.sum(axis=0).astype(np.float64),
        green=green.sum(axis=0).astype(np.float64),
        left=(gone * green).sum(axis=0).astype(np.float64),
        left_at_all=gone.sum(axis=0).astype(np.float64),
        came=np.maximum(steps, 0).sum(axis=0).astype(np.float64),
        least=present.min(axis=0),
        most=present.max(axis=0),
        changes=(steps != 0).sum(axis=0).astype(np.float64),
    )


def _green(phase: Ints, stage: Ints, layout: Layout) -> Bools:
    """(T, S): the line has green or had it just now."""
    shown = phase[:, layout.junction]
    valid = (shown >= 0) & (shown < layout.green_in.shape[1])
    lit = layout.green_in[np.arange(len(layout.junction)), np.where(valid, shown, 0)] & valid
    lit &= stage[:, layout.junction] == 0
    out: Bools = lit.copy()
    for late in range(1, _AFTER_GREEN + 1):
        out[late:] |= lit[:-late]
    return out


def _soon(moments: Bools) -> Bools:
    """(T, S): at a moment or within two seconds of it; who is counted at the line has left the lane
    when the rear is over it, and two detectors need not agree on the second."""
    out: Bools = moments.copy()
    for late in (1, 2):
        out[:-late] |= moments[late:]
    return out
