"""A source's line from the intake to the hub: batches out, commits in, nothing lost in between."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import structlog

from cityloop.city.telemetry import ROOT, Telemetry
from cityloop.city.wire import (
    Again,
    AsyncLine,
    CityMoved,
    Committed,
    Hello,
    Names,
    Sensed,
    SourceTold,
    Tried,
    Welcome,
)
from cityloop.kernel.errors import BusyError, InputError
from cityloop.kernel.frame import EntityIds
from cityloop.kernel.ports import Batch
from cityloop.kernel.rows import Rows, joined
from cityloop.perception.together import together
from cityloop.standards.arrow import ids_of, write_batch, write_ids
from cityloop.standards.readings import Fault

_log = structlog.get_logger()
_RETRY_S = 0.2
_IN_FLIGHT = 8
"""Batches under way at once: enough to fill the time of a commit, few enough to grow in between."""
_BATCH_ROWS = 5_000
MOST_WAITING = 100_000
"""Rows, and deliveries, that may wait for the log; the outside world waits before that."""


@dataclass(slots=True, eq=False)
class _Delivery:
    rows: Sequence[Rows]
    faults: Sequence[Fault]
    count: int
    done: "asyncio.Future[None]"
    again: bool


@dataclass(slots=True, eq=False)
class _Sent:
    """A batch that the log may not hold yet, with all that is needed to send it again."""

    message: Sensed
    ids: dict[bytes, EntityIds]
    deliveries: Sequence[_Delivery]
    began_ns: int = field(default_factory=time.time_ns)


class IntakeLine:
    """Speaks for one source and run. What was delivered is kept until the hub says that the log
    holds it; deliveries that wait go together in one batch.

    ``moved`` is told the city's run and time, ``again`` the rejects to be read once more.
    ``telemetry``: traces what was sent until it is settled.
    """

    def __init__(
        self,
        path: Path,
        source: str,
        run: str,
        moved: Callable[[str, int], None],
        again: Callable[[Again], object],
        telemetry: Telemetry | None = None,
    ) -> None:
        self._path = path
        self._hello = Hello(source, run)
        self._moved = moved
        self._again = again
        self._telemetry = telemetry
        self._tried: deque[Tried] = deque()
        self._waiting: deque[_Delivery] = deque()
        self._sent: deque[_Sent] = deque()
        self._rows = 0
        self._sequence = -1
        self._changed = asyncio.Event()
        self._told: SourceTold | None = None
        self._untold = False
        self.away = "the hub has not answered yet"
        """Why nothing gets through at present; else empty."""

    async def deliver(
        self, rows: Sequence[Rows], faults: Sequence[Fault], *, again: bool = False
    ) -> None:
        """Hand over; returns when the log holds it. Raises BusyError when too much waits."""
        count = sum(map(len, rows)) + len(faults) + 1
        if self._rows + count > MOST_WAITING and self._rows:
            why = self.away or "the log is behind"
            raise BusyError(f"{self._rows} rows of {self._hello.source} wait for the log: {why}")
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(_Delivery(rows, faults, count, done, again))
        self._rows += count
        self._changed.set()
        await done

    @property
    def waiting(self) -> int:
        """Rows and deliveries that the log does not hold yet."""
        return self._rows

    def tell(self, told: SourceTold) -> None:
        """Let the hub know how the source is; the newest wins."""
        if told != self._told:
            self._told, self._untold = told, True
            self._changed.set()

    def tried(self, numbers: tuple[int, ...]) -> None:
        """Let the hub know that these rejects were delivered again."""
        self._tried.append(Tried(numbers))
        self._changed.set()

    async def serve(self) -> None:
        """Call the hub and speak with it, again and again, until cancelled."""
        while True:
            try:
                await self._converse(await AsyncLine.call(self._path))
            except (OSError, EOFError) as error:
                if not self.away:
                    _log.warning("the hub is away", source=self._hello.source, why=str(error))
                self.away = "the hub is away"
            await asyncio.sleep(_RETRY_S)

    async def _converse(self, line: AsyncLine) -> None:
        try:
            await line.send(self._hello)
            self._welcomed(await line.receive())
            named: set[bytes] = set()
            for sent in self._sent:
                await self._put(line, sent, named)
            self._untold = self._told is not None
            await together(self._listen(line), self._speak(line, named))
        finally:
            line.close()

    def _welcomed(self, message: object) -> None:
        if not isinstance(message, Welcome):
            raise InputError(f"the hub answered {type(message).__name__} to Hello")
        if self._sequence < 0:
            self._sequence = max(message.committed, message.taken)
        self._settle(message.committed)
        self.away = ""

    async def _listen(self, line: AsyncLine) -> None:
        while True:
            message = await line.receive()
            if isinstance(message, Committed):
                self._settle(message.sequence)
            elif isinstance(message, CityMoved):
                self._moved(message.run, message.now)
            elif isinstance(message, Again):
                self._again(message)

    async def _speak(self, line: AsyncLine, named: set[bytes]) -> None:
        while True:
            if self._untold and self._told is not None:
                self._untold = False
                await line.send(self._told)
            while self._tried:
                await line.send(self._tried.popleft())
            while self._waiting and len(self._sent) < _IN_FLIGHT:
                sent = self._next()
                self._sent.append(sent)
                await self._put(line, sent, named)
            await self._changed.wait()
            self._changed.clear()

    def _next(self) -> _Sent:
        taken = [self._waiting.popleft()]
        rows = taken[0].count
        while (
            self._waiting
            and rows + self._waiting[0].count <= _BATCH_ROWS
            and self._waiting[0].again == taken[0].again
        ):
            taken.append(self._waiting.popleft())
            rows += taken[-1].count
        self._sequence += 1
        parts = tuple(joined(part for delivery in taken for part in delivery.rows))
        batch = Batch(self._hello.source, self._hello.run, self._sequence, rows=parts)
        faults = [fault for delivery in taken for fault in delivery.faults]
        body = msgspec.msgpack.encode(faults) if faults else b""
        again = taken[0].again
        message = Sensed(self._sequence, write_batch(batch), faults=body, again=again)
        return _Sent(message, ids_of(batch), taken)

    async def _put(self, line: AsyncLine, sent: _Sent, named: set[bytes]) -> None:
        for digest, ids in sent.ids.items():
            if digest not in named:
                named.add(digest)
                await line.send(Names(write_ids(ids)))
        await line.send(sent.message)

    def _trace(self, sent: _Sent) -> None:
        key = self._hello.source, self._hello.run, sent.message.sequence
        if self._telemetry is not None and self._telemetry.samples(key):
            self._telemetry.span(key, "deliver", sent.began_ns, time.time_ns(), known_as=ROOT)

    def _settle(self, committed: int) -> None:
        while self._sent and self._sent[0].message.sequence <= committed:
            sent = self._sent.popleft()
            self._trace(sent)
            for delivery in sent.deliveries:
                self._rows -= delivery.count
                if not delivery.done.done():  # nobody waits any more
                    delivery.done.set_result(None)
        self._changed.set()
