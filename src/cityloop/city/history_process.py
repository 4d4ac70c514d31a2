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

from cityloop.kernel.errors import BusyError, CorruptError
from cityloop.kernel.ports import Position

_log = structlog.get_logger()

_QUIET_S = 30.0
_CLOSE_S = 10.0
_NICE = 5
_TRIES = 2
_FAULTS = OSError, BusyError, CorruptError
_COMMAND = "from cityloop.city.history_process import main; main()"


class Order(msgspec.Struct, array_like=True, frozen=True):
    """Fold the log in the folder ``log`` up to ``until``."""

    log: str
    history: str
    until: int


class Answer(msgspec.Struct, array_like=True, frozen=True):
    """What was reached; or what went wrong."""

    position: int
    error: str = ""


class HistoryProcess:
    """The broker's side, for all its tenants."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()
        self._is_closed = False

    async def fold(self, log: Path, history: Path, until: Position) -> Position:
        """``historian.Folder``: has the process do it."""
        line = msgspec.json.encode(Order(str(log), str(history), until)) + b"\n"
        # Whoever asks may be cancelled: the answer is to be taken off the line all the same.
        answer = await asyncio.shield(asyncio.create_task(self._answer(line)))
        if answer.error:
            raise OSError(answer.error)
        return Position(answer.position)

    async def _answer(self, line: bytes) -> Answer:
        async with self._lock:
            for _ in range(_TRIES):
                if not self._is_closed and (answer := await self._ask(line)):
                    return answer
        return Answer(0, "the process that folds the history ended; see what it said before")

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
        process = self._process
        if process is not None and process.stdin is not None:
            process.stdin.close()
            try:
                await asyncio.wait_for(process.wait(), _CLOSE_S)
            except TimeoutError:
                process.kill()
                await process.wait()
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
            _carry_out(msgspec.json.decode(line, type=Order), lambda: is_told(0))


def _carry_out(order: Order, is_told: Callable[[], bool]) -> None:
    """Fold and answer; then, until more is to do, make few files of many: nobody waits for it."""
    from cityloop.city.clock import wall_time
    from cityloop.interconnection.broker.history import HistoryFold
    from cityloop.interconnection.log import SqliteLog

    with ExitStack() as opened:
        try:
            log = opened.enter_context(
                closing(SqliteLog(Path(order.log), wall_time, readonly=True))
            )
            history = opened.enter_context(closing(HistoryFold(Path(order.history))))
            answer = Answer(history.fold(log, Position(order.until)))
        except _FAULTS as error:
            answer = Answer(0, f"{order.history} stays behind its log: {error}")
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()
        try:
            while not answer.error and not is_told() and history.merge():
                pass
        except _FAULTS as error:
            _log.warning("history_in_many_files", why=str(error))
