"""The hub's side of loops that run elsewhere: feeds them, grants leases, gathers what they find.

The hub stays the one that decides: what a part finds comes back as columns, and ``respond``, guard,
modes and records are the hub's as ever. So where a loop runs changes no decision. A part answers in
time, or is silent: then its actuators get no order and fall to their local plans.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import structlog

from cityloop.city.wire import (
    Fed,
    Found,
    LeaseAsked,
    Leased,
    Line,
    LoopChanged,
    Message,
    Names,
    Remembered,
    limit_sending,
)
from cityloop.interconnection.checkpoints import read_memory
from cityloop.kernel.changes import Reject
from cityloop.kernel.clock import CityTime
from cityloop.kernel.cycle import Analyst, Seen
from cityloop.kernel.errors import CorruptError, InputError
from cityloop.kernel.frame import Array, EntityIds
from cityloop.kernel.loop import Ints, Loop
from cityloop.kernel.partition import Partition, ids_named, joined
from cityloop.kernel.ports import Batch, Position
from cityloop.kernel.view import Memory, View
from cityloop.standards.arrow import ids_of, write_batch, write_ids

_log = structlog.get_logger()
LOCKSTEP_S = 60.0
"""A twin, which is lock-stepped, is held back so long for a part that is silent, then goes on."""
DEADLINE_S = 0.5
"""The clock on the wall waits so long."""
_LOOK_EVERY_S = 0.5
_SEND_S = 2.0
_RING = 5000
_NEARLY = 5
"""Who was missed and is so few batches behind is waited for again."""
OLDER_EPOCH = "The lease of part {part} of {loop} has epoch {now}; this comes from epoch {epoch}."
SOURCE = "workers"


@dataclass(frozen=True, slots=True)
class Ports:
    """What the desk needs of the hub's process.

    ``next_epoch``: counts up for ever, durably. ``kept``: the newest checkpoint of a name.
    ``keep``: keeps one, some time. ``position``: of a batch in the log, None while it has none.
    ``attend``: called while the hub waits for parts: hears callers and the supervisor for so many
    seconds, and says whether to go on waiting.
    """

    next_epoch: Callable[[], int]
    kept: Callable[[str], "tuple[Position, Mapping[str, Array]] | None"]
    keep: Callable[[str, Position, dict[str, Array]], None]
    position: Callable[[str, str, int], Position | None]
    refuse: Callable[[Sequence[Reject]], None]
    attend: Callable[[float], bool]


@dataclass(slots=True)
class Post:
    """One part of a loop. ``kept``: the newest checkpoint: its number in this life of the hub (0:
    of an earlier one), position and state. ``drafts``: states whose batch is not committed yet.
    """

    loop: Loop
    part: int
    rows: Ints
    name: str
    epoch: int = 0
    kept: tuple[int, Position, bytes] | None = None
    fresh_from: int = 0
    drafts: deque[tuple[int, bytes]] = field(default_factory=deque)
    found: Found | None = None
    missed: bool = False


@dataclass(frozen=True, slots=True)
class _Item:
    number: int
    batch: tuple[str, str, int]
    body: bytes


class WorkersDesk:
    """``kernel.runner.Workers`` over a line to the process that runs the parts.

    ``rows``: of each loop the rows of its parts. ``lockstep``: a twin waits for whoever is silent,
    so that results do not depend on the machine's speed; the clock on the wall does not.
    """

    def __init__(
        self,
        loops: Iterable[Loop],
        knows: Mapping[str, Any],
        rows: Callable[[Loop], Sequence[Ints]],
        ports: Ports,
        *,
        lockstep: bool,
    ) -> None:
        self._knows = knows
        self._rows = rows
        self._ports = ports
        self._lockstep = lockstep
        self._watched: Callable[[], frozenset[str]] = frozenset
        self._posts: dict[str, list[Post]] = {}
        self._ring: deque[_Item] = deque()
        self._names: dict[bytes, Names] = {}
        self._base = Position(0), 1
        self._number = 0
        self._line: Line | None = None
        self._run, self._at = "", CityTime(0)
        self._first = "", "", 1
        self._live = False
        for loop in loops:
            self._place(loop)

    def _place(self, loop: Loop) -> None:
        if loop.partition is None:
            self._posts.pop(loop.name, None)
            return
        parts = self._rows(loop)
        ids = ids_named(loop.partition.key, self._knows)
        self._posts[loop.name] = [
            Post(loop, part, rows, _name_of(loop, part, len(parts), ids), fresh_from=0)
            for part, rows in enumerate(parts)
        ]

    def open(
        self, watched: Callable[[], frozenset[str]], last: Position, first: tuple[str, str, int]
    ) -> None:
        """The hub has its memory back and the log ends at ``last``; from now on it feeds.

        ``watched``: what its loops watch now; ``first``: source, run and sequence with which the
        run began that goes on.
        """
        self._watched, self._base, self._first = watched, (last, 1), first
        self._live = True
        for post in self._all():
            found = self._ports.kept(post.name)
            if found is not None:
                post.kept = 0, found[0], found[1]["state"].tobytes()

    def _all(self) -> list[Post]:
        return [post for posts in self._posts.values() for post in posts]

    # the port

    def feed(self, batch: Batch) -> None:
        """As ``Workers``."""
        if not (self._live and self._posts):
            return
        watched = self._watched()
        frames = tuple(part for part in batch.frames if part.type in watched)
        rows = tuple(part for part in batch.rows if part.type in watched)
        if not (frames or rows):
            return
        fed = replace(batch, frames=frames, rows=rows, changes=(), writes=())
        for digest, ids in ids_of(fed).items():
            if digest not in self._names:
                self._names[digest] = Names(write_ids(ids))
                self._send(self._names[digest])
        self._number += 1
        key = batch.source, batch.run, batch.sequence
        self._ring.append(_Item(self._number, key, write_batch(fed)))
        self._trim()
        self._send(self._fed(self._ring[-1]))

    def analyst(self, loop: Loop) -> Analyst | None:
        """As ``Workers``."""
        return _Away(self, loop) if loop.name in self._posts else None

    def install(self, loop: Loop) -> None:
        """As ``Workers``."""
        self._place(loop)
        if self._live:
            for post in self._posts.get(loop.name, []):
                post.fresh_from = self._number + 1
            self._send(LoopChanged(loop.name))

    # the line

    @property
    def line(self) -> Line | None:
        """Where the process that runs the parts speaks; None while it is away."""
        return self._line

    def greet(self, line: Line) -> None:
        """The process that runs the parts is there: tell it all it may need."""
        limit_sending(line, _SEND_S)
        self._line = line
        for names in self._names.values():
            self._send(names)
        for item in self._ring:
            self._send(self._fed(item))

    def part(self, line: Line) -> None:
        """That line ended."""
        if self._line is line:
            self._line = None
            for post in self._all():
                post.epoch = 0

    def take(self, message: Message) -> None:
        """Hear what the parts say; raises InputError where it is nothing for the hub."""
        match message:
            case LeaseAsked():
                self._lease(message)
            case Found():
                self._hear(message)
            case Remembered():
                post = self._holder(message)
                if post is not None:
                    post.drafts.append((message.number, message.state))
            case _:
                raise InputError(f"{type(message).__name__} is no message of a worker")
        self.tend()

    def _lease(self, asked: LeaseAsked) -> None:
        post = self._post(asked.loop, asked.part)
        if post is None:
            return
        post.epoch, post.found, post.missed = self._ports.next_epoch(), None, False
        post.drafts.clear()
        last, first = self._base
        number, position, state = post.kept or (0, Position(0), b"")
        after, then = position, first
        if number and number + 1 >= first:
            after, then = last, number + 1
        elif post.kept is None and post.fresh_from:
            after, then = last, max(first, post.fresh_from)
        elif post.kept is None:
            after = self._run_begins(last)
        self._send(
            Leased(
                post.loop.name,
                *(post.loop.version, post.part, post.epoch, state),
                *(after, last, then),
            )
        )

    def _run_begins(self, last: Position) -> Position:
        """Before the first commit of the run that goes on, as far as the log still tells."""
        begun = self._ports.position(*self._first)
        return Position(begun - 1) if begun is not None and begun <= last else Position(0)

    def _hear(self, found: Found) -> None:
        post = self._holder(found)
        if post is None:
            return
        post.found = found
        post.missed = post.missed and found.number < self._number - _NEARLY

    def _holder(self, told: Found | Remembered) -> Post | None:
        """Whose lease it comes under; an older epoch is refused, and that is kept."""
        post = self._post(told.loop, told.part)
        if post is not None and post.epoch == told.epoch:
            return post
        if isinstance(told, Found):
            self._refuse(told, 0 if post is None else post.epoch)
        return None

    def _refuse(self, told: Found, now: int) -> None:
        reason = OLDER_EPOCH.format(part=told.part, loop=told.loop, now=now, epoch=told.epoch)
        _log.warning("a worker that was replaced is refused", why=reason)
        entity = f"urn:ngsi-ld:LoopPart:{told.loop}:{told.part}"
        value = f"epoch {told.epoch}, batch {told.number}"
        self._ports.refuse([Reject(SOURCE, self._run, self._at, entity, "", value, reason)])

    def _post(self, loop: str, part: int) -> Post | None:
        posts = self._posts.get(loop, [])
        return posts[part] if 0 <= part < len(posts) else None

    def _fed(self, item: _Item) -> Fed:
        return Fed(item.number, self._ring[0].number, item.body)

    def _send(self, message: Message) -> None:
        if self._line is None:
            return
        try:
            self._line.send(message)
        except OSError as error:
            _log.warning("the workers do not listen; their line is cut", why=str(error))
            with suppress(OSError):
                self._line.hang_up()

    # checkpoints

    def tend(self) -> None:
        """Keep the states of batches that are committed by now."""
        items = {item.number: item for item in self._ring} if self._drafts() else {}
        for post in self._all():
            while post.drafts:
                number, state = post.drafts[0]
                item = items.get(number)
                position = None if item is None else self._ports.position(*item.batch)
                if position is None:
                    break
                post.drafts.popleft()
                post.kept = number, position, state
                held: dict[str, Array] = {"state": np.frombuffer(state, dtype=np.uint8)}
                self._ports.keep(post.name, position, held)

    def _drafts(self) -> bool:
        return any(post.drafts for post in self._all())

    def _trim(self) -> None:
        """Let go of what every part has a checkpoint of, and of the oldest where all is too much:
        whoever needs that reads it in the log."""
        needed = min(
            (post.kept[0] + 1 if post.kept else max(1, post.fresh_from) for post in self._all()),
            default=1,
        )
        while self._ring and self._ring[0].number < needed:
            self._leave(self._ring.popleft())
        while len(self._ring) > _RING:
            position = self._ports.position(*self._ring[0].batch)
            if position is None:
                return  # the log is behind: what is not committed is nowhere else
            item = self._ring.popleft()
            self._base = position, item.number + 1

    def _leave(self, item: _Item) -> None:
        # Nobody asks for what lies before: every part's checkpoint is newer.
        self._base = self._base[0], item.number + 1

    # what the loops ask

    def findings(self, loop: Loop, view: View) -> Seen:
        """What the parts of ``loop`` saw at the newest batch; waits for them."""
        self._run, self._at = view.run, view.at
        posts = self._posts[loop.name]
        self._wait(posts)
        there = [post for post in posts if self._answered(post)]
        missing = [post for post in posts if post not in there]
        for post in missing:
            post.missed = True
        return self._seen(loop, there, missing)

    def _answered(self, post: Post) -> bool:
        return post.found is not None and post.found.number == self._number

    def _wait(self, posts: Sequence[Post]) -> None:
        patience_s = LOCKSTEP_S if self._lockstep else DEADLINE_S
        give_up = time.monotonic() + patience_s
        look_at = time.monotonic() + _LOOK_EVERY_S
        while any(not self._answered(post) and not post.missed for post in posts):
            now = time.monotonic()
            if now >= give_up or (self._line is None and not self._lockstep):
                return
            if now >= look_at:
                look_at = now + _LOOK_EVERY_S
                if not self._ports.attend(0.0):
                    return
            if not self._listen(max(0.0, min(look_at, give_up) - now)):
                return

    def _listen(self, patience_s: float) -> bool:
        """Hear the parts, or whoever calls while they are away; False when the city ends."""
        line = self._line
        if line is None:
            return self._ports.attend(patience_s)
        try:
            if line.ready(patience_s):
                self.take(line.receive())
        except (EOFError, OSError):
            self.part(line)
        return True

    def _seen(self, loop: Loop, there: Sequence[Post], missing: Sequence[Post]) -> Seen:
        failures = [
            f"part {p.part}: {p.found.failure}" for p in there if p.found and p.found.failure
        ]
        failures += [f"part {p.part} of {len(self._posts[loop.name])} is silent" for p in missing]
        told = [(p.rows, p.found.body) for p in there if p.found and not p.found.failure]
        failure = "; ".join(failures)
        if not told:
            return Seen(failure=failure or "no part of it is there")
        if loop.partition is None:
            raise TypeError(f"{loop.name} declares no partition, so it runs in the hub")
        return _joined(loop.partition, ids_named(loop.partition.key, self._knows), told, failure)


def _joined(
    partition: Partition, ids: EntityIds, told: Sequence[tuple[Ints, bytes]], failure: str
) -> Seen:
    try:
        findings, rows = joined(partition, ids, [(r, read_memory(body)) for r, body in told])
    except (CorruptError, InputError, KeyError, TypeError, ValueError) as error:
        return Seen(failure=f"what its parts found cannot be read: {error}")
    return Seen(findings, None if len(rows) == len(ids) else rows, failure)


class _Away:
    """The ``Analyst`` of a loop whose parts run elsewhere; they keep their memory themselves."""

    def __init__(self, desk: WorkersDesk, loop: Loop) -> None:
        self.analyse = partial(desk.findings, loop)

    def remember(self, view: View) -> Seen:
        """The parts follow by themselves."""
        return Seen()

    def save(self) -> dict[str, Array]:
        """Nothing: the parts have checkpoints of their own."""
        return {}

    def load(self, memory: Memory) -> None:
        """Nothing."""


def _name_of(loop: Loop, part: int, parts: int, ids: EntityIds) -> str:
    """Under which a part's checkpoints are kept; another cut has others."""
    return f"workers/{loop.name}@{loop.version}/{part}of{parts}/{ids.digest.hex()[:8]}"
