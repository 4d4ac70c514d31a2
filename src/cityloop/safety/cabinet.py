"""The field end of signals: one cabinet per junction, stepped together once a second of city time.

A cabinet has a local plan, limits and a watchdog, and the last word. Per junction:
GREEN(phase) → YELLOW → ALL_RED → GREEN(next); FLASH is entered through yellow and all-red and left
through all-red. A clearance once begun is neither cut short nor redirected. Whoever is in charge,
minimum greens are kept, a called crossing is not passed over, and maximum red sends for a phase in
time; an operator's hold is exempt from the last two only.
"""

from collections.abc import Sequence

import numpy as np

from cityloop.kernel.clock import CityTime, seconds
from cityloop.kernel.frame import Array, Bools, EntityIds
from cityloop.kernel.loop import Orders, Priority
from cityloop.safety.envelope import (
    FLASH,
    Calls,
    Limits,
    Refusal,
    Stage,
    check_bank,
    due,
    refusals,
)
from cityloop.safety.field import CabinetReport, LocalSensing, told
from cityloop.safety.hearing import excuse_empty, note_movement
from cityloop.safety.holders import LOCAL, OPERATOR, Holders, addressed
from cityloop.safety.lamps import Lamps
from cityloop.safety.moves import (
    ASK_PLAN,
    NO_GOAL,
    begin,
    detours,
    ending,
    enter,
    goals,
    linger,
    want,
    wishes,
)
from cityloop.safety.plans import LocalPlans
from cityloop.safety.timing import FAR, Ints, Timing
from cityloop.standards.plans import Schedule
from cityloop.standards.signals import SignalBank

__all__ = ["CabinetBank", "CabinetReport", "LocalSensing"]

SECOND = 1000

# Plain numbers: a member of an enum is slow to reach, and these are asked for every second.
_GREEN, _YELLOW, _ALL_RED, _FLASHING = (int(stage) for stage in Stage)
_MANUAL = int(Priority.MANUAL)


class CabinetBank:
    """The cabinets of all junctions of ``bank``; raises ConfigError where one is not sound.

    ``schedule``: the time-of-day plans to begin with; raises RefusedError where it is not sound. At
    ``start`` every junction shows the first phase that its links cannot do without.
    """

    def __init__(
        self,
        bank: SignalBank,
        limits: Limits,
        start: CityTime,
        schedule: Schedule | None = None,
    ) -> None:
        check_bank(bank, limits)
        self.bank, self.limits = bank, limits
        self._timing = Timing(bank, limits)
        self._lamps = Lamps(self._timing)
        count, phases, links = bank.shape
        self._flash = phases
        self._hold = seconds(limits.box_hold_s)
        self._stall = seconds(limits.stall_s)
        self._now = start
        self._first = self._timing.home.any(axis=2).argmax(axis=1)
        self._phase, self._target = self._first.copy(), self._first.copy()
        self._stage = np.zeros(count, dtype=np.int64)
        self._lit = np.zeros((count, links), dtype=np.bool_)
        # Since when a link is not green, and since when maximum red counts: later while empty.
        self._dark_since = np.full((count, links), start, dtype=np.int64)
        self._red_since = self._dark_since.copy()
        self._patience = seconds(max(int(limits.empty_red_s) - int(limits.max_red_s), 0))
        self._vehicles = bank.has_link & ~bank.pedestrian
        self._all_open = np.zeros((count, links))
        self._calls = Calls(
            np.zeros((count, links), dtype=np.bool_),
            np.zeros((count, links, phases), dtype=np.bool_),
        )
        self._has_crossings = bool(bank.pedestrian.any())
        yellows = np.where(bank.has_link & ~bank.pedestrian, self._timing.yellow_ms, -1)
        least = np.where(yellows < 0, FAR, yellows).min(axis=1, initial=FAR)
        self._several_yellows = yellows.max(axis=1, initial=0) > least
        self._yellows_differ = bool(self._several_yellows.any())
        # Moments in ms of city time; FAR or later where there is no such moment.
        self._since, self._moved_at = self._moments(start), self._moments(start)
        self._clear_from, self._clear_until = self._moments(start), self._moments(FAR)
        self._may_end, self._plan_end = self._moments(FAR), self._moments(FAR)
        self._must_end, self._last_end = self._moments(FAR), self._moments(FAR)
        self._due = self._first.copy()
        self._holders = Holders(count, limits)
        self._changed = np.ones(count, dtype=np.bool_)
        self._none = np.zeros(count, dtype=np.bool_)
        self._taken = self._refused = 0
        self._plans = LocalPlans(self._timing)
        if schedule is not None:
            self._plans.install(schedule)
            self._plans.look(start, self._none)
        self._enter(np.arange(count))
        self._look_ahead()

    def _moments(self, value: int) -> Ints:
        return np.full(self.bank.shape[0], value, dtype=np.int64)

    @property
    def ids(self) -> EntityIds:
        """Ids of the SignalControllers, in row order."""
        return self.bank.ids

    def plan(self, schedule: Schedule) -> None:
        """Go by other time-of-day plans from the next step on, each from the end of its cycle.

        Raises RefusedError where one is not sound; the plans stay as they were then.
        """
        self._plans.install(schedule)

    def step(self, now: CityTime, orders: Sequence[Orders], sensed: LocalSensing) -> CabinetReport:
        """One second: end clearances, read detectors, hear orders, change phases.

        Raises ValueError when ``now`` goes back. Whatever ``orders`` and ``sensed`` hold, it never
        raises because of them.
        """
        if now < self._now:
            raise ValueError(f"city time goes back from {self._now} to {now}")
        self._now = now
        self._taken = self._refused = 0
        self._advance(sensed.box_blocked)
        self._listen(sensed)
        self._postpone()
        wanted = np.full(len(self._stage), -1, dtype=np.int64)
        asked = [self._hear(order, wanted) for order in orders]
        in_charge = self._holders.in_charge(now)
        if now >= self._plans.next_look:
            self._plans.look(now, in_charge == LOCAL)
        if any(asked) or self._stirs(in_charge):
            self._change(wanted, in_charge)
        changed = np.flatnonzero(self._changed)
        if changed.size:
            self._look_ahead()
            self._changed = np.zeros(len(self._stage), dtype=np.bool_)
        return self._report(in_charge, changed)

    def _look_ahead(self) -> None:
        """Note when the next moment of each kind comes, so that a quiet second costs little."""
        self._next_clear = int(self._clear_until.min(initial=FAR))
        self._next_must = int(self._must_end.min(initial=FAR))
        self._next_plan = int(self._plan_end.min(initial=FAR))
        self._flashes = bool((self._stage == _FLASHING).any())

    def _stirs(self, in_charge: Ints) -> bool:
        """Whether maximum red, local plan, watchdog or the end of flash may ask for a change."""
        return (
            self._next_must <= self._now
            or self._flashes
            or (self._next_plan <= self._now and not in_charge.all())
            or int(self._moved_at.min(initial=FAR)) + self._stall <= self._now
        )

    def letters(self, row: int) -> str:
        """The SUMO state string of junction ``row`` now."""
        phase, stage = self._phase.item(row), self._stage.item(row)
        if stage in (_GREEN, _FLASHING):
            return self._lamps.steady(row, phase)
        target = self._target.item(row)
        elapsed = self._now - self._clear_from.item(row)
        longest = self._timing.yellow_between_ms.item(row, phase, target)
        return self._lamps.clearing(row, phase, target, min(elapsed, longest))

    def _report(self, in_charge: Ints, changed: Ints) -> CabinetReport:
        return CabinetReport(
            at=self._now,
            phase=np.where(self._target == self._flash, FLASH, self._target),
            stage=self._stage.copy(),
            since=self._since.copy(),
            in_charge=np.where(self._holders.locked(self._now), OPERATOR, in_charge),
            refusal=self._holders.refusal.copy(),
            last_order_at=self._holders.last_order_at.copy(),
            changed=changed,
            letters=self.letters,
            taken=self._taken,
            refused=self._refused,
        )

    # Clearances.

    def _begin(self, rows: Ints, target: Ints) -> None:
        """Leave the phases of ``rows`` for ``target``."""
        timing = self._timing
        spans = timing.lit, timing.yellow_between_ms, timing.clearance_ms
        since = self._since, self._clear_from, self._clear_until
        ends = self._may_end, self._plan_end, self._must_end
        reds = self._lit, self._dark_since, self._red_since
        shown = self._phase, self._target, self._stage
        begin(rows, target, *spans, *shown, *reds, *since, *ends, self._now)
        self._changed[rows] = True
        self._enter(rows[timing.clearance_ms[rows, self._phase[rows], target] == 0])

    def _advance(self, box_blocked: Array | None) -> None:
        """Move on the clearances whose time has come; letters may change within yellow, too."""
        if self._yellows_differ:
            self._changed |= self._several_yellows & (self._stage == _YELLOW)
        if self._now < self._next_clear:
            return
        now = self._now
        shown = self._phase, self._target, self._timing.clearance_ms
        rows, end = ending(*shown, self._clear_from, self._clear_until, now)
        self._changed[rows] = True
        blocked = told(box_blocked, self._stage.shape)
        if blocked is not None and (held := (end <= now) & (blocked[rows] > 0)).any():
            held &= now < end + self._hold
            held[held] = self._may_hold(rows[held])
            end[held] = now + SECOND
        linger(rows, end, self._stage, self._since, self._clear_until, now)
        self._enter(rows[end <= now])

    def _may_hold(self, rows: Ints) -> Bools:
        """Whether one more second of red breaks no maximum red that is still kept."""
        target = self._target[rows]
        later = self._now + SECOND
        leave = later + self._timing.min_green_ms[rows, target]
        calls = self._calls_of(rows)
        slack, _ = due(self._timing, rows, target, leave, self._red_since[rows], calls)
        waits = self._timing.lit[rows, target] & ~self._lit[rows]
        oldest = np.where(waits, self._red_since[rows], FAR).min(axis=1)
        slack = np.minimum(slack, oldest + seconds(int(self.limits.max_red_s)) - later)
        return np.asarray((slack >= 0) | (slack < -SECOND))

    def _enter(self, rows: Ints) -> None:
        """Start the phases that ``rows`` were clearing for."""
        if not rows.size:
            return
        now, timing = self._now, self._timing
        phase = self._target[rows]
        shown = self._phase, self._stage, self._lit
        enter(rows, phase, timing.lit, *shown, self._since, self._moved_at, self._clear_until, now)
        if self._has_crossings:
            self._calls.called[rows] &= ~self._lit[rows]
            green = phase < self._flash
            self._calls.started[rows[green], :, phase[green]] = True
        leave = now + timing.min_green_ms[rows, phase]
        calls = self._calls_of(rows)
        slack, self._due[rows] = due(timing, rows, phase, leave, self._red_since[rows], calls)
        self._may_end[rows] = leave
        self._plan_end[rows] = now + self._plans.green_of(rows, phase, now)
        self._last_end[rows] = leave + slack
        # Early by one box hold, so that a blocked box can be waited for and the bound still kept.
        self._must_end[rows] = leave + np.maximum(slack - self._hold, 0)
        flash = rows[phase == self._flash]
        self._may_end[flash] = self._plan_end[flash] = self._must_end[flash] = FAR

    def _calls_of(self, rows: Ints) -> Calls | None:
        if not self._has_crossings or not self._calls.called[rows].any():
            return None
        return Calls(self._calls.called[rows], self._calls.started[rows])

    # What comes in.

    def _listen(self, sensed: LocalSensing) -> None:
        """Note who called and where a green last served anyone or had nobody to serve."""
        shape = self._lit.shape
        calls = told(sensed.calls, shape) if self._has_crossings else None
        if calls is not None:
            fresh = (calls > 0) & self.bank.pedestrian & ~self._lit & ~self._calls.called
            self._calls.called[fresh] = True
            self._calls.started[fresh] = False
        waiting, discharged = told(sensed.waiting, shape), told(sensed.discharged, shape)
        if waiting is not None and self._patience:
            since = self._dark_since, self._red_since
            excuse_empty(waiting, self._vehicles, self._lit, *since, self._patience, self._now)
        if waiting is None or discharged is None:
            self._moved_at[:] = self._now
            return
        ahead = told(sensed.blocked_ahead, shape)
        ahead = self._all_open if ahead is None else ahead
        note_movement(waiting, discharged, ahead, self._lit, self._moved_at, self._now)

    def _postpone(self) -> None:
        """Ask again where a phase had to end by now: who was not there yet waits no longer.

        Since then ``_red_since`` has only moved on, so no earlier end can be needed.
        """
        if self._now < self._next_must:
            return
        rows = np.flatnonzero(self._must_end <= self._now)
        leave = np.full(len(rows), self._now)
        slack, self._due[rows] = due(
            self._timing,
            rows,
            self._phase[rows],
            leave,
            self._red_since[rows],
            self._calls_of(rows),
        )
        self._last_end[rows] = leave + slack
        self._must_end[rows] = leave + np.maximum(slack - self._hold, 0)
        self._next_must = int(self._must_end.min(initial=FAR))

    def _hear(self, order: Orders, wanted: Ints) -> bool:
        """Book ``order``; whether it changed ``wanted``, shape (J,), the phases to change to."""
        named = len(order.rows)
        order = addressed(order, len(self._stage))
        rows, actions = order.rows, order.actions
        self._refused += named - len(rows)
        if not rows.size:
            return False
        now, target = self._now, self._target
        codes = self._holders.admission(order, self._timing.phase_count[rows], now)
        bound = order.priority < _MANUAL and self._next_must <= now
        ends = self._must_end, self._due
        asked = wishes(rows, actions, codes, target, *ends, self._flash, bound, now)
        pick = np.flatnonzero(asked >= 0)
        if pick.size:
            codes[pick] = self._judge(rows[pick], asked[pick], order.priority)
        refused = self._holders.settle(order, codes, now)
        self._taken += len(rows) - refused
        self._refused += refused
        want(rows, codes, asked, wanted)
        return bool(pick.size)

    def _judge(self, rows: Ints, wanted: Ints, priority: Priority) -> Ints:
        """Refusal codes, shape (k,), of changes to ``wanted`` now."""
        now, timing, phase = self._now, self._timing, self._phase[rows]
        codes = refusals(
            timing, rows, wanted, self._stage[rows], self._target[rows], now - self._since[rows]
        )
        free = np.flatnonzero((codes == 0) & (phase != self._flash))
        if priority >= _MANUAL or not free.size:
            return codes
        rows, wanted, phase = rows[free], wanted[free], phase[free]
        barred = self._barred(rows, wanted[:, None])[:, 0]
        late = ~self._in_time(rows, phase, wanted) & (wanted != self._due[rows])
        codes[free] = np.where(
            barred, Refusal.PEDESTRIAN_CALL, np.where(late, Refusal.MAXIMUM_RED, Refusal.NONE)
        )
        return codes

    def _in_time(self, rows: Ints, phase: Ints, wanted: Ints) -> Bools:
        """Whether maximum red can still be kept after a change to ``wanted`` now."""
        timing, now = self._timing, self._now
        detour = timing.clearance_ms[rows, phase, wanted] + timing.min_green_ms[rows, wanted]
        spans = timing.clearance_ms, timing.min_green_ms, timing.spare_red_ms
        detour = detours(rows, phase, wanted, *spans, self._last_end, now)
        if not detour.size:
            return np.ones(len(rows), dtype=np.bool_)
        red_since = np.where(self._lit[rows], now, self._red_since[rows])
        slack, _ = due(timing, rows, wanted, now + detour, red_since, self._calls_of(rows))
        return np.asarray(slack >= 0)

    def _barred(self, rows: Ints, phases: Ints) -> Bools:
        """Whether a called crossing comes before each of ``phases``, shape (k, n), again."""
        calls = self._calls_of(rows)
        if calls is None:
            return np.zeros(phases.shape, dtype=np.bool_)
        barred = calls.barred(self._timing.lit[rows, : self._flash])
        return np.take_along_axis(barred, phases, axis=1)

    # Changes.

    def _change(self, wanted: Ints, in_charge: Ints) -> None:
        """Begin the clearances that orders, maximum red, watchdog and local plan ask for."""
        now = self._now
        flashing = self._holders.flashing(now) if self._flashes else self._none
        ends = self._must_end, self._plan_end, self._may_end, self._moved_at, self._since
        shown = self._stage, self._phase, self._due, self._first
        target = goals(wanted, in_charge, flashing, *ends, *shown, self._stall, now)
        rows = np.flatnonzero(target != NO_GOAL)
        if not rows.size:
            return
        target = target[rows]
        ask_plan = target == ASK_PLAN
        target[ask_plan] = self._next_in_plan(rows[ask_plan])
        really = target != self._phase[rows]
        self._begin(rows[really], target[really])

    def _next_in_plan(self, rows: Ints) -> Ints:
        """The next phase in the listed order that may start; what is due where that is too late."""
        if not rows.size:
            return rows
        phase = self._phase[rows]
        next_ = self._first_open(rows, phase)
        turned = self._plans.turn(rows, next_)
        if turned.any():
            # From the head of the new plan, as after flash; never out of a fixed order.
            head = np.where(self._timing.fixed_order[rows], phase, self._flash)[turned]
            next_[turned] = self._first_open(rows[turned], head)
        return np.where(self._in_time(rows, phase, next_), next_, self._due[rows])

    def _first_open(self, rows: Ints, after: Ints) -> Ints:
        """The first phase of the plan behind ``after``, (k,), that no called crossing bars."""
        ahead = self._plans.ahead[rows, after]
        in_plan = np.take_along_axis(self._plans.in_plan[rows], ahead, axis=1)
        closed = self._barred(rows, ahead) | ~in_plan
        # From the head of a plan, what is green just now has had its turn.
        closed |= (ahead == self._phase[rows][:, None]) & (after == self._flash)[:, None]
        closed[self._timing.fixed_order[rows], 0] = False
        return np.take_along_axis(ahead, closed.argmin(axis=1)[:, None], axis=1)[:, 0]
