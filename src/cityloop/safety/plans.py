"""Local plans in the cabinets: which is called, what its cycle is, and when it takes over.

A plan takes over where the cycle of the one before it ends; at once where the junction does not run
its local plan just then. What lies between two greens is the cabinet's: legal clearances, always.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np

from cityloop.kernel.clock import CityTime
from cityloop.kernel.errors import RefusedError
from cityloop.kernel.frame import Bools
from cityloop.safety.timing import FAR, Ints, Timing, whole_seconds
from cityloop.standards.plans import Green, JunctionPlan, Schedule

_MINUTE = 60_000
_LISTED = 10


@dataclass(frozen=True, slots=True, eq=False)
class _Cycles:
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

    def copy(self) -> "_Cycles":
        return _Cycles(*(getattr(self, name).copy() for name in self.__slots__))


class LocalPlans:
    """The local plan that each of J junctions runs now, and the one it is to run.

    ``next_look``: city time in ms at which ``look`` is due again; FAR where nothing is planned.
    ``green``, ``in_plan``, ``ahead``: as the plans in force say, see ``_Cycles``.
    """

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._own = _own_cycles(timing)
        self._now = self._own.copy()
        self._schedule: Schedule | None = None
        self._zone = ZoneInfo("UTC")
        self._compiled: dict[str, _Cycles] = {}
        self._called = self._own
        self._tied = False
        self._name: str | None = None
        self._pending = np.zeros(len(self._own.first), dtype=np.bool_)
        self._waits = False
        self.next_look = FAR

    @property
    def in_plan(self) -> Bools:
        """(J, P): phases that the plan in force gives a green of their own."""
        return self._now.in_plan

    @property
    def ahead(self) -> Ints:
        """(J, P + 1, P): the phases that follow each phase in the plan in force, itself last."""
        return self._now.ahead

    def install(self, schedule: Schedule) -> None:
        """Go by another table and calendar from the next look on.

        Raises RefusedError where it is not sound; the old one stays then.
        """
        check_plans(self._timing, schedule)
        self._compiled = {
            plan.id: _cycles(self._timing, self._own, {j.junction: j for j in plan.junctions})
            for plan in schedule.plans
        }
        self._schedule, self._zone = schedule, ZoneInfo(schedule.time_zone)
        self._name, self.next_look = "", 0

    def look(self, now: CityTime, runs: Bools) -> None:
        """Ask the calendar. ``runs``: (J,), junctions that run their local plan just now."""
        self.next_look = now - now % _MINUTE + _MINUTE
        if self._schedule is None:
            return
        local = datetime.fromtimestamp(now / 1000, self._zone)
        name = self._schedule.calendar.plan_at(local)
        if name != self._name:
            self._name = name
            self._called = self._compiled[name] if name is not None else self._own
            self._pending[:] = True
        self.adopt(np.flatnonzero(self._pending & ~runs))
        self._waits = bool(self._pending.any())

    def adopt(self, rows: Ints) -> None:
        """Let the called plan take over at ``rows``."""
        if not rows.size:
            return
        for name in _Cycles.__slots__:
            getattr(self._now, name)[rows] = getattr(self._called, name)[rows]
        self._pending[rows] = False
        self._tied = bool(self._now.cycle.any())

    def turn(self, rows: Ints, coming: Ints) -> Bools:
        """Let the called plan take over where ``coming``, (k,), begins the cycle anew; (k,): where
        it did."""
        if not self._waits:
            return np.zeros(len(rows), dtype=np.bool_)
        over: Bools = self._pending[rows] & (coming == self._now.first[rows])
        self.adopt(rows[over])
        self._waits = bool(self._pending.any())
        return over

    def green_of(self, rows: Ints, phase: Ints, now: int) -> Ints:
        """Green in ms, (k,), of phases that start now.

        In a cycle that is tied to others it is cut or drawn out by what the cycle is late or early,
        to no less than its minimum and no more than half as long again.
        """
        green = self._now.green[rows, phase]
        if not self._tied:
            return green
        cycle = self._now.cycle[rows]
        tied = (cycle > 0) & (phase < self._timing.bank.shape[1])
        span = np.where(tied, cycle, 1)
        at = self._now.starts[rows, np.minimum(phase, self._now.starts.shape[1] - 1)]
        late = (now - self._now.offset[rows] - at) % span
        late = np.where(late > span // 2, late - span, late)
        most = green + green // 2000 * 1000
        fitted = np.clip(green - late, self._timing.min_green_ms[rows, phase], most)
        return np.where(tied, fitted, green)


def _own_cycles(timing: Timing) -> _Cycles:
    """What the junctions run where no plan is called: the plan they were built with."""
    count, phases, _ = timing.bank.shape
    zeros = np.zeros(count, dtype=np.int64)
    return _Cycles(
        timing.plan_ms.copy(),
        timing.in_plan.copy(),
        timing.cycle.copy(),
        timing.in_plan.argmax(axis=1),
        np.zeros((count, phases), dtype=np.int64),
        zeros,
        zeros.copy(),
    )


def _cycles(timing: Timing, own: _Cycles, plans: Mapping[str, JunctionPlan]) -> _Cycles:
    out = own.copy()
    for row, junction in enumerate(timing.bank.junctions):
        plan = plans.get(junction.id)
        if plan is not None:
            _write(out, timing, row, plan)
    return out


def _write(out: _Cycles, timing: Timing, row: int, plan: JunctionPlan) -> None:
    order = [step.phase for step in plan.phases]
    out.in_plan[row] = False
    out.in_plan[row, order] = True
    out.green[row] = timing.min_green_ms[row]
    out.green[row, order] = whole_seconds(np.array([step.green_s for step in plan.phases]))
    out.first[row] = order[0]
    if not timing.bank.junctions[row].fixed_order:
        _write_order(out.ahead[row], order, int(timing.phase_count[row]))
    starts, cycle = _starts(timing, row, plan)
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


def _starts(timing: Timing, row: int, plan: JunctionPlan) -> tuple[list[int], int]:
    """When each green of a plan starts within its cycle, and the cycle, in ms."""
    starts, at = [], 0
    for step, following in _pairs(plan):
        starts.append(at)
        green = int(whole_seconds(np.array(step.green_s)))
        at += green + int(timing.clearance_ms[row, step.phase, following.phase])
    return starts, at


def _pairs(plan: JunctionPlan) -> Iterator[tuple[Green, Green]]:
    steps = plan.phases
    yield from zip(steps, [*steps[1:], steps[0]], strict=True)


def check_plans(timing: Timing, schedule: Schedule) -> None:
    """Raise RefusedError with all that is wrong: plan, junction, phase, limit.

    A plan may name phases of the junction only, each once, whose conflicts and clearances are
    sound already; it keeps minimum greens, serves every link within the maximum red, keeps a fixed
    order, and every plan that the calendar calls is there.
    """
    wrong = [*_wrong_names(schedule)]
    rows = {junction.id: row for row, junction in enumerate(timing.bank.junctions)}
    for plan in schedule.plans:
        for part in plan.junctions:
            where = f"plan {plan.id}, junction {part.junction}"
            if part.junction not in rows:
                wrong.append(f"{where}: there is no such signalised junction")
                continue
            wrong += [f"{where}: {what}" for what in _wrong(timing, rows[part.junction], part)]
    if wrong:
        more = f" And {len(wrong) - _LISTED} more." if len(wrong) > _LISTED else ""
        raise RefusedError(". ".join(wrong[:_LISTED]) + "." + more)


def _wrong_names(schedule: Schedule) -> Iterator[str]:
    names = [plan.id for plan in schedule.plans]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"plan {name} is there twice; give each its own id"
    for plan in schedule.plans:
        parts = [part.junction for part in plan.junctions]
        for part in sorted({part for part in parts if parts.count(part) > 1}):
            yield f"plan {plan.id} names junction {part} twice"
    for number, entry in enumerate(schedule.calendar.entries, 1):
        if entry.plan not in names:
            there = ", ".join(names) or "none"
            yield f"calendar entry {number} calls plan {entry.plan}; there are: {there}"
        if entry.first and entry.last and entry.last < entry.first:
            yield f"calendar entry {number} ends on {entry.last}, before it begins"


def _wrong(timing: Timing, row: int, plan: JunctionPlan) -> Iterator[str]:
    junction = timing.bank.junctions[row]
    order = [step.phase for step in plan.phases]
    unknown = [phase for phase in order if phase >= len(junction.phases)]
    if unknown:
        last = len(junction.phases) - 1
        yield f"phase {unknown[0]} does not exist; there are 0 to {last}"
        return
    if len(set(order)) < len(order):
        yield "a phase is there twice; give each one green"
        return
    for step in plan.phases:
        least_s = timing.min_green_ms[row, step.phase] / 1000
        if step.green_s < least_s:
            yield f"phase {step.phase}: green {step.green_s:g} s is below its minimum {least_s:g} s"
    if junction.fixed_order and not _listed(order, len(junction.phases)):
        yield "its phases have a fixed order: name all, in the order of the list"
    yield from _late_links(timing, row, plan)


def _listed(order: list[int], count: int) -> bool:
    return sorted(order) == list(range(count)) and all(
        after == (before + 1) % count
        for before, after in zip(order, [*order[1:], order[0]], strict=True)
    )


def _late_links(timing: Timing, row: int, plan: JunctionPlan) -> Iterator[str]:
    """Links that the plan never serves, or keeps red for longer than the maximum."""
    junction, lit = timing.bank.junctions[row], timing.lit[row]
    starts, cycle = _starts(timing, row, plan)
    max_red, worst = int(timing.limits.max_red_s) * 1000, (0, 0)
    for number, link in enumerate(junction.links):
        served = [i for i, step in enumerate(plan.phases) if lit[step.phase, number]]
        if not served:
            if not link.turns_on_red:
                yield f"no phase serves link {number} ({link.from_lane} to {link.to_lane})"
            continue
        red = max(_reds(plan, served, starts, cycle))
        worst = max(worst, (red, number))
    if worst[0] > max_red:
        limit = f"the maximum red is {max_red / 1000:g} s"
        yield f"link {worst[1]} would stay red for {worst[0] / 1000:g} s; {limit}"


def _reds(plan: JunctionPlan, served: list[int], starts: list[int], cycle: int) -> Iterator[int]:
    """How long a link is red after each of the greens that serve it, in ms."""
    for i, step in enumerate(served):
        following = served[(i + 1) % len(served)]
        ends = starts[step] + int(whole_seconds(np.array(plan.phases[step].green_s)))
        neighbours = following == (step + 1) % len(plan.phases)
        # One served by two phases in a row stays green between them.
        lasting = (neighbours and len(served) > 1) or len(plan.phases) == 1
        yield 0 if lasting else (starts[following] - ends) % cycle
