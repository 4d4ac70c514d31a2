"""The register of a tenant's subscriptions: one small SQLite file, fsynced before an answer."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from cityloop.interconnection.sqlite import (
    SqlValue,
    number,
    open_database,
    rows,
    sqlite_errors,
    transaction,
)
from cityloop.kernel.errors import BusyError

LAYOUT = 1
SCHEMA = """
CREATE TABLE subscriptions(
    s INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, since INTEGER NOT NULL,
    created INTEGER NOT NULL, modified INTEGER NOT NULL, context TEXT NOT NULL,
    asked TEXT NOT NULL, doc TEXT NOT NULL
) STRICT;
"""
_PUT = "INSERT OR REPLACE INTO subscriptions VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_REMOVE = "DELETE FROM subscriptions WHERE s = ?"
_LAST = "SELECT seq FROM sqlite_sequence WHERE name = 'subscriptions'"


class Registered(NamedTuple):
    """A subscription as it is kept.

    ``s``: its number, never given again. ``since``: writes beyond this log position concern it.
    ``context``: the @context it notifies with, as JSON; ``asked``: the one of its query.
    """

    s: int
    id: str
    since: int
    created: int
    modified: int
    context: str
    asked: str
    doc: str


class Register:
    """The file in ``folder``. Raises OSError when the disk fails."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "subscriptions.db"
        self._connection = open_database(
            self.path, SCHEMA, version=LAYOUT, synchronous="FULL", readonly=False
        )
        self._last = number(self._connection, _LAST)
        self._thread = ThreadPoolExecutor(1, "register")
        self._queue: list[tuple[str, Sequence[SqlValue], asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    def all(self) -> list[Registered]:
        """Every subscription, in the order they were made; before anything is written."""
        found = rows(self._connection, "SELECT * FROM subscriptions ORDER BY s")
        return [Registered(*row) for row in found]

    def next_number(self) -> int:
        """The number of a new subscription."""
        self._last += 1
        return self._last

    async def put(self, row: Registered) -> None:
        """Keep a subscription; durable when this returns."""
        await self._do(_PUT, row)

    async def remove(self, s: int) -> None:
        """Keep a subscription no more."""
        await self._do(_REMOVE, (s,))

    async def _do(self, statement: str, values: Sequence[SqlValue]) -> None:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._queue.append((statement, values, done))
        if self._writer is None or self._writer.done():
            self._writer = loop.create_task(self._write())
        await done

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while self._queue:
            group, self._queue = self._queue, []
            try:
                work = [(statement, values) for statement, values, _ in group]
                await loop.run_in_executor(self._thread, self._commit, work)
            except (OSError, BusyError) as error:
                for _, _, done in group:
                    if not done.done():
                        done.set_exception(error)
                continue
            for _, _, done in group:
                if not done.done():
                    done.set_result(None)

    def _commit(self, work: Sequence[tuple[str, Sequence[SqlValue]]]) -> None:
        with sqlite_errors(self.path), transaction(self._connection):
            for statement, values in work:
                self._connection.execute(statement, values)

    async def close(self) -> None:
        """Let what is queued be written, then let go of the file."""
        if self._writer is not None:
            await self._writer
        self._thread.shutdown()
        self._connection.close()
