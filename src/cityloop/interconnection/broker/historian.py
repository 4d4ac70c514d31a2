"""Keeps a tenant's history up with the log: the newest in memory, the rest folded elsewhere."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import structlog

from cityloop.interconnection.broker.held import Written
from cityloop.interconnection.broker.history import open_history, reached
from cityloop.interconnection.broker.store import EntityStore
from cityloop.interconnection.broker.tail import Tail
from cityloop.kernel.errors import BusyError, CorruptError
from cityloop.kernel.ports import API_RUN, API_SOURCE, Position

_log = structlog.get_logger()

Folder: TypeAlias = Callable[[str, Path, Position], Awaitable[Position]]
"""Has the log at a place folded into the history in another one, up to a position at least, by
another process; the position that is reached. Raises OSError when that fails: it may be tried
again."""

_DUE_WRITES, _DUE_BYTES = 16_384, 16 << 20
"""So much in memory is folded at once."""
_MUCH_WRITES, _MUCH_BYTES = 1_024, 1 << 20
_IDLE_S = 5.0
"""So much is where nothing happens for so long."""
_REFILLED_BYTES, _REFILLED_COMMITS = 32 << 20, 4_096
"""So much is read again at a start; more is folded."""
_PAUSE_S = 5.0


class Historian:
    """One tenant's tail and its files; for the thread of the event loop.

    Call ``recover`` once the store has recovered, ``start`` when the event loop runs.
    """

    def __init__(self, store: EntityStore, fold: Folder) -> None:
        self._store = store
        self._fold = fold
        self._task: asyncio.Task[None] | None = None
        self._due = asyncio.Event()
        self._folding = asyncio.Lock()
        self.tail = Tail()
        self.folder = store.tables.folder / "history"
        store.witnesses.append(self._witness)

    def recover(self) -> None:
        """Take into memory what the files lack; where that is much, they are to catch up first."""
        connection = open_history(self.folder, readonly=False)
        position = reached(connection)
        connection.close()
        log = self._store.log
        last = log.last()
        if position > last:
            raise CorruptError(f"{self.folder} is ahead of the log: remove it to rebuild it")
        self.tail.begin(position, position)
        is_near = last - position <= _REFILLED_COMMITS or not log.sequence(API_SOURCE, API_RUN)
        if not (is_near and self.tail.refill(log.read(position), _REFILLED_BYTES)):
            self.tail.begin(position, last)
            self._due.set()

    def start(self) -> None:
        """From now on have the files follow."""
        self._task = asyncio.get_running_loop().create_task(self._follow())

    def _witness(self, done: Sequence[Written], position: Position) -> None:
        tail = self.tail
        tail.take([(one.id, one.body) for one in done], position)
        if tail.writes >= _DUE_WRITES or tail.size >= _DUE_BYTES:
            self._due.set()

    async def _follow(self) -> None:
        while True:
            before = self.tail.last
            with suppress(TimeoutError):
                async with asyncio.timeout(_IDLE_S):
                    await self._due.wait()
            is_idle = self.tail.last == before and self._is_much
            if not self._due.is_set() and not is_idle:
                continue
            self._due.clear()
            try:
                await self.fold()
            except (OSError, BusyError) as error:
                _log.warning("history_behind", why=str(error), again_in_s=_PAUSE_S)
                await asyncio.sleep(_PAUSE_S)
                self._due.set()

    async def fold(self) -> None:
        """Have the files hold all that is acknowledged by now."""
        until = self.tail.last
        async with self._folding:
            self.tail.seal()
            self.tail.drop(await self._fold(self._store.log_place, self.folder, until))

    async def catch_up(self, *, of_many: bool) -> None:
        """Return when files and memory hold all that is acknowledged by now, without a gap.

        ``of_many``: the history of many entities is to be read; there is to be little in memory.
        """
        if self.tail.has_gap or (of_many and self._is_much):
            await self.fold()

    @property
    def _is_much(self) -> bool:
        return self.tail.writes >= _MUCH_WRITES or self.tail.size >= _MUCH_BYTES

    async def close(self) -> None:
        """Have nothing follow any more; the log holds what is in memory."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
