"""One loop's machine: tables and memory in, one pass per tick, orders and decisions out."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from cityloop import __version__
from cityloop.kernel.clock import CityTime, after
from cityloop.kernel.frame import Array, EntityIds, Frame, frame
from cityloop.kernel.inputs import Inputs
from cityloop.kernel.loop import Guard, Ints, Loop, Mode, Orders, Proposals
from cityloop.kernel.reasons import Reason
from cityloop.kernel.rows import Rows
from cityloop.kernel.view import Memory, Table, View

DECISION = "Decision"
_NO_MIND = -9
_OBSERVE, _ACT = int(Mode.OBSERVE), int(Mode.ACT)  # a member of an enum is slow to reach
_MADE_WITH = f"cityloop {__version__}, numpy {np.__version__}"


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """What one tick of one loop gave.

    ``proposals`` and ``verdicts`` stand side by side; ``recorded`` are the rows of ``proposals``
    in which the loop, the guard or the mode changed its mind. ``failure`` says why a tick gave
    nothing, or not for all: the cabinets without an order then fall to their local plans.
    """

    loop: str
    at: CityTime
    findings: Any = None
    proposals: Proposals | None = None
    verdicts: Ints | None = None
    orders: Orders | None = None
    decisions: Frame | None = None
    failure: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What analysis saw. ``rows``: those of the loop's actuators that it is about, where it is not
    about all of them. ``failure``: why there is nothing, or not all.
    """

    findings: Any = None
    rows: Ints | None = None
    failure: str = ""


class Analyst(Protocol):
    """Where ``analyse`` of one loop runs, for one run, and its memory lies."""

    def analyse(self, view: View) -> Seen:
        """Analyse at ``view.at``, once for every tick, in order. Raises nothing."""
        ...

    def remember(self, view: View) -> Seen:
        """The same where nobody waits for what was seen; it may be nothing."""
        ...

    def save(self) -> dict[str, Array]:
        """The memory, as named arrays; none where it is kept elsewhere."""
        ...

    def load(self, memory: Memory) -> None:
        """Go on from what ``save`` gave."""
        ...


class Here:
    """An ``Analyst`` in this process."""

    def __init__(self, loop: Loop, knows: Mapping[str, Any]) -> None:
        self._loop = loop
        self._memory: Memory = loop.start(knows)

    def analyse(self, view: View) -> Seen:
        """A loop that raises stops nothing else, and keeps its memory."""
        try:
            findings, self._memory = self._loop.analyse(view, self._memory, view.at)
        except Exception as error:  # noqa: BLE001 (whatever fails here ends in the local plan)
            return Seen(failure=_told(error))
        return Seen(findings)

    remember = analyse

    def save(self) -> dict[str, Array]:
        """The memory."""
        return dict(self._memory)

    def load(self, memory: Memory) -> None:
        """Take up a memory; one that is no memory of this loop, as of a time when it ran elsewhere,
        leaves it fresh."""
        if memory.keys() == self._memory.keys():
            self._memory = memory


class Cycle:
    """Turns one loop for one run. Everything it holds is a fold of the log (design, law 4).

    ``analyst``: where analysis runs, this process where none is given.
    """

    def __init__(
        self,
        loop: Loop,
        knows: Mapping[str, Any],
        guard: Guard,
        actuators: EntityIds,
        *,
        run: str,
        epoch: int,
        inputs: Inputs | None = None,
        analyst: Analyst | None = None,
    ) -> None:
        self.loop = loop
        self._knows = {name: knows[name] for name in loop.knows}
        self._guard = guard
        self._actuators = actuators
        self._run = run
        self._epoch = epoch
        self.inputs = Inputs(loop, knows, {}) if inputs is None else inputs
        self._analyst = analyst or Here(loop, self._knows)
        self._minds = np.full((3, len(actuators)), _NO_MIND, dtype=np.int64)
        self._ticked_at: CityTime | None = None

    @property
    def tables(self) -> Mapping[str, Table]:
        """The watched inputs as of the newest frame, by input name."""
        return self.inputs.tables()

    def see(self, frames: Iterable[Frame]) -> None:
        """Fold frames into the watched tables."""
        self.inputs.see(frames)

    def hear(self, part: Rows) -> bool:
        """Take in rows, as ``Inputs.hear``."""
        return self.inputs.hear(part, self._ticked_at)

    def due(self, at: CityTime) -> bool:
        """Whether ``at`` is time for the next tick."""
        return self._ticked_at is None or at >= after(self._ticked_at, self.loop.every_s)

    def remember(self, at: CityTime) -> Seen:
        """Advance the memory alone: for replay, and for frames that arrive too late to act on."""
        return self._analyst.remember(self._view(at))

    def tick(self, at: CityTime, modes: Ints) -> Pass:
        """One pass at ``at``. ``modes``: shape (J,), a Mode per actuator.

        A loop that raises stops nothing else: its memory stays, its cabinets get no order.
        """
        view = self._view(at)
        seen = self._analyst.analyse(view)
        if seen.findings is None or modes.max(initial=0) == _OBSERVE:
            return Pass(self.loop.name, at, seen.findings, failure=seen.failure)
        try:
            proposals = _placed(self.loop.respond(seen.findings), seen.rows)
            verdicts = self._guard.judge(
                proposals.rows, proposals.actions, self.loop.priority, view
            )
        except Exception as error:  # noqa: BLE001 (whatever fails here ends in the local plan)
            return Pass(self.loop.name, at, seen.findings, failure=_told(error))
        mode = modes[proposals.rows]
        return Pass(
            self.loop.name,
            at,
            seen.findings,
            proposals,
            verdicts,
            self._orders(proposals, verdicts, mode, at),
            self._record(proposals, verdicts, mode, view),
            seen.failure,
        )

    def _view(self, at: CityTime) -> View:
        self._ticked_at = at
        return View(self._run, at, self.inputs.tables(), self._knows)

    def _orders(
        self, proposals: Proposals, verdicts: Ints, mode: Ints, at: CityTime
    ) -> Orders | None:
        acts = (verdicts == 0) & (mode == _ACT)
        if not acts.any():
            return None
        return Orders(
            at,
            after(at, proposals.valid_s),
            self._epoch,
            self.loop.priority,
            proposals.rows[acts],
            proposals.actions[acts],
        )

    def _record(self, proposals: Proposals, verdicts: Ints, mode: Ints, view: View) -> Frame | None:
        minds = np.stack([proposals.actions, verdicts, mode])
        shown = mode > _OBSERVE
        fresh = np.flatnonzero(shown & (minds != self._minds[:, proposals.rows]).any(axis=0))
        if not fresh.size:
            return None
        rows = proposals.rows[fresh]
        self._minds[:, rows] = minds[:, fresh]
        names = [self._actuators.names[row] for row in rows]
        told = [proposals.reason(i) for i in fresh.tolist()]
        count = len(names)
        return frame(
            DECISION,
            self._run,
            view.at,
            EntityIds([decision_id(self.loop.name, self._run, view.at, name) for name in names]),
            loop=[self.loop.name] * count,
            actuator=names,
            action=minds[0, fresh],
            verdict=minds[1, fresh],
            mode=minds[2, fresh],
            reason=[self._sentence(r, int(verdicts[i])) for r, i in zip(told, fresh, strict=True)],
            why=[reason.written() for reason in told],
            expiresAt=[after(view.at, proposals.valid_s)] * count,
            inputs=[digest(view)] * count,
            version=[f"{self.loop.version}; {_MADE_WITH}"] * count,
        )

    def _sentence(self, reason: Reason, verdict: int) -> str:
        if not verdict:
            return reason.sentence
        return f"{reason.sentence} Refused: {self._guard.reasons[verdict]}"

    def recall(self, decisions: Frame) -> None:
        """Take minds from a Decision frame of the log, so that they are not recorded twice.

        Rows that name no inputs are no tick's (what became of advice): they change no mind.
        """
        made = (decisions["loop"] == self.loop.name) & (decisions["inputs"] != "")
        for i in np.flatnonzero(made).tolist():
            row = self._actuators.index.get(str(decisions["actuator"][i]))
            if row is not None:
                self._minds[:, row] = [int(decisions[a][i]) for a in ("action", "verdict", "mode")]

    def save(self) -> dict[str, Array]:
        """Everything a new cycle needs to go on from here, as named arrays."""
        state: dict[str, Array] = {f"memory/{name}": a for name, a in self._analyst.save().items()}
        state |= self.inputs.save()
        state["minds"] = self._minds.copy()
        state["ticked_at"] = np.array(-1 if self._ticked_at is None else self._ticked_at)
        return state

    def load(self, state: Mapping[str, Array]) -> bool:
        """Go on from what ``save`` gave; whether something waits to be told the time."""
        memory = {
            name.removeprefix("memory/"): a for name, a in state.items() if name[:7] == "memory/"
        }
        self._analyst.load(memory)
        waits = self.inputs.load(state)
        self._minds = state["minds"].astype(np.int64)
        ticked = int(state["ticked_at"])
        self._ticked_at = None if ticked < 0 else CityTime(ticked)
        return waits


def _placed(proposals: Proposals, rows: Ints | None) -> Proposals:
    """Proposals of some ``rows`` alone, by the rows of the whole."""
    return proposals if rows is None else replace(proposals, rows=rows[proposals.rows])


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def decision_id(loop: str, run: str, at: CityTime, actuator: str) -> str:
    """The same tick of the same loop on the same log always has the same decision ids."""
    return f"urn:ngsi-ld:{DECISION}:{loop}:{run}:{at}:{actuator.rpartition(':')[2]}"


def digest(view: View) -> str:
    """What the loop saw, in 16 hexadecimal letters."""
    state = hashlib.blake2b(digest_size=8)
    for table in view.watches.values():
        state.update(table.observed_at.tobytes())
        for column in table.columns.values():
            state.update(column.tobytes())
    return state.hexdigest()
