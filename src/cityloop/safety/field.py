"""What passes between cabinets and the street: detectors in, lamps and a report out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from cityloop.kernel.clock import CityTime
from cityloop.kernel.frame import Array
from cityloop.safety.timing import Floats, Ints


@dataclass(frozen=True, slots=True, eq=False)
class LocalSensing:
    """What a cabinet's own detectors tell now; a part that is absent or absurd is no help, no more.

    ``box_blocked``: (J,), vehicles stand inside the junction. ``waiting``: (J, L), vehicles at the
    line. ``discharged``: (J, L), vehicles that passed in the last second. ``blocked_ahead``:
    (J, L), no room downstream. ``calls``: (J, L), a pedestrian asks. A positive number means yes; a
    number that is none (NaN) is read as whatever makes the cabinet do nothing.
    """

    box_blocked: Array | None = None
    waiting: Array | None = None
    discharged: Array | None = None
    blocked_ahead: Array | None = None
    calls: Array | None = None


@dataclass(frozen=True, slots=True, eq=False)
class CabinetReport:
    """What the cabinets report of one second; rows as in ``SignalBank.ids``, arrays of shape (J,).

    ``phase``: what is green, or in clearance what is coming; -2 flash. ``since``: ms of city time
    the stage began. ``in_charge``: 0 local plan, 1 centre, 2 operator. ``refusal``: code of the
    order refused last, 0 once one is carried out again. ``last_order_at``: ``issued_at`` of the
    last order carried out, 0 none. ``changed``: rows, shape (c,), whose letters may differ from the
    second before. ``letters(row)``: the junction's SUMO state string, until the next step.
    ``taken``, ``refused``: how many orders of this second, counted by row.
    """

    at: CityTime
    phase: Ints
    stage: Ints
    since: Ints
    in_charge: Ints
    refusal: Ints
    last_order_at: Ints
    changed: Ints
    letters: Callable[[int], str]
    taken: int
    refused: int

    def columns(self, at: CityTime) -> Mapping[str, Array]:
        """The columns of a SignalController frame observed at ``at``."""
        return {
            "phase": self.phase.astype(np.int8),
            "stage": self.stage.astype(np.int8),
            "stageAge": ((at - self.since) / 1000.0).astype(np.float32),
            "inCharge": self.in_charge.astype(np.int8),
            "refusal": self.refusal.astype(np.int8),
            "lastOrderAt": self.last_order_at,
        }


def told(values: Array | None, shape: tuple[int, ...]) -> Floats | None:
    """``values`` if they are numbers of the shape that was asked for."""
    if values is None or values.shape != shape or values.dtype.kind not in "buif":
        return None
    return values.astype(np.float64, order="C")
