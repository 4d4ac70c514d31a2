"""The tracer: once a minute an observation of nothing runs the whole circle, and must come back.

It enters by a gate as a declared device, is committed, turns a loop, passes the guard, reaches the
cabinet of a virtual signal, returns as an outcome through the same gate, is seen in the context.
Where it does not come back, an alarm names the last stage that it passed. It runs in the web's
process, for that can tell people even when the hub cannot.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import structlog

from cityloop.city.alarm_rules import LostTrace, trace_conditions
from cityloop.city.hub_line import read_orders
from cityloop.city.tracer_loop import BANK, IDS, LIMITS, TRACER, TYPE
from cityloop.city.wire import Hello, Line, Names, Sensed, Traced, TraceLost, Welcome, call
from cityloop.kernel.clock import CityTime, Clock, after
from cityloop.kernel.errors import InputError
from cityloop.kernel.figures import Durations, Figure, Told
from cityloop.kernel.frame import Column
from cityloop.kernel.loop import Orders
from cityloop.kernel.ports import Batch
from cityloop.kernel.rows import Rows
from cityloop.kernel.waiting import LIVE
from cityloop.reaction.conditions import Condition
from cityloop.safety.cabinet import CabinetBank, CabinetReport, LocalSensing
from cityloop.standards.arrow import write_batch, write_ids

_log = structlog.get_logger()
STAGES = ("gate", "loop", "guard", "log", "cabinet", "outcome", "context")
"""What a trace passes, in this order."""
_LOOK_S = 0.1
_AGAIN_S = 2.0
_GIVE_UP = 3
"""Times the patience; then what was sent is taken for gone."""
_GREEN_FOR_S = 30


@dataclass(slots=True)
class Trace:
    """One trip. ``passed``: stage → seconds since it was sent."""

    began: float
    passed: dict[str, float] = field(default_factory=dict)

    def passes(self, stage: str) -> None:
        """It has come so far."""
        self.passed.setdefault(stage, time.monotonic() - self.began)

    @property
    def missing(self) -> str:
        """The first stage that it has not passed; empty when it is back."""
        return next((stage for stage in STAGES if stage not in self.passed), "")

    @property
    def last(self) -> str:
        """The stage before that; empty where there is none."""
        return next((s for s in reversed(STAGES[: self._reached]) if s in self.passed), "")

    @property
    def _reached(self) -> int:
        return STAGES.index(self.missing) if self.missing else len(STAGES)


class Tracer:
    """A thread of the web's process. ``reached``: the log position of the context's fold, as the
    worker tells; ``every_s``: from one trace to the next; ``patience_s``: then it is lost.
    """

    def __init__(
        self,
        hub: Path,
        clock: Clock,
        reached: Callable[[], float],
        every_s: float,
        patience_s: float,
    ) -> None:
        self._hub = hub
        self._clock = clock
        self._reached = reached
        self._every_s = every_s
        self._patience_s = patience_s
        self._line: Line | None = None
        self._sequence = 0
        self._waits_since: float | None = None
        self._lost: LostTrace | None = None
        self._took = Durations()
        self._counts = {"returned": 0, "lost": 0}
        self._last: dict[str, float] = {}

    def start(self) -> None:
        """Begin; the first trace leaves after one interval. Off where there is none."""
        if self._every_s > 0:
            threading.Thread(target=self._run, name="tracer", daemon=True).start()

    def conditions(self) -> list[Condition]:
        """What people are to be told now."""
        return list(trace_conditions(self._lost))

    def figures(self) -> Iterator[Told]:
        """How the traces do."""
        for outcome, count in self._counts.items():
            yield Figure("cityloop_traces_total", count, (outcome,))
        yield self._took.spread("cityloop_trace_seconds")
        for stage, took_s in self._last.items():
            yield Figure("cityloop_trace_stage_seconds", took_s, (stage,))
        if self._last:
            yield Figure("cityloop_trace_last_seconds", self._last["outcome"])

    def _run(self) -> None:
        pause, wait_s = threading.Event(), self._every_s
        while True:
            pause.wait(wait_s)
            trace = Trace(time.monotonic())
            if self._waits_since is None:
                self._waits_since = trace.began
            try:
                self._go_round(trace)
                wait_s = max(0.0, self._every_s - (time.monotonic() - trace.began))
            except (OSError, EOFError, InputError) as error:
                _log.debug("a trace has to begin again", why=str(error) or "the hub is away")
                self._part()
                self._look_at_watch(trace)
                wait_s = min(_AGAIN_S, self._every_s)

    def _go_round(self, trace: Trace) -> None:
        """Returns when the trace is back, however long that takes.

        Raises OSError and EOFError where the hub is away.
        """
        line = self._called()
        cabinets = CabinetBank(BANK, LIMITS, CityTime(self._clock() - 1000 * _GREEN_FOR_S))
        at = CityTime(self._clock())
        report = cabinets.step(at, (), LocalSensing())
        self._send(line, report, returned=0)
        told = self._hear(line, trace, "log")
        report = self._act(cabinets, after(at, 0.001), [read_orders(one) for one in told.orders])
        if not report.taken:
            raise InputError("the tracer's cabinet did not take its order")
        trace.passes("cabinet")
        self._send(line, report, returned=1)
        position = self._hear(line, trace, "outcome").position
        self._took.add(trace.passed["outcome"])
        pause = threading.Event()
        while self._reached() < position:
            self._look_at_watch(trace)
            pause.wait(_LOOK_S)
        trace.passes("context")
        self._back(line, trace)

    def _called(self) -> Line:
        if self._line is None:
            line = self._line = call(self._hub, self._patience_s)
            line.send(Hello(TRACER, LIVE))
            welcome = line.receive()
            if not isinstance(welcome, Welcome):
                raise InputError(f"the hub answered {type(welcome).__name__} to the tracer")
            self._sequence = welcome.committed
            line.send(Names(write_ids(IDS)))
        return self._line

    def _act(self, cabinets: CabinetBank, at: CityTime, orders: list[Orders]) -> CabinetReport:
        return cabinets.step(max(at, CityTime(self._clock())), orders, LocalSensing())

    def _send(self, line: Line, report: CabinetReport, *, returned: int) -> None:
        self._sequence += 1
        ages_s = (report.at - report.since) / 1000.0
        columns = {
            "trace": np.array([self._sequence - returned]),
            "returned": np.array([returned]),
            "phase": report.phase,
            "stage": report.stage,
            "stageAge": ages_s.astype(np.float64),
            "inCharge": report.in_charge,
        }
        row = np.zeros(1, dtype=np.int32)
        held = {name: Column(values) for name, values in columns.items()}
        rows = Rows(TYPE, LIVE, IDS, row, np.array([report.at], dtype=np.int64), held)
        batch = Batch(TRACER, LIVE, self._sequence, rows=(rows,))
        line.send(Sensed(self._sequence, write_batch(batch)))

    def _hear(self, line: Line, trace: Trace, until: str) -> Traced:
        """Until what was sent last is durable, which is the stage ``until``.

        Raises InputError when that never comes: another trace may fare better.
        """
        while True:
            if not line.ready(_LOOK_S):
                self._look_at_watch(trace)
                if time.monotonic() - trace.began > _GIVE_UP * self._patience_s:
                    raise InputError(f"the hub says nothing of {until}")
                continue
            told = line.receive()
            if not isinstance(told, Traced) or told.sequence != self._sequence:
                continue
            if told.stage == "log":
                trace.passes(until)
                return told
            if until == "log":
                trace.passes(told.stage)

    def _look_at_watch(self, trace: Trace) -> None:
        """Patience is with all attempts since one came back: a new hub takes seconds."""
        began = trace.began if self._waits_since is None else self._waits_since
        waited_s = time.monotonic() - began
        if self._lost is None and waited_s > self._patience_s:
            self._counts["lost"] += 1
            self._lost = LostTrace(trace.last, trace.missing, round(waited_s, 1), self._clock())
            _log.error("the tracer did not come back", passed=trace.last, missing=trace.missing)
            self._tell(self._lost)

    def _back(self, line: Line, trace: Trace) -> None:
        self._last = dict(trace.passed)
        self._counts["returned"] += 1
        self._lost = self._waits_since = None
        line.send(TraceLost("", "", 0.0, 0))

    def _tell(self, lost: LostTrace) -> None:
        """The hub records the alarm where it can; where not, the web alone tells of it."""
        if self._line is not None:
            with suppress(OSError):  # the line's end is heard where it is read
                if self._line.writable():
                    told = TraceLost(lost.passed, lost.missing, lost.waited_s, lost.since)
                    self._line.send(told)

    def _part(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None
