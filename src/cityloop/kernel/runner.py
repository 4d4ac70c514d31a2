"""Many cycles over one log: every batch turns the loops that are due."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from cityloop.kernel.clock import CityTime
from cityloop.kernel.cycle import DECISION, Analyst, Cycle, Pass, Seen
from cityloop.kernel.frame import Array, EntityIds, Frame
from cityloop.kernel.inputs import Inputs
from cityloop.kernel.loop import Guard, Ints, Loop
from cityloop.kernel.ports import API_RUN, Batch, Commit
from cityloop.kernel.waiting import CITY_CLOCK, LIVE, wall_of

Modes = Callable[[str], Ints]
"""Loop name → a Mode per actuator, shape (J,)."""

Timer = Callable[[], float]
"""Seconds since some moment; only differences mean anything, and no decision rests on them."""


class Workers(Protocol):
    """Where loops run that do not run in the hub.

    They follow what the hub turns: a fold of the same batches, in the same order.
    """

    def feed(self, batch: Batch) -> None:
        """Hand over a batch that loops watch. Raises nothing, and waits for nobody."""
        ...

    def analyst(self, loop: Loop) -> Analyst | None:
        """Where ``loop`` is analysed, at the start of a run or of a version; None: in the hub."""
        ...

    def install(self, loop: Loop) -> None:
        """Another version of the loop of that name begins, with fresh memory."""
        ...


class Runner:
    """All loops of one bank of actuators, for the run that the log shows.

    The state is a fold of the log: ``replay`` of its commits gives the state of a runner that was
    never interrupted, from the start of the run or from what ``save`` gave at some position.
    ``took_s``: by loop, how long its newest tick took by ``timer``. ``stand_for``: device → the
    entity in whose name it speaks, such as the detector of the lane that it counts. ``watched``:
    further types, of loops that are turned elsewhere, with which the time of ticks goes on.
    """

    def __init__(
        self,
        loops: Sequence[Loop],
        knows: Mapping[str, Any],
        guard: Guard,
        actuators: EntityIds,
        *,
        epoch: int = 1,
        timer: Timer = float,
        stand_for: Mapping[str, str] = MappingProxyType({}),
        workers: Workers | None = None,
        watched: Iterable[str] = (),
    ) -> None:
        self._loops = tuple(loops)
        self._knows = knows
        self._guard = guard
        self._actuators = actuators
        self._epoch = epoch
        self._timer = timer
        self._further = frozenset(watched)
        self._watched = self._further | watched_types(self._loops)
        self._stand_for = stand_for
        self._workers = workers
        self.took_s: dict[str, float] = {}
        self.run = ""
        self.cycles: tuple[Cycle, ...] = ()
        self._on_the_wall = False
        self.waits = False
        """Whether live sources said something that waits for a tick with a ``CityClock`` frame."""

    @property
    def every_s(self) -> list[float]:
        """City seconds between two ticks of each loop."""
        return [loop.every_s for loop in self._loops]

    def begin(self, run: str, *, on_the_wall: bool = False) -> None:
        """Start a run with fresh memory, and with empty tables: city time is another than before.

        ``on_the_wall``: it is wall time; from one such run to the next the tables stay.
        """
        goes_on = on_the_wall and self._on_the_wall
        inputs = [cycle.inputs for cycle in self.cycles] if goes_on else [None] * len(self._loops)
        self.run, self._on_the_wall = run, on_the_wall
        self.waits = self.waits and goes_on
        self.cycles = tuple(map(self._cycle, self._loops, inputs))

    def _cycle(self, loop: Loop, inputs: Inputs | None = None) -> Cycle:
        return Cycle(
            loop,
            self._knows,
            self._guard,
            self._actuators,
            run=self.run,
            epoch=self._epoch,
            inputs=inputs or Inputs(loop, self._knows, self._stand_for),
            analyst=None if self._workers is None else self._workers.analyst(loop),
        )

    @property
    def watched(self) -> frozenset[str]:
        """The types that any loop watches, and that of the clock."""
        return self._watched

    def install(self, loop: Loop) -> None:
        """Put another version in the place of the loop of its name; its memory starts fresh."""
        self._loops = tuple(loop if old.name == loop.name else old for old in self._loops)
        self._watched = self._further | watched_types(self._loops)
        if self._workers is not None:
            self._workers.install(loop)
        self.cycles = tuple(
            self._cycle(loop) if cycle.loop.name == loop.name else cycle for cycle in self.cycles
        )

    def turn(self, batch: Batch, modes: Modes) -> tuple[Batch, tuple[Pass, ...]]:
        """Fold a batch, tick what is due; the batch with its decisions added, and the passes."""
        self._feed(batch)
        at = self._fold(batch)
        if at is None:
            return batch, ()
        passes = tuple(self._tick(c, at, modes(c.loop.name)) for c in self.cycles if c.due(at))
        decisions = tuple(p.decisions for p in passes if p.decisions is not None)
        return replace(batch, frames=batch.frames + decisions) if decisions else batch, passes

    def _tick(self, cycle: Cycle, at: CityTime, modes: Ints) -> Pass:
        began = self._timer()
        done = cycle.tick(at, modes)
        self.took_s[done.loop] = self._timer() - began
        return done

    def remember(self, batch: Batch) -> None:
        """Fold a batch that is too old to act on: tables and memory advance, nothing is ordered."""
        self._feed(batch)
        self.follow(batch)

    def follow(self, batch: Batch) -> list[tuple[str, CityTime, Seen]]:
        """Fold a batch and analyse what is due: which loop at which time saw what."""
        at = self._fold(batch)
        if at is None:
            return []
        return [(c.loop.name, at, c.remember(at)) for c in self.cycles if c.due(at)]

    def replay(self, commits: Iterable[Commit]) -> None:
        """Fold what the log holds, recorded decisions included."""
        for commit in commits:
            self.take_in(commit.batch)
            self.follow(commit.batch)
            for part in commit.batch.frames:
                if part.type == DECISION:
                    for cycle in self.cycles:
                        cycle.recall(part)

    def hear(self, batch: Batch) -> None:
        """Take in the rows of a live source, or of clients of the API, which are stamped with the
        city's own time; the next tick sees them, and nothing is decided."""
        self._feed(batch)
        self.take_in(batch)

    def _feed(self, batch: Batch) -> None:
        if self._workers is not None:
            self._workers.feed(batch)

    def take_in(self, batch: Batch) -> None:
        """``hear`` without telling the workers, who follow the log by themselves."""
        for part in batch.rows:
            if part.type in self._watched and part.run in (LIVE, API_RUN, self.run):
                for cycle in self.cycles:
                    self.waits |= cycle.hear(part)

    def _fold(self, batch: Batch) -> CityTime | None:
        """The newest city time among the watched frames; None when no loop watches any."""
        seen = [part for part in batch.frames if part.type in self._watched]
        if not seen:
            return None
        if batch.run != self.run:
            self.begin(batch.run, on_the_wall=all(part.type == CITY_CLOCK for part in seen))
        for cycle in self.cycles:
            cycle.see(seen)
        if seen[-1].type == CITY_CLOCK:
            self._tell_time(seen[-1])
        return max(part.observed_at for part in seen)

    def _tell_time(self, clock: Frame) -> None:
        for cycle in self.cycles:
            cycle.inputs.tell_time(clock.observed_at, wall_of(clock))
        self.waits = False

    def save(self) -> dict[str, Array]:
        """The state of every cycle as named arrays, with the run's name among them."""
        state: dict[str, Array] = {
            "run": np.array(self.run),
            "on_the_wall": np.array(self._on_the_wall),
        }
        for cycle in self.cycles:
            state |= {f"{cycle.loop.name}|{name}": a for name, a in cycle.save().items()}
            state[f"{cycle.loop.name}|version"] = np.array(cycle.loop.version)
        return state

    def load(self, state: Mapping[str, Array]) -> None:
        """Go on from what ``save`` gave; a loop that it does not hold, or holds the memory of
        another version of, starts afresh."""
        if not state["run"]:
            return  # nothing had begun
        self.begin(str(state["run"]), on_the_wall=bool(state["on_the_wall"]))
        for cycle in self.cycles:
            prefix = f"{cycle.loop.name}|"
            own = {n.removeprefix(prefix): a for n, a in state.items() if n.startswith(prefix)}
            if own and str(own.get("version", "")) == cycle.loop.version:
                self.waits |= cycle.load(own)


def watched_types(loops: Iterable[Loop]) -> frozenset[str]:
    """The types that any of ``loops`` watches, and that of the clock."""
    types = {watch.type for loop in loops for watch in loop.watches.values()}
    return frozenset({CITY_CLOCK} | types)
