"""Local plans in the cabinets: which is called, what its cycle is, and when it takes over.

A plan takes over where the cycle of the one before it ends; at once where the junction does not run
its local plan just then. What lies between two greens is the cabinet's: legal clearances, always.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np

from cityloop.kernel.clock import CityTime
from cityloop.kernel.frame import Bools
from cityloop.safety.cycles import Cycles, cycles_of, own_cycles
from cityloop.safety.plan_checks import check_plans
from cityloop.safety.timing import FAR, Ints, Timing
from cityloop.standards.plans import Schedule

_MINUTE = 60_000


class LocalPlans:
    """The local plan that each of J junctions runs now, and the one it is to run.

    ``next_look``: city time in ms at which ``look`` is due again; FAR where nothing is planned.
    ``green``, ``in_plan``, ``ahead``: as the plans in force say, see ``Cycles``.
    """

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._own = own_cycles(timing)
        self._now = self._own.copy()
        self._schedule: Schedule | None = None
        self._zone = ZoneInfo("UTC")
        self._compiled: dict[str, Cycles] = {}
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
        if schedule == self._schedule:
            return
        check_plans(self._timing, schedule)
        self._compiled = {
            plan.id: cycles_of(self._timing, self._own, {j.junction: j for j in plan.junctions})
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
        for name in Cycles.__slots__:
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
