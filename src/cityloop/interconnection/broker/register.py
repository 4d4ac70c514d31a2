"""The register of a tenant's subscriptions: small tables, fsynced before an answer."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeAlias

import msgspec

from cityloop.interconnection.database import Database
from cityloop.kernel.errors import BusyError
from cityloop.standards.cim.terms import Terms

LAYOUT = 1
SCHEMA = """
CREATE TABLE subscriptions(
    s INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, since INTEGER NOT NULL,
    created INTEGER NOT NULL, modified INTEGER NOT NULL, terms INTEGER NOT NULL,
    asked INTEGER NOT NULL, doc TEXT NOT NULL
) STRICT;
CREATE TABLE terms(t INTEGER PRIMARY KEY, kept TEXT NOT NULL) STRICT;
"""
"""``terms``: the @contexts that subscriptions were written with, compiled, so that a start needs
no document and no network."""

_COLUMNS = "s, id, since, created, modified, terms, asked, doc"
_PUT = f"INSERT INTO subscriptions({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_REMOVE = "DELETE FROM subscriptions WHERE s = ?"
_TERMS = "INSERT INTO terms(t, kept) VALUES (?, ?)"

_Change: TypeAlias = tuple[str, Sequence[Any]]


class Registered(NamedTuple):
    """A subscription as it is kept.

    ``s``: its number, never given again. ``since``: writes beyond this log position concern it.
    ``terms``: the number of those it notifies with; ``asked``: of those of its query.
    """

    s: int
    id: str
    since: int
    created: int
    modified: int
    terms: int
    asked: int
    doc: str


class Register:
    """Over ``database``; ``last``: the highest number of a subscription so far. Raises OSError
    when the disk fails."""

    def __init__(self, database: Database, last: int) -> None:
        self._database = database
        self._last = last
        found = database.execute("SELECT t, kept FROM terms ORDER BY t")
        self._texts = {text: t for t, text in found}
        self.terms = {t: Terms.of(msgspec.json.decode(text)) for t, text in found}
        self._numbers = {terms: t for t, terms in self.terms.items()}
        self._thread = ThreadPoolExecutor(1, "register")
        self._queue: list[tuple[list[_Change], asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    def all(self) -> list[Registered]:
        """Every subscription, in the order they were made; before anything is written."""
        found = self._database.execute(f"SELECT {_COLUMNS} FROM subscriptions ORDER BY s")
        return [Registered(*row) for row in found]

    async def number_of(self, terms: Terms) -> int:
        """The number under which these Terms are kept."""
        t = self._numbers.get(terms)
        if t is None:
            text = msgspec.json.encode(terms.kept(), order="sorted").decode()
            t = self._texts.setdefault(text, len(self._texts) + 1)
            if t not in self.terms:
                self.terms[t] = terms
                await self._do((_TERMS, (t, text)))
            self._numbers[terms] = t
        return int(t)

    def next_number(self) -> int:
        """The number of a new subscription."""
        self._last += 1
        return self._last

    async def put(self, row: Registered) -> None:
        """Keep a subscription; durable when this returns."""
        await self._do((_REMOVE, (row.s,)), (_PUT, row))

    async def remove(self, s: int) -> None:
        """Keep a subscription no more."""
        await self._do((_REMOVE, (s,)))

    async def _do(self, *changes: _Change) -> None:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._queue.append((list(changes), done))
        if self._writer is None or self._writer.done():
            self._writer = loop.create_task(self._write())
        await done

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while self._queue:
            group, self._queue = self._queue, []
            try:
                work = [change for changes, _ in group for change in changes]
                await loop.run_in_executor(self._thread, self._commit, work)
            except (OSError, BusyError) as error:
                for _, done in group:
                    if not done.done():
                        done.set_exception(error)
                continue
            for _, done in group:
                if not done.done():
                    done.set_result(None)

    def _commit(self, work: Sequence[_Change]) -> None:
        with self._database.transaction():
            for statement, values in work:
                self._database.execute(statement, values)

    async def close(self) -> None:
        """Let what is queued be written, then let go of the tables."""
        if self._writer is not None:
            await self._writer
        self._thread.shutdown()
        self._database.close()
