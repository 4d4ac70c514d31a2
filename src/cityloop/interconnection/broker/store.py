"""The entities of one tenant over its log: read, written together, found again after a crash.

The record of a write is its row in the log, fsynced before it is acknowledged; several operations
share one fsync (group commit). The tables follow. A reader sees what is acknowledged, a writer also
what is queued before it, so of two writers on one entity the second builds on the first.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias

import structlog

from cityloop.interconnection.broker.held import Held, Written, written
from cityloop.interconnection.broker.ports import BrokerTables, State, StoreLog
from cityloop.interconnection.durable import make_folder
from cityloop.kernel.clock import Clock
from cityloop.kernel.errors import BusyError, CorruptError
from cityloop.kernel.ports import API_RUN, API_SOURCE, Batch, Commit, Position
from cityloop.standards.cim.kept import Kept
from cityloop.standards.cim.writes import Alter, Write, applied, read_write

_log = structlog.get_logger()

_MOST_IN_GROUP = 1_000
MOST_QUEUED = 50_000

Fold: TypeAlias = Callable[[Sequence[Written], Position], None]
"""Takes in one commit, within the transaction of the tables and before it is acknowledged; called
again for it after a crash exactly when that transaction was lost."""

Witness: TypeAlias = Callable[[Sequence[Written], Position], None]
"""Sees one commit just before it is acknowledged, in memory alone: it must not fail."""


@dataclass(slots=True)
class _Waiting:
    written: Sequence[Written]
    done: "asyncio.Future[Position]"


class EntityStore:
    """Entities of one tenant in ``tables``; one process and one event loop use it.

    ``clock``: wall time. ``log``: where writes go, by default one of its own; ``log_place``: where
    that is, for other processes. Raises OSError when the disk fails, CorruptError when what is
    stored fails its check. Call ``recover`` first, once all ``folds`` are in place.
    """

    def __init__(
        self,
        tables: BrokerTables,
        clock: Clock,
        log: StoreLog | None = None,
        log_place: str = "",
    ) -> None:
        make_folder(tables.folder, 0o700)
        self.clock = clock
        self.tables = tables
        self.log: StoreLog = log or tables.log()
        self.log_place = log_place or tables.log_place
        self.state: State = tables.state()
        self.folds: list[Fold] = []
        self.watchers: list[Fold] = []
        self.witnesses: list[Witness] = []
        self.renewed: list[Callable[[], None]] = []
        self._pending: dict[str, Written] = {}
        self._queue: list[_Waiting] = []
        self._queued = 0
        self._writer: asyncio.Task[None] | None = None
        self._threads = ThreadPoolExecutor(2, "entity-store")
        self._checkpoint: asyncio.Future[None] | None = None
        self._behind = False
        self._lost = False
        self._own = log is None
        known = self.log.sequence(API_SOURCE, API_RUN) if self._own else self.state.sequence
        self._sequence = known

    def recover(self) -> None:
        """Fold in what the log holds beyond the tables, after a kill or a power cut."""
        if self.state.position > self.log.last():
            raise CorruptError(f"{self.state.place} is ahead of the log: remove it to rebuild it")
        if self._own or self.log.sequence(API_SOURCE, API_RUN) != self.state.sequence:
            for commit in self.log.read(self.state.position):
                self._sequence = commit.batch.sequence
                self._take_in(self._replayed(commit), commit.position)
        self._behind = False

    def catch_up(self) -> None:
        """Have the tables hold all that is acknowledged, where they were lost or fell behind; for
        whoever is about to read them. Raises OSError while they cannot be reached."""
        if self.state.renew():
            self._behind = self._lost = True
        if self._behind:
            self.recover()
        if self._lost:
            self._lost = False
            for renewed in self.renewed:
                renewed()

    def _replayed(self, commit: Commit) -> list[Written]:
        done: list[Written] = []
        latest: dict[str, Held | None] = {}
        for body in commit.batch.writes:
            write = read_write(body)
            before = latest[write.id] if write.id in latest else self.state.find(write.id)
            kept = applied(before.kept if before else self._unread(write), write)
            key = before.key if before else self.state.next_key()
            after = latest[write.id] = None if kept is None else Held(key, kept)
            done.append(written(before, after, write))
        return done

    def _unread(self, write: Write) -> Kept | None:
        """What a write finds that is replayed before what a city's sources said of its entity."""
        if self._own or not isinstance(write, Alter):
            return None
        stamps = {"createdAt": write.at, "modifiedAt": write.at}
        return {"id": write.id, "type": [], **stamps, "attrs": {}}

    @property
    def queued(self) -> int:
        """Writes that wait for the log."""
        return self._queued

    def get(self, id_: str) -> Held | None:
        """An entity as acknowledged; None when it does not exist or its time has come."""
        self.catch_up()
        return self._alive(self.state.find(id_))

    def held(self, id_: str) -> Held | None:
        """An entity as a writer has to see it: what is queued counts."""
        self.catch_up()
        queued = self._pending.get(id_)
        return self._alive(queued.after if queued else self.state.find(id_))

    def held_many(self, ids: Sequence[str]) -> dict[str, Held]:
        """Those of ``ids`` that exist, as a writer has to see them."""
        self.catch_up()
        found: dict[str, Held | None] = dict(self.state.find_many(ids))
        if self._pending:
            found |= {id_: self._pending[id_].after for id_ in ids if id_ in self._pending}
        return {id_: held for id_, held in found.items() if self._alive(held)}  # type: ignore[misc]

    def _alive(self, held: Held | None) -> Held | None:
        if held is None or held.expires is None or held.expires > self.clock():
            return held
        return None

    async def commit(self, done: Sequence[Written]) -> Position:
        """Make ``done`` durable, in order, all or nothing; the position that covers it.

        From the call on other writers see it; readers when this returns. Between reading what it
        builds on and this call nothing may be awaited. Raises OSError or BusyError when the disk
        fails: then neither it nor what was queued behind it has happened.
        """
        if self._behind:
            self.catch_up()
            raise BusyError("the tables had fallen behind the log; try again now")
        if self._queued + len(done) > MOST_QUEUED:
            raise BusyError(f"{self._queued} writes wait for the disk; try again in a second")
        self._pending.update((one.id, one) for one in done)
        loop = asyncio.get_running_loop()
        waiting = _Waiting(done, loop.create_future())
        self._queue.append(waiting)
        self._queued += len(done)
        if self._writer is None or self._writer.done():
            self._writer = loop.create_task(self._write())
        return await waiting.done

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while group := self._next_group():
            done = [one for waiting in group for one in waiting.written]
            bodies = tuple(one.body for one in done)
            batch = Batch(API_SOURCE, API_RUN, self._sequence + 1, writes=bodies)
            try:
                position = await loop.run_in_executor(self._threads, self.log.append, (batch,))
            except (OSError, BusyError) as error:
                self._behind = True  # it may be committed all the same, or will be
                self._fail(group, error)
                continue
            self._sequence += 1
            try:
                # Tables that were lost meanwhile may have it from the log already.
                if position > self.state.position:
                    self._take_in(done, position)
            except (OSError, BusyError) as error:
                self._behind = True
                self._fail(group, error)
                continue
            finally:
                # Whatever the tables made of it, the log has it.
                for witness in self.witnesses:
                    witness(done, position)
            self._acknowledge(group, position)
            self._relieve(loop)

    def _next_group(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        count = 0
        for waiting in self._queue:
            count += len(waiting.written)
            if group and count > _MOST_IN_GROUP:
                break
            group.append(waiting)
        del self._queue[: len(group)]
        return group

    def _take_in(self, done: Sequence[Written], position: Position) -> None:
        with self.state.database.transaction():
            self.state.apply(done, position)
            if not self._own:
                self.state.count(self._sequence)
            for fold in self.folds:
                fold(done, position)

    def is_pending(self, id_: str) -> bool:
        """Whether a write of an entity is queued."""
        return id_ in self._pending

    def observe(self, done: Sequence[Written], position: Position) -> None:
        """Take in what sources said up to ``position`` of the city's log, of entities of which no
        write is queued; ``watchers`` alone are told. What a crash undoes is said again.
        """
        with self.state.database.transaction():
            self.state.apply(done, self.state.position)
            for watch in self.watchers:
                watch(done, position)

    def reach(self, position: Position) -> None:
        """Note that all up to ``position`` is taken in, where no write is under way; so is any that
        was given up and committed all the same.
        """
        if not self._queue and (self._writer is None or self._writer.done()):
            if self.log.sequence(API_SOURCE, API_RUN) != self._sequence:
                self.recover()
            with self.state.database.transaction():
                self.state.reach(max(position, self.state.position))

    def _acknowledge(self, group: Sequence[_Waiting], position: Position) -> None:
        for waiting in group:
            self._queued -= len(waiting.written)
            for one in waiting.written:
                if self._pending.get(one.id) is one:
                    del self._pending[one.id]
            if not waiting.done.done():
                waiting.done.set_result(position)

    def _fail(self, group: Sequence[_Waiting], error: Exception) -> None:
        """What is queued was built on what failed, so it fails too."""
        _log.error("log_not_writable", error=str(error), operations=len(group) + len(self._queue))
        failed = [*group, *self._queue]
        self._queue.clear()
        self._pending.clear()
        self._queued = 0
        for waiting in failed:
            if not waiting.done.done():
                waiting.done.set_exception(error)

    def _relieve(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have the tables' journal folded in, where it is due, beside everything else."""
        if self.state.heavy and (self._checkpoint is None or self._checkpoint.done()):
            self._checkpoint = loop.run_in_executor(self._threads, self.state.checkpoint)

    async def close(self) -> None:
        """Let what is queued be written, then let go of all files."""
        if self._writer is not None:
            await self._writer
        self._threads.shutdown()
        self.state.close()
        self.log.close()
