"""A twin's line to the hub: frames out, orders in, and nothing lost while the hub is away."""

import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import structlog

from cityloop.city.wire import Hello, Line, Names, OrderColumns, Plans, Reply, Sensed, Welcome, call
from cityloop.kernel.clock import CityTime
from cityloop.kernel.frame import Frame
from cityloop.kernel.loop import Orders, Priority
from cityloop.kernel.ports import Batch
from cityloop.standards.arrow import ids_of, write_batch, write_ids

_log = structlog.get_logger()
PATIENCE_S = 5.0
_KEPT_TICKS = 7200
_RETRY_S = 0.2


class HubLine:
    """Speaks for one run of one source.

    A tick is kept until the hub says that it is committed: at most ``_KEPT_TICKS``, then the
    oldest go, which the gate sees as a gap. Orders for a tick arrive with the next exchange: one
    second of declared latency, so that hub and simulator work at the same time.
    """

    def __init__(self, path: Path, source: str, run: str) -> None:
        self._path = path
        self._hello = Hello(source, run)
        self._line: Line | None = None
        self._kept: deque[Sensed] = deque(maxlen=_KEPT_TICKS)
        self._named: dict[bytes, Names] = {}
        self._sent = 0
        self._answered = 0
        self._orders: tuple[Orders, ...] = ()
        self._retry_at = 0.0
        self._away = False
        self._plans: bytes | None = None

    def take_plans(self) -> bytes | None:
        """Time-of-day plans that came since the last call: the newest, None where none did."""
        plans, self._plans = self._plans, None
        return plans

    def exchange(self, sequence: int, frames: Sequence[Frame]) -> tuple[Orders, ...]:
        """Send tick ``sequence``; the orders for the tick before it, none when the hub is away."""
        batch = Batch(self._hello.source, self._hello.run, sequence, tuple(frames))
        self._kept.append(Sensed(sequence, write_batch(batch)))
        try:
            line = self._line or self._connect()
            if line is None:
                return ()
            self._name(line, batch)
            self._send(line, sequence)
            self._await(line, sequence - 1)
        except (OSError, EOFError) as error:
            self._lose(str(error) or "the line broke")
        orders, self._orders = self._orders, ()
        return orders

    def _name(self, line: Line, batch: Batch) -> None:
        for digest, ids in ids_of(batch).items():
            if digest not in self._named:
                self._named[digest] = Names(write_ids(ids))
                line.send(self._named[digest])

    def _send(self, line: Line, sequence: int) -> None:
        while self._sent < sequence:
            message = self._kept[max(0, self._sent + 1 - self._kept[0].sequence)]
            late = message.sequence < sequence
            line.send(Sensed(message.sequence, message.body, late) if late else message)
            self._sent = message.sequence
            while late and line.ready():
                self._take(line)

    def _await(self, line: Line, sequence: int) -> None:
        while self._answered < sequence:
            self._take(line)

    def _take(self, line: Line) -> None:
        """The next message; raises BlockingIOError, an OSError, when patience ends."""
        message = line.receive()
        if isinstance(message, Reply):
            self._answered = message.sequence
            self._orders += tuple(read_orders(columns) for columns in message.orders)
        if isinstance(message, Plans):
            self._plans = message.body
        if isinstance(message, Reply | Welcome):
            while self._kept and self._kept[0].sequence <= message.committed:
                self._kept.popleft()

    def _connect(self) -> Line | None:
        if time.monotonic() < self._retry_at:
            return None
        line = call(self._path, PATIENCE_S)
        self._line = line
        line.send(self._hello)
        self._take(line)
        for names in self._named.values():
            line.send(names)
        first = self._kept[0].sequence if self._kept else self._sent + 1
        self._sent = self._answered = first - 1
        if self._away:
            _log.info("the hub is back", kept_back=len(self._kept) - 1)
        self._away = False
        return line

    def _lose(self, why: str) -> None:
        if not self._away:
            _log.warning("the hub is away: cabinets turn to their local plans", why=why)
        self._away = True
        if self._line is not None:
            self._line.close()
        self._line, self._orders = None, ()
        self._retry_at = time.monotonic() + _RETRY_S

    def finish(self, patience_s: float) -> int:
        """Wait until everything is committed, while the hub answers; how many ticks are not."""
        give_up = time.monotonic() + patience_s
        while self._kept and self._line is not None and time.monotonic() < give_up:
            try:
                self._line.send(self._hello)
                self._take(self._line)
            except (OSError, EOFError) as error:
                self._lose(str(error) or "the line broke")
        if self._line is not None:
            self._line.close()
        return len(self._kept)


def read_orders(columns: OrderColumns) -> Orders:
    """Orders from the wire."""
    return Orders(
        CityTime(columns.issued_at),
        CityTime(columns.expires_at),
        columns.epoch,
        Priority(columns.priority),
        np.frombuffer(columns.rows, dtype="<i8"),
        np.frombuffer(columns.actions, dtype="<i8"),
    )


def write_orders(orders: Orders) -> OrderColumns:
    """Orders for the wire."""
    return OrderColumns(
        orders.issued_at,
        orders.expires_at,
        orders.epoch,
        int(orders.priority),
        orders.rows.astype("<i8").tobytes(),
        orders.actions.astype("<i8").tobytes(),
    )
