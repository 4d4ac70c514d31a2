"""The hub: batches in, committed batches and orders out. No socket, thread or file in here."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from cityloop.city.alarm_rules import Machine
from cityloop.city.alarm_watch import Watch
from cityloop.city.desk import Desk, Moment
from cityloop.city.loop_desk import LoopDesk
from cityloop.city.plan_desk import PlanDesk
from cityloop.city.retention_desk import RetentionDesk
from cityloop.city.rows import (
    OPERATOR,
    decision_rows,
    mode_frame,
    numbered,
    operator_frame,
    refused_frames,
    verdict_frame,
)
from cityloop.city.surface import DecisionRow
from cityloop.city.totals import MODE_CHANGE, Totals
from cityloop.kernel.clock import CityTime, Clock, WallTime, after
from cityloop.kernel.cycle import DECISION, Pass
from cityloop.kernel.errors import RefusedError
from cityloop.kernel.frame import Array, EntityIds, Frame
from cityloop.kernel.loop import Mode, Orders, Priority
from cityloop.kernel.ports import API_SOURCE, Batch, Commit
from cityloop.kernel.reasons import Wording
from cityloop.kernel.runner import Runner
from cityloop.kernel.waiting import CITY_CLOCK, clock_frame
from cityloop.reaction.alarm_kinds import Datum
from cityloop.reaction.approvals import WORDINGS, Advice, ApprovalBook, Fate
from cityloop.reaction.conditions import Instant
from cityloop.reaction.holds import HoldBook
from cityloop.safety.envelope import RELEASE
from cityloop.safety.modes import NO_CABINETS, ModeBook, ModeChange
from cityloop.standards.attributes import declared
from cityloop.standards.plans import Calendar, TimePlan
from cityloop.standards.retention import Keep

OPERATORS = "operators"
SIGNALS = "SignalController"
ADVICE_S = 30.0
_RECENT = 1000


NO_SIGNAL = Wording(
    "no_signal_yet", "No signal has reported yet; wait for the next second of the run."
)


class Admit(Protocol):
    """The gate as the hub uses it."""

    def admit(self, batch: Batch) -> Batch:
        """What of the batch is accepted; the rest is kept and counted by the gate."""
        ...


@dataclass(slots=True)
class Effects:
    """What a turn or a command asks of the process: commit these, order those, tell that."""

    batches: list[Batch] = field(default_factory=list)
    orders: list[Orders] = field(default_factory=list)
    rows: list[DecisionRow] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


class Hub:
    """Gate, loops, guard, modes, approvals and totals of one tenant; a fold of its log.

    ``epoch`` counts the hub's starts: cabinets refuse orders of an older one. ``clock``: wall time,
    read where live sources said something that a tick is to take up. ``cabinets``: whether there
    are any that take orders.
    """

    def __init__(
        self,
        gate: Admit,
        runner: Runner,
        modes: ModeBook,
        actuators: EntityIds,
        loops: LoopDesk,
        plans: PlanDesk,
        watch: Watch,
        desk: Desk,
        *,
        epoch: int,
        clock: Clock,
        cabinets: bool = True,
    ) -> None:
        self._clock = clock
        self._cabinets = cabinets
        self._gate = gate
        self._runner = runner
        self.modes = modes
        self.loops = loops
        self.plans = plans
        self.retention = RetentionDesk(declared())
        self.totals = Totals()
        self.approvals = ApprovalBook()
        self.holds = HoldBook(actuators.index, epoch)
        self.latest: dict[str, Frame] = {}
        self.recent: deque[DecisionRow] = deque(maxlen=_RECENT)
        self.now = CityTime(0)
        self.watch = watch
        self.desk = desk
        self._actuators = actuators
        self._epoch = epoch
        self._sequence = 0
        self._by_hand = CityTime(0)

    @property
    def run(self) -> str:
        """The run that the newest batch belongs to; empty before the first."""
        return self._runner.run

    @property
    def every_s(self) -> list[float]:
        """City seconds between two ticks of each loop."""
        return self._runner.every_s

    def turn(self, batch: Batch, *, late: bool) -> Effects:
        """One batch of a twin, or of the clock: admit, fold, and unless it is late, decide.

        The returned batch holds what was accepted and what was decided: one commit covers both.
        """
        accepted = self._gate.admit(batch)
        before = self.latest.get(SIGNALS)
        self._show(accepted.frames)
        if accepted.run != self.run:
            self.approvals.clear()
        if late:
            self._runner.remember(accepted)
            self.loops.late()
            self.totals.count(accepted)
            self.watch.turned(accepted, self.now, (), ())
            return Effects([accepted])
        covered, passes = self._runner.turn(self._timed(accepted), self.modes.of)
        effects = Effects()
        after = self.latest.get(SIGNALS)
        recorded = self.loops.turned(passes, after)
        further = (*self._advise(passes), *refused_frames(before, after), *recorded)
        frames = numbered(covered.frames + further, self.totals.decisions + 1)
        covered = replace(covered, frames=frames)
        effects.batches.append(covered)
        orders = [*(p.orders for p in passes), self.holds.orders(self.now)]
        effects.orders = [given for given in orders if given is not None]
        effects.failures = [f"{p.loop}: {p.failure}" for p in passes if p.failure]
        effects.rows = self._tell(covered.frames)
        self.totals.count(covered)
        self.watch.turned(accepted, self.now, effects.rows, effects.failures)
        return effects

    @property
    def watched(self) -> frozenset[str]:
        """The types that loops watch."""
        return self._runner.watched

    def pass_time(self, now: CityTime) -> None:
        """City time goes on between two ticks, in a city that runs on the clock on the wall."""
        self.now = max(self.now, now)

    def _timed(self, batch: Batch) -> Batch:
        """``batch`` with the wall time of its tick, where somebody waits for it."""
        frames = batch.frames
        if not (self._runner.waits and frames) or frames[-1].type == CITY_CLOCK:
            return batch
        at = max(part.observed_at for part in frames)
        return replace(batch, frames=(*frames, clock_frame(batch.run, at, self._clock())))

    def heard(self, batch: Batch) -> None:
        """What a live source said: the loops see it at their next tick."""
        self._runner.hear(batch)
        self.watch.heard(batch)

    def written(self, batch: Batch) -> None:
        """What clients of the API wrote: the loops see it at their next tick."""
        self._runner.hear(batch)
        self.totals.count(batch)

    def look(self, machine: Machine, wall: WallTime) -> Effects:
        """Look for what needs a person, about once a second of wall time: alarms come and go."""
        self.desk.hear_time(wall)
        now, held = Instant(self.run, self.now, wall), self.holds.held(self.now)
        found = self.watch.look(now, self.latest, held, machine, self.desk.alarms)
        frames = self.desk.enter(found, self._moment)
        return self._recorded(*frames) if frames else Effects()

    def attend(self, act: str, arguments: Mapping[str, Any]) -> Effects:
        """A person's act at the desk, as ``Desk.attend``; raises RefusedError."""
        return self._recorded(*self.desk.attend(act, arguments, self._moment))

    def noted(self, kind: str, by: str, text: str, data: Mapping[str, Datum]) -> Effects:
        """Enter a person's act in the shift log that changes nothing else here."""
        return self._recorded(self.desk.note(kind, by, text, data, self._moment))

    @property
    def _moment(self) -> Moment:
        return Moment(self.run, self.now)

    def _show(self, frames: Iterable[Frame]) -> None:
        for part in frames:
            self.latest[part.type] = part
            self.now = max(self.now, part.observed_at)

    def _tell(self, frames: Iterable[Frame]) -> list[DecisionRow]:
        waiting = {advice.id for advice in self.approvals}
        rows: list[DecisionRow] = []
        for part in frames:
            if part.type == DECISION:
                first = self.totals.decisions + len(rows) + 1
                rows.extend(decision_rows(part, first, waiting))
        self.recent.extend(rows)
        return rows

    def _advise(self, passes: Iterable[Pass]) -> list[Frame]:
        """Put up what loops in advise want; the frames that record what became of older advice."""
        ended = [(advice, Fate.LAPSED) for advice in self.approvals.lapse(self.now)]
        for decided in (p.decisions for p in passes if p.decisions is not None):
            ended += [(advice, Fate.OVERTAKEN) for advice in self._put_up(decided)]
        return [self._verdict(advice, fate) for advice, fate in ended]

    def _put_up(self, decided: Frame) -> list[Advice]:
        """Offer what passed in advise, withdraw the rest; what that took the place of."""
        replaced = []
        for i in np.flatnonzero(decided["mode"] == Mode.ADVISE).tolist():
            if decided["actuator"][i] not in self._actuators.index:
                continue  # a junction of an older network
            advice = self._advice(decided, i)
            if decided["verdict"][i] >= min(Fate):
                self.approvals.settle(advice.id)
                continue
            refused = bool(decided["verdict"][i])
            withdraw, offer = self.approvals.withdraw, self.approvals.offer
            old = withdraw(advice.loop, advice.row) if refused else offer(advice)
            if old is not None:
                replaced.append(old)
        return replaced

    def _advice(self, decided: Frame, i: int) -> Advice:
        actuator = str(decided["actuator"][i])
        return Advice(
            decided.ids.names[i],
            str(decided["loop"][i]),
            self._actuators.index[actuator],
            actuator,
            int(decided["action"][i]),
            str(decided["reason"][i]),
            after(decided.observed_at, ADVICE_S),
        )

    def _verdict(self, advice: Advice, fate: Fate) -> Frame:
        reason = WORDINGS[fate](waited_s=ADVICE_S)
        return verdict_frame(advice, fate, reason, self.run, self.now)

    def set_mode(
        self, loop: str, group: str, mode: Mode, evidence: str, by: str = OPERATOR
    ) -> Effects:
        """Switch a mode; raises RefusedError with what is missing."""
        evidence = evidence or self.loops.evidence(loop, group)
        missing = self.loops.missing(loop, group)
        change = self.modes.check(loop, group, mode, evidence, missing)
        self._apply(change)
        entry = self.desk.mode_switched(change, by, self._moment)
        return self._recorded(mode_frame(change, self.run, self.now), entry)

    def _apply(self, change: ModeChange) -> None:
        self.modes.apply(change)
        self.loops.switched(change)

    def set_version(self, loop: str, version: str, reason: str, by: str) -> Effects:
        """Put another version of a loop to work; raises RefusedError with what there is."""
        change = self.loops.change_version(loop, version, reason, by, self.now)
        text = f"Version {version} of {loop} put to work: {reason}"
        data = {"loop": loop, "version": version, "reason": reason}
        return self._recorded(change, self.desk.note("version", by, text, data, self._moment))

    def set_plans(self, plans: Sequence[TimePlan], by: str) -> Effects:
        """Take up another table of plans; raises RefusedError with all that is wrong."""
        change = self.plans.change_plans(plans, by, self.run, self.now)
        text = f"Time-of-day plans replaced: {len(plans)} plans"
        data = {"plans": [plan.id for plan in plans]}
        return self._recorded(change, self.desk.note("plans", by, text, data, self._moment))

    def set_calendar(self, calendar: Calendar, by: str) -> Effects:
        """Take up another calendar; raises RefusedError with all that is wrong."""
        change = self.plans.change_calendar(calendar, by, self.run, self.now)
        text = f"Calendar of plans replaced: {len(calendar.entries)} entries"
        data = {"entries": len(calendar.entries)}
        return self._recorded(change, self.desk.note("plans", by, text, data, self._moment))

    def set_retention(self, keeps: Sequence[Keep], by: str) -> Effects:
        """Put rules of retention in force; raises RefusedError with what is wrong."""
        change = self.retention.change(keeps, by, self.run, self.now)
        text = f"Retention changed: {', '.join(keep.type for keep in keeps)}"
        data = {"types": [keep.type for keep in keeps]}
        return self._recorded(change, self.desk.note("retention", by, text, data, self._moment))

    def answer(self, advice_id: str, confirm: bool, by: str = OPERATOR) -> Effects:
        """A person's answer to advice; raises RefusedError when it no longer waits."""
        advice = self.approvals.take(advice_id, self.now)
        fate = Fate.CONFIRMED if confirm else Fate.REJECTED
        entry = self.desk.answered(advice, confirm, by, self._moment)
        effects = self._recorded(self._verdict(advice, fate), entry)
        if confirm and self._cabinets:
            effects.orders.append(
                self._order(Priority.OPTIMISATION, self._hand_time(), advice.row, advice.action)
            )
        return effects

    def operate(
        self, junction: str, operation: str, action: int, minutes: float, by: str = OPERATOR
    ) -> Effects:
        """A person takes a junction by hand, or gives it back; raises RefusedError."""
        name = f"urn:ngsi-ld:SignalController:{junction}"
        row = self._actuators.index.get(name)
        if row is None:
            raise RefusedError(f"Junction {junction} does not exist; see the map for its name.")
        if not self._cabinets:
            raise RefusedError(f"{junction} cannot be taken by hand: {NO_CABINETS}")
        if SIGNALS not in self.latest:
            raise RefusedError(NO_SIGNAL())
        if not 0 < minutes <= 240:
            raise RefusedError(f"{minutes:g} minutes: a hold lasts more than 0 and at most 240.")
        if operation == "hold" and action < 0:
            action = int(self.latest[SIGNALS]["phase"][row])
        at = self._hand_time()
        until = after(at, minutes * 60)
        entry = self.desk.operated(junction, operation, action, minutes, by, self._moment)
        done = operator_frame(name, operation, action, self.run, at, until)
        effects = self._recorded(done, entry)
        self._hold(name, action, at, until)
        effects.orders.append(self._order(Priority.MANUAL, at, row, action))
        return effects

    def _hold(self, name: str, action: int, at: CityTime, until: CityTime) -> None:
        if action == RELEASE:
            self.holds.release(name, at)
        else:
            self.holds.take(name, action, at, until)

    def _hand_time(self) -> CityTime:
        """Now, a millisecond later each time: two acts in one second (or while paused) differ."""
        self._by_hand = max(self.now, CityTime(self._by_hand + 1))
        return self._by_hand

    def _order(self, priority: Priority, at: CityTime, row: int, action: int) -> Orders:
        rows, actions = np.array([row], dtype=np.int64), np.array([action], dtype=np.int64)
        return Orders(at, after(at, ADVICE_S), self._epoch, priority, rows, actions)

    def _recorded(self, *frames: Frame) -> Effects:
        self._sequence += 1
        recorded = numbered(frames, self.totals.decisions + 1)
        batch = Batch(OPERATORS, self.run, self._sequence, recorded)
        rows = self._tell(batch.frames)
        self.totals.count(batch)
        return Effects([batch], rows=rows)

    def replay(self, commit: Commit) -> None:
        """Fold one commit of the log after a restart."""
        batch = commit.batch
        if batch.source == OPERATORS:
            self._sequence = batch.sequence
        self._runner.replay([commit])
        self._show(part for part in batch.frames if part.type != DECISION)
        self._tell(batch.frames)
        self.desk.replay(batch.frames)
        self.watch.sensors.see(batch)
        if batch.source != API_SOURCE:
            self.watch.heard(batch)
        self.totals.count(batch)
        for part in batch.frames:
            self.loops.fold(part)
            self.plans.fold(part)
            self.retention.fold(part)
            if part.type == MODE_CHANGE:
                self._switch(part)
            elif part.type == DECISION:
                self._put_up(part)
                self._take_up(part)

    def remind(self, commits: Iterable[Commit]) -> None:
        """Show people the decisions of the newest commits again; they are counted already."""
        parts = [p for c in commits for p in c.batch.frames if p.type == DECISION]
        number = self.totals.decisions - sum(len(part) for part in parts) + 1
        waiting = {advice.id for advice in self.approvals}
        self.recent.clear()
        for part in parts:
            self.recent.extend(decision_rows(part, number, waiting))
            number += len(part)
        self.watch.told(self.desk.alarms)

    def _take_up(self, decided: Frame) -> None:
        for i in np.flatnonzero(decided["loop"] == OPERATOR).tolist():
            name, action = str(decided["actuator"][i]), int(decided["action"][i])
            if name not in self._actuators.index:
                continue
            until = CityTime(int(decided["expiresAt"][i]))
            self._hold(name, action, decided.observed_at, until)

    def _switch(self, part: Frame) -> None:
        for loop, group, mode in zip(part["loop"], part["group"], part["mode"], strict=True):
            self._apply(ModeChange(str(loop), str(group), Mode(int(mode)), ""))

    def save(self) -> dict[str, Array]:
        """Everything a new hub needs to go on from here, as named arrays."""
        parts = {
            "runner": self._runner.save(),
            "modes": self.modes.save(),
            "versions": self.loops.save_versions(),
            "shadow": self.loops.save_shadow(),
            "plans": self.plans.save(),
            "totals": self.totals.save(),
            "desk": self.desk.save(),
            "sensors": self.watch.sensors.save(),
            "live": self.watch.live.save(),
            "hub": {
                "sequence": np.array(self._sequence),
                "now": np.array(self.now),
                "advice": np.array(self.approvals.save()),
                "holds": np.array(self.holds.save(self.now)),
                "retention": np.array(self.retention.save()),
            },
        }
        return {f"{part}:{n}": a for part, state in parts.items() for n, a in state.items()}

    def load(self, state: Mapping[str, Array]) -> None:
        """Go on from what ``save`` gave."""

        def part(name: str) -> dict[str, Array]:
            return {
                n.removeprefix(f"{name}:"): a for n, a in state.items() if n.startswith(f"{name}:")
            }

        self.loops.load_versions(part("versions"))
        self._runner.load(part("runner"))
        self.modes.load(part("modes"))
        self.loops.load_shadow(part("shadow"))
        self.plans.load(part("plans"))
        self.totals.load(part("totals"))
        self.desk.load(part("desk"))
        self.watch.sensors.load(part("sensors"))
        self.watch.live.load(part("live"))
        self._sequence = int(state["hub:sequence"])
        self.now = CityTime(int(state["hub:now"]))
        self.approvals.load(str(state["hub:advice"]))
        self.holds.load(str(state["hub:holds"]))
        self.retention.load(str(state.get("hub:retention", "[]")))
