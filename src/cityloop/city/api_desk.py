"""The hub's side of the API: appends what clients wrote, and lets the loops see it."""

import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial

import msgspec
import structlog

from cityloop.city.wire import Committed, Hello, Line, Message, Names, Sensed, Welcome
from cityloop.interconnection.log import StoredLog
from cityloop.interconnection.writer import LogWriter
from cityloop.kernel.changes import Reject
from cityloop.kernel.clock import CityTime
from cityloop.kernel.errors import BusyError, InputError
from cityloop.kernel.frame import EntityIds
from cityloop.kernel.ports import API_RUN, API_SOURCE, Batch, Position
from cityloop.perception.open_gate import OpenGate
from cityloop.standards.arrow import read_batch, read_ids
from cityloop.standards.readings import Fault

_log = structlog.get_logger()
_LOG_WAITING = 512
"""So many batches may wait for the log; the rest of its queue is for twins."""
_read_faults = msgspec.msgpack.Decoder(list[Fault]).decode


class ApiDesk:
    """Serves the line of the context broker for one hub; there is one batch under way at a time.

    ``now``: city time. ``heard`` is given what was accepted, ``reject`` what loops may not see.
    ``fileno`` becomes readable when something was committed: then call ``acknowledge``.
    """

    def __init__(
        self,
        gate: OpenGate,
        log: StoredLog,
        writer: LogWriter,
        now: Callable[[], CityTime],
        heard: Callable[[Batch], None],
        reject: Callable[[Sequence[Reject]], None],
    ) -> None:
        self._gate = gate
        self._writer = writer
        self._now = now
        self._heard = heard
        self._reject = reject
        self._line: Line | None = None
        self._ids: dict[bytes, EntityIds] = {}
        self._committed = self._taken = log.sequence(API_SOURCE, API_RUN)
        self._durable: deque[int] = deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK)

    def fileno(self) -> int:
        """So that a selector can wait for it."""
        return self._wake

    def serves(self, source: str) -> bool:
        """Whether ``source`` is the API."""
        return source == API_SOURCE

    def knows(self, line: Line) -> bool:
        """Whether the broker speaks on ``line``."""
        return line is self._line

    def hello(self, line: Line) -> None:
        """The broker's line introduces itself; it may be another one than before."""
        self._line = line
        self._ids.clear()
        line.send(Welcome(self._committed, self._taken))

    def part(self, line: Line) -> None:
        """A line is gone; of the broker or of anybody."""
        if line is self._line:
            self._line = None

    def take(self, line: Line, message: Message) -> None:
        """What the broker says. Raises BusyError when the log is full, InputError for what cannot
        be read: the line is to be cut then.
        """
        match message:
            case Sensed():
                self._sensed(message)
            case Names():
                ids = read_ids(message.body)
                self._ids[ids.digest] = ids
            case Hello():
                line.send(Welcome(self._committed, self._taken))
            case _:
                raise InputError(f"{type(message).__name__} is no message of the broker")

    def _sensed(self, message: Sensed) -> None:
        if message.sequence <= self._taken:
            self._tell()
            return
        batch = read_batch(message.body, self._ids)
        self._ids.clear()
        if (batch.source, batch.run, batch.sequence) != (API_SOURCE, API_RUN, self._taken + 1):
            raise InputError(f"batch {batch.sequence} came after {self._taken}")
        depth = self._writer.state().depth
        if depth >= _LOG_WAITING:
            raise BusyError(f"the log has {depth} batches waiting")
        now = self._now()
        accepted = self._gate.admit(batch, now)
        self._writer.submit(accepted).add_done_callback(partial(self._kept, batch.sequence))
        self._taken = batch.sequence
        self._heard(accepted)
        if message.faults:
            faults = _read_faults(message.faults)
            self._reject([fault.reject(API_SOURCE, API_RUN, now) for fault in faults])

    def _kept(self, sequence: int, done: "Future[Position]") -> None:
        """In the writer's thread: a batch is durable, or never will be."""
        if done.cancelled() or isinstance(done.exception(), BusyError):
            return
        if done.exception() is not None:
            _log.error("a write was refused by the log", why=str(done.exception()))
            sequence = -sequence
        self._durable.append(sequence)
        os.eventfd_write(self._wake, 1)

    def acknowledge(self) -> None:
        """Tell the broker what has become durable."""
        os.eventfd_read(self._wake)
        while self._durable:
            sequence = self._durable.popleft()
            if sequence > 0:
                self._committed = sequence
            else:
                self._taken = self._committed
        self._tell()

    def _tell(self) -> None:
        line = self._line
        if line is None or self._committed < self._taken:
            return
        try:
            if line.writable():
                line.send(Committed(self._committed))
                return
        except OSError:
            _log.info("the broker's line is gone")
        line.hang_up()
        self._line = None

    def close(self) -> None:
        """Let go of what wakes the hub."""
        os.close(self._wake)
