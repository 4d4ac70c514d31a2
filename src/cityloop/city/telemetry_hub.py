"""The hub's spans of a sampled batch: gate, each loop's analysis and proposals, guard, log."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

from cityloop.city.hub import Admit, Effects, Hub
from cityloop.city.telemetry import ROOT, Key, Telemetry, during
from cityloop.kernel.clock import CityTime
from cityloop.kernel.loop import Guard, Ints, Loop, Priority, Proposals
from cityloop.kernel.ports import Batch, Position
from cityloop.kernel.view import Memory, View

_TURN = "turn"


class HubSpans:
    """Without ``telemetry`` it hands everything through, and no part is wrapped.

    ``gate``, ``loop`` and ``guard`` wrap the hub's parts before it is built; what they note counts
    only within ``turn`` of a sampled batch.
    """

    def __init__(self, telemetry: Telemetry | None = None) -> None:
        self._telemetry = telemetry
        self._key: Key | None = None
        self._above = ROOT

    def gate(self, gate: Admit) -> Admit:
        """The same gate, noted."""
        return gate if self._telemetry is None else _Gate(gate, self)

    def guard(self, guard: Guard) -> Guard:
        """The same guard, noted."""
        return guard if self._telemetry is None else _Guard(guard, self)

    def loop(self, loop: Loop) -> Loop:
        """The same loop, noted."""
        if self._telemetry is None:
            return loop

        def analyse(view: View, memory: Memory, now: CityTime) -> tuple[Any, Memory]:
            with self.noting(f"analyse {loop.name}"):
                return loop.analyse(view, memory, now)

        def respond(findings: Any) -> Proposals:
            with self.noting(f"respond {loop.name}"):
                return loop.respond(findings)

        return replace(loop, analyse=analyse, respond=respond)

    @contextmanager
    def noting(self, name: str) -> Iterator[None]:
        """A part of the turn of a sampled batch; of any other, nothing."""
        telemetry, key = self._telemetry, self._key
        began_ns = time.time_ns()
        yield
        if telemetry is not None and key is not None:
            telemetry.span(key, name, began_ns, time.time_ns(), below=self._above)

    def turn(self, hub: Hub, batch: Batch, *, late: bool, root: bool = False) -> Effects:
        """``hub.turn``; ``root``: of a batch that no other process sent."""
        telemetry, key = self._telemetry, _key(batch)
        if telemetry is None or not telemetry.samples(key):
            return hub.turn(batch, late=late)
        self._key, self._above, began_ns = key, ROOT if root else _TURN, time.time_ns()
        try:
            return hub.turn(batch, late=late)
        finally:
            self._key = None
            telemetry.span(key, _TURN, began_ns, time.time_ns(), known_as=self._above)

    def during(self, batch: Batch, name: str) -> AbstractContextManager[None]:
        """Note what happens to a batch that does not turn the loops."""
        return during(self._telemetry, _key(batch), name)

    def follow(self, batch: Batch, done: "Future[Position]") -> None:
        """Note when a sampled batch is durable."""
        telemetry, key, began_ns = self._telemetry, _key(batch), time.time_ns()
        if telemetry is not None and telemetry.samples(key):
            done.add_done_callback(lambda _: telemetry.span(key, "log", began_ns, time.time_ns()))

    def close(self) -> None:
        """Send what is left."""
        if self._telemetry is not None:
            self._telemetry.close()


class _Gate:
    def __init__(self, gate: Admit, spans: HubSpans) -> None:
        self._admit: Callable[[Batch], Batch] = gate.admit
        self._spans = spans

    def admit(self, batch: Batch) -> Batch:
        with self._spans.noting("gate"):
            return self._admit(batch)


class _Guard:
    def __init__(self, guard: Guard, spans: HubSpans) -> None:
        self._guard = guard
        self._spans = spans

    @property
    def reasons(self) -> tuple[str, ...]:
        return self._guard.reasons

    def judge(self, rows: Ints, actions: Ints, priority: Priority, view: View) -> Ints:
        with self._spans.noting("guard"):
            return self._guard.judge(rows, actions, priority, view)


def _key(batch: Batch) -> Key:
    return batch.source, batch.run, batch.sequence
