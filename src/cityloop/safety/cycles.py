"""A time-of-day plan as arrays: what a cabinet needs to run its cycle."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from cityloop.kernel.frame import Bools
from cityloop.safety.timing import Ints, Timing, whole_seconds
from cityloop.standards.plans import Green, JunctionPlan


@dataclass(frozen=True, slots=True, eq=False)
class Cycles:
    """A plan as the cabinets run it, for all J junctions, in ms.

    ``green``: (J, P + 1), of flash 0. ``in_plan``: (J, P). ``ahead``: (J, P + 1, P), the phases
    that follow each phase, itself last. ``first``: (J,). ``starts``: (J, P), of each green within
    the cycle. ``cycle``, ``offset``: (J,); cycle 0 where nothing ties it to its neighbours.
    """

    green: Ints
    in_plan: Bools
    ahead: Ints
    first: Ints
    starts: Ints
    cycle: Ints
    offset: Ints

    def copy(self) -> "Cycles":
        """The same in arrays of its own."""
        return Cycles(*(getattr(self, name).copy() for name in self.__slots__))


def own_cycles(timing: Timing) -> Cycles:
    """What the junctions run where no plan is called: the plan they were built with."""
    count, phases, _ = timing.bank.shape
    zeros = np.zeros(count, dtype=np.int64)
    return Cycles(
        timing.plan_ms.copy(),
        timing.in_plan.copy(),
        timing.cycle.copy(),
        timing.in_plan.argmax(axis=1),
        np.zeros((count, phases), dtype=np.int64),
        zeros,
        zeros.copy(),
    )


def cycles_of(timing: Timing, own: Cycles, plans: Mapping[str, JunctionPlan]) -> Cycles:
    """``own`` with the plans of some junctions, by name, in the place of theirs."""
    out = own.copy()
    for row, junction in enumerate(timing.bank.junctions):
        plan = plans.get(junction.id)
        if plan is not None:
            _write(out, timing, row, plan)
    return out


def _write(out: Cycles, timing: Timing, row: int, plan: JunctionPlan) -> None:
    order = [step.phase for step in plan.phases]
    out.in_plan[row] = False
    out.in_plan[row, order] = True
    out.green[row] = timing.min_green_ms[row]
    out.green[row, order] = whole_seconds(np.array([step.green_s for step in plan.phases]))
    out.first[row] = order[0]
    if not timing.bank.junctions[row].fixed_order:
        _write_order(out.ahead[row], order, int(timing.phase_count[row]))
    starts, cycle = starts_of(timing, row, plan)
    out.starts[row, order] = starts
    if plan.offset_s is not None:
        out.cycle[row] = cycle
        out.offset[row] = int(whole_seconds(np.array(plan.offset_s)))


def _write_order(ahead: Ints, order: list[int], count: int) -> None:
    """Fill (P + 1, P): from a phase of the plan the plan goes on; from another it is joined at the
    next phase of the list that is in it, from flash at its head."""
    others = [phase for phase in range(ahead.shape[1]) if phase not in order]
    for old in range(len(ahead)):
        if old in order:
            cut = order.index(old) + 1
        elif old < count:
            cut = next((i for i, phase in enumerate(order) if phase > old), 0)
        else:
            cut = 0
        ahead[old] = [*order[cut:], *order[:cut], *others]
        if old in order:
            ahead[old] = [*order[cut:], *order[: cut - 1], *others, old]


def starts_of(timing: Timing, row: int, plan: JunctionPlan) -> tuple[list[int], int]:
    """When each green of a plan starts within its cycle, and the cycle, in ms."""
    starts, at = [], 0
    for step, following in _pairs(plan):
        starts.append(at)
        at += green_ms(step) + timing.clearance_ms.item(row, step.phase, following.phase)
    return starts, at


def green_ms(step: Green) -> int:
    """A green in ms, rounded up to whole seconds as ``timing.whole_seconds`` does."""
    return math.ceil(step.green_s - 1e-9) * 1000


def _pairs(plan: JunctionPlan) -> Iterator[tuple[Green, Green]]:
    steps = plan.phases
    yield from zip(steps, [*steps[1:], steps[0]], strict=True)
