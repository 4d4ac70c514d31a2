"""Keeps the log of a broker small: in quiet moments, what has grown long moves to segments.

Nothing is forgotten: a segment is the log still, in a twentieth of the room.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import structlog

from cityloop.interconnection.broker.store import EntityStore
from cityloop.kernel.errors import BusyError
from cityloop.kernel.ports import Position

_log = structlog.get_logger()

Pack: TypeAlias = Callable[[Path], Awaitable[int]]
"""Has another process move some of the log in a folder to segments; how many it wrote. Raises
OSError when that fails."""

_QUIET_S = 5.0
_LONG_BYTES = 128 << 20
"""A file of rows that is shorter stays as it is."""
_TOO_LONG_BYTES = 8 << 30
"""One that is longer is packed even if there is no quiet."""


class Packing:
    """Of one tenant with a log of its own; for the thread of the event loop."""

    def __init__(
        self,
        store: EntityStore,
        pack: Pack,
        quiet_s: float = _QUIET_S,
        long_bytes: int = _LONG_BYTES,
    ) -> None:
        self._store = store
        self._pack = pack
        self._quiet_s = quiet_s
        self._long_bytes = long_bytes
        self._rows = store.tables.folder / "log.db"
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """From now on look after it."""
        self._task = asyncio.get_running_loop().create_task(self._look_after())

    async def _look_after(self) -> None:
        last: Position | None = None
        packed: Position | None = None
        while True:
            await asyncio.sleep(self._quiet_s)
            before, last = last, self._store.log.last()
            size = self._rows.stat().st_size
            is_quiet = before == last and size > self._long_bytes
            if last != packed and (is_quiet or size > _TOO_LONG_BYTES):
                packed = None if await self._packed() else last

    async def _packed(self) -> bool:
        """Whether there may be more to do."""
        try:
            return await self._pack(self._store.tables.folder) > 0
        except (OSError, BusyError) as error:
            _log.warning("log_not_packed", why=str(error))
            return False

    async def close(self) -> None:
        """Look after it no more; what is under way ends in the other process."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
