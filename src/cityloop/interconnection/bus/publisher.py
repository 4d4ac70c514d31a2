"""Follows a log and hands every commit to a bus: a fold whose place is kept in the bus itself.

Whatever breaks, it begins anew: connects, asks for the newest letter, and goes on after it. It
never holds up who writes the log; how far it is behind is a figure.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import structlog

from cityloop.kernel.clock import Clock, WallTime
from cityloop.kernel.errors import BusyError, CityloopError, ConfigError
from cityloop.kernel.ports import Bus, Commit, Letter, Log, Position
from cityloop.standards.letters import Cut, write_letters

_log = structlog.get_logger()
_AT_ONCE, _AT_ONCE_BYTES = 256, 8 << 20
_LOOK_EVERY_S = 0.02
_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.5, 10.0
NOWHERE = Position(0)


@dataclass(frozen=True, slots=True)
class BusHealth:
    """How a publisher does. ``behind``: positions of the log that the bus has not; ``age_s``: since
    the oldest of them was committed. ``letters``, ``sent_bytes``: since it began.
    """

    state: Literal["starting", "ok", "failing", "refused", "full"] = "starting"
    reason: str = ""
    reached: Position = NOWHERE
    behind: int = 0
    age_s: float = 0.0
    letters: int = 0
    sent_bytes: int = 0


class OpenBus(Bus, Protocol):
    """A bus that one is connected to. ``most_bytes``: the largest message that it takes."""

    @property
    def most_bytes(self) -> int:
        """The largest message, headers included."""
        ...

    async def close(self) -> None:
        """Hang up."""
        ...


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Letters that go out together; with them all of the log up to ``reached`` is out."""

    letters: Sequence[Letter]
    reached: Position


class _Feed:
    """The log as chunks of letters beyond ``after``; of the first commit the letters that ``begun``
    counts, by its cut, are out.
    """

    def __init__(
        self,
        log: Log,
        tenant: str,
        cut: Cut,
        after: Position,
        begun: tuple[Cut, int] | None = None,
    ) -> None:
        self._log = log
        self._tenant = tenant
        self._cut = cut
        self._reached = after
        self._begun = begun
        self._commits: Iterator[Commit] = iter(())

    def next(self) -> _Chunk:
        """What follows; empty at the end of the log."""
        letters: list[Letter] = []
        size = 0
        while len(letters) < _AT_ONCE and size < _AT_ONCE_BYTES:
            commit = next(self._commits, None)
            if commit is None:
                self._commits = self._log.read(self._reached)
                commit = next(self._commits, None)
            if commit is None:
                break
            cut, out = self._begun or (self._cut, 0)
            self._begun = None
            written = write_letters(commit, self._tenant, cut)[out:]
            letters += written
            size += sum(len(letter.body) for letter in written)
            self._reached = commit.position
        return _Chunk(letters, self._reached)


class Publisher:
    """Hands the log of ``tenant`` to the bus that ``connect`` opens, until it is cancelled.

    ``partitions``: of each type. Where the bus is empty it begins with what is younger than
    ``keep_s``.
    """

    def __init__(
        self,
        log: Log,
        tenant: str,
        connect: Callable[[], Awaitable[OpenBus]],
        clock: Clock,
        *,
        partitions: int = 1,
        keep_s: float = 86_400.0,
    ) -> None:
        self._log = log
        self._tenant = tenant
        self._connect = connect
        self._clock = clock
        self._partitions = partitions
        self._keep_ms = 1000 * keep_s
        self._health = BusHealth()
        self._oldest: tuple[Position, WallTime] = Position(-1), WallTime(0)

    async def run(self) -> None:
        """Publish; whatever breaks is told in ``health`` and tried again."""
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                await self._follow()
            except (OSError, CityloopError) as error:
                if self._health.state == "ok":
                    pause_s = _FIRST_PAUSE_S
                self._tell(error)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LAST_PAUSE_S)

    def _tell(self, error: Exception) -> None:
        state: Literal["full", "refused", "failing"] = "failing"
        if isinstance(error, BusyError):
            state = "full"
        elif isinstance(error, ConfigError):
            state = "refused"
        if (state, str(error)) != (self._health.state, self._health.reason):
            _log.warning("the bus falls behind", state=state, why=str(error))
        self._health = replace(self._health, state=state, reason=str(error))

    async def _follow(self) -> None:
        bus = await self._connect()
        try:
            with ThreadPoolExecutor(1, "letters") as thread:
                feed = self._feed(await bus.last(), bus.most_bytes)
                await self._pump(bus, feed, thread)
        finally:
            with suppress(OSError):
                await bus.close()

    async def _pump(self, bus: Bus, feed: _Feed, thread: Executor) -> None:
        """Letters of the next chunk are written while those of this one go out."""
        loop = asyncio.get_running_loop()
        ahead = loop.run_in_executor(thread, feed.next)
        while True:
            chunk = await ahead
            ahead = loop.run_in_executor(thread, feed.next)
            if chunk.letters:
                await bus.send(chunk.letters)
            health = self._health
            if health.state != "ok":
                _log.info("the bus follows the log", position=chunk.reached)
            self._health = replace(
                health,
                state="ok",
                reason="",
                reached=chunk.reached,
                letters=health.letters + len(chunk.letters),
                sent_bytes=health.sent_bytes + sum(len(one.body) for one in chunk.letters),
            )
            if not chunk.letters:
                await asyncio.sleep(_LOOK_EVERY_S)

    def _feed(self, newest: Letter | None, most_bytes: int) -> _Feed:
        """What the bus lacks; raises ConfigError for a bus that is of another log."""
        cut = Cut(self._partitions, most_bytes)
        if newest is None:
            began = self._young()
            self._health = replace(self._health, reached=began)
            return _Feed(self._log, self._tenant, cut, began)
        there = next(self._log.read(Position(newest.position - 1), newest.position), None)
        if newest.position > self._log.last() or (there and not _is_of(newest, there)):
            raise ConfigError(
                f"the bus holds position {newest.position} of another log than the city's, which "
                f"ends at {self._log.last()} (was it restored?): delete the stream "
                f"cityloop-{self._tenant}, and it is made again from the log"
            )
        self._health = replace(self._health, reached=newest.position)
        if newest.part == newest.parts:
            return _Feed(self._log, self._tenant, cut, newest.position)
        # The rest of this commit is cut as its first letters were, or some would say a thing twice.
        return _Feed(
            self._log,
            self._tenant,
            cut,
            Position(newest.position - 1),
            (Cut.of(newest.cut), newest.part),
        )

    def _young(self) -> Position:
        """The position before the first commit that the bus would not drop at once."""
        since = self._clock() - self._keep_ms
        low, high = 0, int(self._log.last())
        while low < high:
            middle = (low + high) // 2
            commit = next(self._log.read(Position(middle)), None)
            if commit is None or commit.committed_at >= since:
                high = middle
            else:
                low = int(commit.position)
        return Position(low)

    def health(self) -> BusHealth:
        """How it does now."""
        health = self._health
        try:
            behind = max(0, self._log.last() - health.reached)
            if behind and self._oldest[0] != health.reached:
                following = next(self._log.read(health.reached), None)
                oldest = following.committed_at if following else self._clock()
                self._oldest = health.reached, oldest
        except (OSError, BusyError) as error:
            return replace(health, state="failing", reason=f"the log cannot be read: {error}")
        if not behind:
            return replace(health, behind=0, age_s=0.0)
        age_s = max(0.0, (self._clock() - self._oldest[1]) / 1000)
        return replace(health, behind=behind, age_s=age_s)


def _is_of(letter: Letter, commit: Commit) -> bool:
    """Whether a letter tells of a commit."""
    batch = commit.batch
    told = letter.source, letter.run, letter.sequence, letter.committed_at
    return told == (batch.source, batch.run, batch.sequence, commit.committed_at)
