"""The hub's side of the tracer: its observation passes a gate, the log, a loop and the guard here.

It has gate, loop and actuator of its own, so that it touches no figure of the city; log, writer,
guard and wire are the city's, for they are what it is to prove.
"""

import os
from collections import deque
from concurrent.futures import Future
from functools import partial

import numpy as np
import structlog

from cityloop.city.alarm_rules import LostTrace
from cityloop.city.hub_line import write_orders
from cityloop.city.tracer_loop import BANK, IDS, LIMITS, TRACER, TYPE, Known, loop
from cityloop.city.wire import Line, Message, Names, Sensed, Traced, TraceLost, Welcome
from cityloop.interconnection.tenant import Tenant
from cityloop.interconnection.writer import LogWriter
from cityloop.kernel.clock import CityTime, Clock, WallTime
from cityloop.kernel.cycle import Cycle
from cityloop.kernel.errors import InputError
from cityloop.kernel.frame import EntityIds
from cityloop.kernel.loop import Mode, Orders
from cityloop.kernel.ports import Batch, Position
from cityloop.kernel.waiting import LIVE
from cityloop.perception.devices import Declared
from cityloop.perception.live_gate import LiveGate, LiveSource
from cityloop.safety.guard import SignalGuard
from cityloop.standards.arrow import read_batch, read_ids
from cityloop.standards.attributes import declared

_log = structlog.get_logger()
LATE_S, AHEAD_S = 600.0, 5.0
_ACT = np.array([Mode.ACT], dtype=np.int64)


class TracerDesk:
    """Serves the tracer's line. ``fileno`` becomes readable when something was committed: then call
    ``acknowledge``. ``most_s``: without a word of it for so long, its sender is taken for lost.
    """

    def __init__(
        self, tenant: Tenant, writer: LogWriter, clock: Clock, epoch: int, most_s: float
    ) -> None:
        self._tenant = tenant
        self._writer = writer
        self._clock = clock
        self._most_s = most_s
        source = LiveSource(TRACER, Declared({TYPE: IDS}), LATE_S, AHEAD_S)
        self._gate = LiveGate([source], declared(), _say_refused)
        self._guard = SignalGuard(BANK, LIMITS)
        self._epoch = epoch
        self._line: Line | None = None
        self._ids: dict[bytes, EntityIds] = {}
        self._durable: deque[tuple[int, Position, Orders | None]] = deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK)
        self._told: LostTrace | None = None
        self._heard = clock()

    def fileno(self) -> int:
        """So that a selector can wait for it."""
        return self._wake

    def serves(self, source: str) -> bool:
        """Whether ``source`` is the tracer."""
        return source == TRACER

    def knows(self, line: Line) -> bool:
        """Whether the tracer speaks on ``line``."""
        return line is self._line

    def hello(self, line: Line) -> None:
        """The tracer's line introduces itself."""
        self._line, self._told = line, None
        self._ids.clear()
        line.send(Welcome(self._tenant.log.sequence(TRACER, LIVE)))

    def part(self, line: Line) -> None:
        """A line is gone; of the tracer or of anybody."""
        if line is self._line:
            self._line = self._told = None
            self._heard = self._clock()

    def take(self, line: Line, message: Message) -> None:
        """What the tracer says.

        Raises InputError for what cannot be read, BusyError when the log is full: the line is to be
        cut then.
        """
        self._heard = self._clock()
        match message:
            case Sensed():
                self._sensed(message)
            case Names():
                ids = read_ids(message.body)
                self._ids[ids.digest] = ids
            case TraceLost():
                since = WallTime(message.since)
                lost = LostTrace(message.passed, message.missing, message.waited_s, since)
                self._told = lost if message.missing else None
            case _:
                raise InputError(f"{type(message).__name__} is no message of the tracer")

    def lost(self) -> LostTrace | None:
        """What became of the newest trace, where it did not come back."""
        silent_s = (self._clock() - self._heard) / 1000
        if self._line is not None and silent_s > self._most_s:
            return LostTrace("", "web", round(silent_s), self._heard)
        return self._told

    def _sensed(self, message: Sensed) -> None:
        now = self._clock()
        accepted = self._gate.admit(read_batch(message.body, self._ids), CityTime(now))
        if not accepted.rows:
            return
        self._say(Traced(message.sequence, "gate"))
        done = self._writer.submit(accepted)
        orders = self._turn(accepted, message.sequence, now)
        done.add_done_callback(partial(self._kept, message.sequence, orders))

    def _turn(self, accepted: Batch, sequence: int, now: WallTime) -> Orders | None:
        """The loop's tick, and what the guard lets pass of it."""
        # Afresh each time: where the clock was set back, what is remembered would be the newest.
        knows, ids = {"tracer": Known()}, BANK.ids
        cycle = Cycle(loop, knows, self._guard, ids, run=LIVE, epoch=self._epoch)
        for part in accepted.rows:
            cycle.hear(part)
        at = CityTime(now)
        cycle.inputs.tell_time(at, now)
        done = cycle.tick(at, _ACT)
        if done.failure:
            _log.error("the tracer's loop failed", why=done.failure)
            return None
        self._say(Traced(sequence, "loop"))
        if done.orders is not None:
            self._say(Traced(sequence, "guard"))
        return done.orders

    def _kept(self, sequence: int, orders: Orders | None, done: "Future[Position]") -> None:
        """In the writer's thread: it is durable, or never will be."""
        if not done.cancelled() and done.exception() is None:
            self._durable.append((sequence, done.result(), orders))
            os.eventfd_write(self._wake, 1)

    def acknowledge(self) -> None:
        """Tell the tracer what has become durable; only now its order leaves."""
        os.eventfd_read(self._wake)
        while self._durable:
            sequence, position, orders = self._durable.popleft()
            given = (write_orders(orders),) if orders is not None else ()
            self._say(Traced(sequence, "log", position, given))

    def _say(self, message: Message) -> None:
        line = self._line
        if line is None:
            return
        try:
            if line.writable():
                line.send(message)
        except OSError:
            _log.info("the tracer's line is gone")

    def close(self) -> None:
        """Let go of what wakes the hub."""
        os.close(self._wake)


def _say_refused(rejects: object) -> None:
    _log.warning("the tracer's gate refused its observation", rejects=str(rejects))
