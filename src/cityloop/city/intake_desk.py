"""The hub's side of the intake: admits what sources deliver, and says what the log holds.

Batches of sources do not turn the loops; they are admitted and committed. The writer's thread only
notes that something is durable; the hub's own thread tells it, so that no source can hold up the
writer, and nobody waits for a source that does not listen: its line is cut, and it calls again.
"""

import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial

import msgspec
import structlog

from cityloop.city.surface import SourceRow
from cityloop.city.telemetry_hub import HubSpans
from cityloop.city.totals import Totals
from cityloop.city.wire import (
    Again,
    CityMoved,
    Committed,
    Hello,
    Line,
    Message,
    Names,
    Sensed,
    SourceTold,
    Told,
    Tried,
    Welcome,
)
from cityloop.interconnection.tenant import Tenant
from cityloop.interconnection.writer import LogWriter
from cityloop.kernel.changes import Reject
from cityloop.kernel.clock import CityTime, Clock, WallTime, iso
from cityloop.kernel.errors import BusyError, InputError, RefusedError
from cityloop.kernel.frame import EntityIds
from cityloop.kernel.ports import Batch, Position
from cityloop.kernel.reasons import Wording
from cityloop.kernel.waiting import LIVE
from cityloop.perception.live_gate import LiveGate
from cityloop.standards.arrow import read_batch, read_ids
from cityloop.standards.readings import Fault

_log = structlog.get_logger()
Key = tuple[str, str]
"""(source, run)."""
MOST_UNDER_WAY = 64
_RECALLED = 2000
_LOG_WAITING = 512
"""So many batches may wait for the log; the rest of its queue is for twins."""
_HANDED_BACK, _MOST_HANDED_BACK = 250, 5_000
"""Rejects in one message, and at one request."""
_RATE_S, _NEWS_EVERY_S = 5.0, 1.0
_read_faults = msgspec.msgpack.Decoder(list[Fault]).decode


NOT_CONNECTED = Wording(
    "source_not_connected", "The source {source} is not connected; look at its state first."
)
NOTHING_KEPT = Wording(
    "nothing_to_try", "Nothing of this kind that was rejected of {source} can be tried again."
)


@dataclass(slots=True)
class _Under:
    """A batch of which the log may not know yet."""

    sequence: int
    done: bool = False


@dataclass(slots=True)
class _Stream:
    """One source and run. ``line``: where it speaks from now; None while it is away."""

    committed: int
    taken: int
    line: Line | None = None
    under_way: deque[_Under] = field(default_factory=deque)


@dataclass(slots=True)
class _Guest:
    """Who speaks on a line, and the ids it has named."""

    key: Key
    ids: dict[bytes, EntityIds] = field(default_factory=dict)


@dataclass(slots=True)
class _Seen:
    """What people are told of one source; ``told`` is None while its line is down."""

    told: SourceTold | None = None
    last: WallTime | None = None
    newest: CityTime | None = None
    window: deque[tuple[WallTime, int]] = field(default_factory=deque)
    """When how many rows were accepted, of the last seconds."""


class IntakeDesk:
    """Serves the lines of the intake process for one hub.

    ``kinds``: source → kind. ``heard`` is given what was accepted, ``reject`` what was not.
    ``fileno`` becomes readable when something was committed: then call ``acknowledge``.
    """

    def __init__(
        self,
        gate: LiveGate,
        kinds: dict[str, str],
        tenant: Tenant,
        writer: LogWriter,
        totals: Totals,
        heard: Callable[[Batch], None],
        reject: Callable[[Sequence[Reject]], None],
        clock: Clock,
        spans: HubSpans | None = None,
    ) -> None:
        self._gate = gate
        self._spans = spans or HubSpans()
        self._kinds = kinds
        self._tenant = tenant
        self._writer = writer
        self._totals = totals
        self._heard = heard
        self._reject = reject
        self._clock = clock
        self._guests: dict[Line, _Guest] = {}
        self._streams: dict[Key, _Stream] = {}
        self._seen = {name: _Seen() for name in gate.sources}
        self._durable: deque[tuple[Key, _Under]] = deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK)
        self._moved = CityMoved("", 0)
        self._news: Told | None = None
        self._news_at = 0.0

    def fileno(self) -> int:
        """So that a selector can wait for it."""
        return self._wake

    def serves(self, source: str) -> bool:
        """Whether ``source`` is one of the intake's."""
        return source in self._seen

    def recall(self) -> None:
        """Remember what the log's newest commits said, so that it is known when it comes again."""
        last = self._tenant.log.last()
        for commit in self._tenant.log.read(Position(max(0, last - _RECALLED))):
            self._gate.recall(commit.batch)

    def knows(self, line: Line) -> bool:
        """Whether a source speaks on ``line``."""
        return line in self._guests

    def hello(self, line: Line, message: Hello) -> None:
        """A source's line introduces itself; it may be another one than before."""
        key = message.source, message.run
        self._guests[line] = _Guest(key)
        stream = self._streams.get(key)
        if stream is None:
            known = self._tenant.log.sequence(*key)
            stream = self._streams[key] = _Stream(known, known)
        stream.line = line
        line.send(Welcome(stream.committed, stream.taken))
        line.send(self._moved)

    def part(self, line: Line) -> None:
        """A line is gone; of a source or of anybody."""
        self._guests.pop(line, None)
        for (source, _), stream in self._streams.items():
            if stream.line is line:
                stream.line = None
                self._seen[source].told = None

    def take(self, line: Line, message: Message) -> None:
        """What a source says. Raises BusyError when the log is full, InputError for what cannot be
        read: the line is to be cut then.
        """
        guest = self._guests[line]
        match message:
            case Sensed():
                self._sensed(guest.key, message, guest.ids)
            case Names():
                ids = read_ids(message.body)
                guest.ids[ids.digest] = ids
            case SourceTold():
                self._seen[guest.key[0]].told = message
            case Tried():
                self._tenant.rejects.tried(message.numbers)
            case _:
                raise InputError(f"{type(message).__name__} is no message of a source")

    def _sensed(self, key: Key, message: Sensed, ids: dict[bytes, EntityIds]) -> None:
        """Admit a batch and queue it for the log."""
        stream = self._streams[key]
        if message.sequence <= stream.taken:
            return
        if len(stream.under_way) >= MOST_UNDER_WAY:
            raise InputError(f"{key[0]} does not wait for its commits")
        now = self._now(key[1])
        batch = read_batch(message.body, ids)
        if (batch.source, batch.run, batch.sequence) != (*key, message.sequence):
            raise InputError(f"a batch of {batch.source} came over the line of {key[0]}")
        depth = self._writer.state().depth
        if depth >= _LOG_WAITING:
            # Before the gate sees it: what it has admitted once, it takes for a repetition.
            raise BusyError(f"the log has {depth} batches waiting")
        with self._spans.during(batch, "gate"):
            accepted = self._gate.admit(batch, now, again=message.again)
        under = _Under(message.sequence)
        if accepted.rows:
            done = self._writer.submit(accepted)
            self._spans.follow(accepted, done)
            done.add_done_callback(partial(self._kept, key, under))
        else:
            under.done = True
        stream.taken = message.sequence
        stream.under_way.append(under)
        self._note(key[0], accepted)
        if message.faults:
            self._refuse(key, now, message.faults)
        if under.done:
            self._tell(stream)

    def hand_back(self, source: str, reason: str) -> int:
        """Let ``source`` read again what was rejected of it, for ``reason`` or (where it is empty)
        any; how many. Raises RefusedError when there is nothing, or nobody to read it.
        """
        stream = self._streams.get((source, LIVE))
        if source not in self._seen or stream is None or stream.line is None:
            raise RefusedError(NOT_CONNECTED(source=source))
        count, after = 0, 0
        while found := self._tenant.rejects.contents(source, reason, after, _HANDED_BACK):
            self._say(stream, Again(*zip(*found, strict=True)))
            count, after = count + len(found), found[-1][0]
            if count >= _MOST_HANDED_BACK:
                break
        if not count:
            raise RefusedError(NOTHING_KEPT(source=source))
        return count

    def _now(self, run: str) -> CityTime:
        return CityTime(self._clock()) if run == LIVE else CityTime(self._moved.now)

    def _note(self, source: str, accepted: Batch) -> None:
        self._totals.count(accepted)
        self._heard(accepted)
        seen, now = self._seen[source], self._clock()
        if accepted.rows:
            seen.last = now
            if accepted.run == LIVE:  # another clock tells nothing of the lag
                seen.newest = max(part.newest for part in accepted.rows)
            seen.window.append((now, sum(map(len, accepted.rows))))

    def _refuse(self, key: Key, now: CityTime, faults: bytes) -> None:
        told = _read_faults(faults)
        for fault in told:
            self._gate.counts[key[0], fault.reason.partition(":")[0]] += fault.count
        self._reject([fault.reject(*key, now) for fault in told])

    def _kept(self, key: Key, under: _Under, done: "Future[Position]") -> None:
        """In the writer's thread: a batch is durable, or never will be."""
        if done.cancelled() or isinstance(done.exception(), BusyError):
            return
        if done.exception() is not None:
            _log.error("a batch was refused by the log", source=key[0], why=str(done.exception()))
        self._durable.append((key, under))
        os.eventfd_write(self._wake, 1)

    def acknowledge(self) -> None:
        """Tell the sources what has become durable."""
        os.eventfd_read(self._wake)
        keys: dict[Key, None] = {}
        while self._durable:
            key, under = self._durable.popleft()
            under.done = True
            keys[key] = None
        for key in keys:
            self._tell(self._streams[key])

    def _tell(self, stream: _Stream) -> None:
        while stream.under_way and stream.under_way[0].done:
            stream.committed = stream.under_way.popleft().sequence
        self._say(stream, Committed(stream.committed))

    def _say(self, stream: _Stream, message: Message) -> None:
        line = stream.line
        if line is None:
            return
        try:
            if line.writable():
                line.send(message)
                return
        except OSError:
            _log.info("a source's line is gone")
        line.hang_up()
        stream.line = None

    def move(self, run: str, now: CityTime) -> None:
        """Tell the sources the city's time; a few times a second are enough."""
        moved = CityMoved(run, now)
        if moved != self._moved:
            self._moved = moved
            for stream in self._streams.values():
                self._say(stream, moved)

    def fresh_news(self, now: float) -> Told | None:
        """What readers are to be told at ``now`` (s, monotonic); None when it is nothing new."""
        if now < self._news_at:
            return None
        self._news_at = now + _NEWS_EVERY_S
        before, news = self._news, self.news()
        return news if news != before else None

    def news(self) -> Told:
        """How every source is, for readers."""
        self._news = Told("sources", msgspec.json.encode(self.rows()))
        return self._news

    def heard_of(self) -> Iterator[tuple[str, str, str, WallTime | None]]:
        """Of each source: name, state, why, and when something of it was accepted last."""
        for name, seen in self._seen.items():
            told = seen.told or SourceTold("waiting", "", 0, 0)
            yield name, told.state, told.reason, seen.last

    @property
    def under_way(self) -> int:
        """Batches of sources that the log does not hold yet, of the source that has most."""
        return max((len(stream.under_way) for stream in self._streams.values()), default=0)

    def rows(self) -> list[SourceRow]:
        """How every source is."""
        now, failing = self._clock(), self._writer.state().failing
        by_reason: dict[str, Counter[str]] = {name: Counter() for name in self._seen}
        for (source, reason), count in self._tenant.rejects.counts().items():
            if source in by_reason:
                by_reason[source][reason] += count
        return [
            self._row(name, seen, now, failing, by_reason[name])
            for name, seen in self._seen.items()
        ]

    def _row(
        self, name: str, seen: _Seen, now: WallTime, failing: str, rejected: Counter[str]
    ) -> SourceRow:
        while seen.window and seen.window[0][0] < now - _RATE_S * 1000:
            seen.window.popleft()
        told = seen.told or SourceTold("failing", "the intake process is away", 0, 0)
        state, reason = told.state, told.reason
        if failing:
            state, reason = "waiting", f"the log cannot be written: {failing}"
        return SourceRow(
            name=name,
            kind=self._kinds[name],
            state=state,  # type: ignore[arg-type]  # the words of perception.source.State
            reason=reason,
            entities=told.devices,
            rate_per_s=round(sum(count for _, count in seen.window) / _RATE_S, 1),
            last_seen=iso(seen.last) if seen.last is not None else None,
            accepted_total=self._totals.by_source.get(name, 0),
            rejected_total=rejected.total(),
            rejected_by_reason=dict(rejected),
            dropped_total=told.dropped,
            lag_s=(seen.last - seen.newest) / 1000 if seen.last and seen.newest else None,
        )

    def close(self) -> None:
        """Let go of what wakes the hub."""
        os.close(self._wake)
