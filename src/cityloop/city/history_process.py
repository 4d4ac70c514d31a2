"""The process that folds the log into the history (design law 8): columns, sorting and compression
cost those who write and read entities nothing.

Broker and process speak in JSON lines over the child's stdin and stdout. It starts with the first
order, and ends after some quiet or when the broker does; after a kill it goes on where it was.
"""

import asyncio
import gc
import os
import select
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import msgspec
import structlog

from cityloop.city.child import end
from cityloop.kernel.errors import BusyError, CorruptError
from cityloop.kernel.ports import Position

_log = structlog.get_logger()

_QUIET_S = 30.0
_CLOSE_S = 10.0
_NICE = 5
_TRIES = 2
_FAULTS = OSError, BusyError, CorruptError
_SEGMENT_BYTES = 32 << 20
_SEGMENTS_AT_ONCE = 4
"""Then it is the turn of a fold that waits."""
_COMMAND = "from cityloop.city.history_process import main; main()"


class Order(msgspec.Struct, array_like=True, frozen=True, tag="fold"):
    """Fold the log at ``log`` (a ``Place``) up to ``until``; the answer: the position reached."""

    log: str
    history: str
    until: int


class Pack(msgspec.Struct, array_like=True, frozen=True, tag="pack"):
    """Move some of the log at ``log`` to segments; the answer: how many."""

    log: str


class Answer(msgspec.Struct, array_like=True, frozen=True):
    """What came of an order; or what went wrong."""

    number: int
    error: str = ""


_read_order = msgspec.json.Decoder(Order | Pack).decode


class HistoryProcess:
    """The broker's side, for all its tenants."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()
        self._is_closed = False

    async def fold(self, log: str, history: Path, until: Position) -> Position:
        """``historian.Folder``: has the process do it."""
        return Position(await self._have_done(Order(log, str(history), until)))

    async def pack(self, log: Path) -> int:
        """``packing.Pack``: has the process do it."""
        return await self._have_done(Pack(str(log)))

    async def _have_done(self, order: Order | Pack) -> int:
        line = msgspec.json.encode(order) + b"\n"
        # Whoever asks may be cancelled: the answer is to be taken off the line all the same.
        answer = await asyncio.shield(asyncio.create_task(self._answer(line)))
        if answer.error:
            raise OSError(answer.error)
        return answer.number

    async def _answer(self, line: bytes) -> Answer:
        async with self._lock:
            for _ in range(_TRIES):
                if not self._is_closed and (answer := await self._ask(line)):
                    return answer
        return Answer(0, "the process that folds and packs the log ended; see what it said before")

    async def _ask(self, line: bytes) -> Answer | None:
        """None where the process ended instead, of quiet or of a fault."""
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                _COMMAND,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
        stdin, stdout = self._process.stdin, self._process.stdout
        told = b""
        if stdin is not None and stdout is not None:
            with suppress(ConnectionError):
                stdin.write(line)
                await stdin.drain()
                told = await stdout.readline()
        if told:
            return msgspec.json.decode(told, type=Answer)
        ended, self._process = self._process, None
        await ended.wait()
        return None

    async def close(self) -> None:
        """End it; what it had under way is done again by the next one."""
        self._is_closed = True
        if self._process is not None:
            await end(self._process, _CLOSE_S)
        async with self._lock:  # whoever asked is told
            self._process = None


def main() -> None:
    """The process's side: until stdin ends, or nothing is to do."""
    # Ctrl-C reaches all processes of a terminal; the broker ends this one in its own time.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICE)
    gc.disable()  # nothing it makes hangs on itself, and there is much of it
    # Opened unbuffered: what select has not seen must not lie in a buffer.
    with open(0, "rb", buffering=0, closefd=False) as stdin:

        def is_told(within_s: float) -> bool:
            return bool(select.select([stdin], [], [], within_s)[0])

        while is_told(_QUIET_S):
            line = stdin.readline()
            if not line:
                return
            order: Order | Pack = _read_order(line)
            try:
                if isinstance(order, Pack):
                    _answer(_packed(order))
                else:
                    _carry_out(order, lambda: is_told(0))
            except BrokenPipeError:  # who asked was killed; another one will ask again
                return


def _carry_out(order: Order, is_told: Callable[[], bool]) -> None:
    """Fold and answer; then, until more is to do, make few files of many: nobody waits for it."""
    from cityloop.city.clock import wall_time
    from cityloop.interconnection.broker.history import HistoryFold
    from cityloop.interconnection.tenant import open_log, read_place

    with ExitStack() as opened:
        try:
            log = opened.enter_context(
                closing(open_log(read_place(order.log), wall_time, readonly=True))
            )
            history = opened.enter_context(closing(HistoryFold(Path(order.history))))
            answer = Answer(history.fold(log, Position(order.until)))
        except _FAULTS as error:
            answer = Answer(0, f"{order.history} stays behind its log: {error}")
        _answer(answer)
        try:
            while not answer.error and not is_told() and history.merge():
                pass
        except _FAULTS as error:
            _log.warning("history_in_many_files", why=str(error))


def _answer(answer: Answer) -> None:
    # Not by way of a buffer, which would try again when the interpreter ends.
    os.write(1, msgspec.json.encode(answer) + b"\n")


def _packed(order: Pack) -> Answer:
    from cityloop.city.clock import wall_time
    from cityloop.interconnection.compaction import compact_bytes
    from cityloop.interconnection.tenant import open_log, read_place

    try:
        with closing(open_log(read_place(order.log), wall_time, readonly=True)) as log:
            return Answer(compact_bytes(log, _SEGMENT_BYTES, at_most=_SEGMENTS_AT_ONCE))
    except _FAULTS as error:
        return Answer(0, f"{order.log} is not packed: {error}")
