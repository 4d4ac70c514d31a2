"""Hands the outbox to the notifier, so much at a time that neither holds more than it can.

Each subscription has a lane: a few notifications under way, in order; the rest waits on the disk. A
subscriber that fails keeps its own lane waiting and nobody else's.
"""

import asyncio
from dataclasses import dataclass
from typing import Protocol

import apsw
import msgspec
import structlog

from cityloop.interconnection.broker.outbox import News, Outbox
from cityloop.interconnection.broker.parcels import GivenBack, Orders, Reports, Resume, Tell, Told
from cityloop.interconnection.sqlite import transaction
from cityloop.kernel.clock import Clock

_log = structlog.get_logger()

WINDOW = 64
"""Notifications of one subscription under way at once."""

MOST_UNDER_WAY = 20_000
PAGE = 200
FIRST_PAUSE_S, LAST_PAUSE_S = 1.0, 30.0
FLUSH_S = 0.02
LATE_MS = 24 * 3600 * 1000
MOST_WAITING = 100_000
"""What could not be told in so long, or is more for one subscription, is dropped and counted, the
oldest first."""
TOO_MANY = "it waited for a day, or too many newer ones did"

SWEEP_S = 60.0


class Delivery(msgspec.Struct):
    """What became of a subscription's notifications; times in ms of wall time, 0 for never.

    ``sent``: attempts, of which ``failed`` were not taken; ``throttled``: not due, too soon after
    another; ``dropped``: refused for good, or undeliverable for a day. ``dropped_from`` and
    ``dropped_to``: when that happened of which the notifications dropped last would have told.
    """

    sent: int = 0
    failed: int = 0
    throttled: int = 0
    dropped: int = 0
    last_notification: int = 0
    last_success: int = 0
    last_failure: int = 0
    dropped_from: int = 0
    dropped_to: int = 0
    error: str = ""


@dataclass(slots=True)
class _Lane:
    """``last``: up to which number all is under way or done; ``held``: more waits on the disk.

    ``again``: when a failing one is tried again [ms of wall time].
    """

    under_way: int = 0
    last: int = 0
    held: bool = False
    failing: bool = False
    pause_s: float = 0.0
    again: int = 0


class Notifier(Protocol):
    """The process that speaks to subscribers. It may be lost at any time: then the dispatch is
    told (``restart``), and hands out again whatever was not reported."""

    def send(self, orders: list[Orders]) -> None:
        """Give it something to do; in order, without waiting."""
        ...


class Dispatch:
    """The lanes of one tenant; for the loop's thread. ``cooldown_s``: by subscription, how long to
    leave its subscriber alone after a failure."""

    def __init__(
        self, connection: apsw.Connection, outbox: Outbox, notifier: Notifier, clock: Clock
    ) -> None:
        self._connection = connection
        self._outbox = outbox
        self._notifier = notifier
        self._clock = clock
        self._lanes: dict[int, _Lane] = {}
        self._under_way = 0
        self._cursor = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken: asyncio.Handle | None = None
        self._flushing: asyncio.TimerHandle | None = None
        self._done: list[tuple[int, int]] = []
        self._dirty: set[int] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self.targets: dict[int, Orders] = {}
        self.cooldown_s: dict[int, float] = {}
        self.deliveries = {
            s: msgspec.convert(told, Delivery) for s, told in outbox.deliveries().items()
        }

    def delivery(self, s: int) -> Delivery:
        """What became of a subscription's notifications."""
        return self.deliveries.get(s) or Delivery()

    def next_attempt(self, s: int) -> int:
        """When a subscriber that failed is tried again [ms of wall time]; 0 where none did."""
        lane = self._lanes.get(s)
        return lane.again if lane is not None and lane.failing else 0

    def changed(self, s: int) -> Delivery:
        """The same, about to be changed; it is kept soon."""
        self._dirty.add(s)
        self._flush_soon()
        return self.deliveries.setdefault(s, Delivery())

    def target(self, order: Orders, s: int, cooldown_s: float) -> None:
        """A subscription is new, or goes elsewhere from now on: it is tried again at once."""
        self.targets[s] = order
        self.cooldown_s[s] = cooldown_s
        self._notifier.send([order])
        lane = self._lanes.get(s)
        if lane is not None and lane.failing:
            self._retry(s, lane)

    def forget(self, s: int, order: Orders) -> None:
        """A subscription is gone."""
        for known in (self.targets, self.cooldown_s, self.deliveries):
            known.pop(s, None)
        lane = self._lanes.pop(s, None)
        self._under_way -= lane.under_way if lane else 0
        self._dirty.discard(s)
        self._outbox.forget(s)
        self._notifier.send([order])

    def restart(self) -> None:
        """The notifier is new: it knows nothing, and what was under way is not. Before the first
        one nothing is handed out.
        """
        self._loop = asyncio.get_running_loop()
        self._flush()
        self._lanes.clear()
        self._under_way = self._cursor = 0
        self._notifier.send(list(self.targets.values()))
        self.wake()
        self._sweep()

    def wake(self) -> None:
        """There may be something to hand out."""
        if self._woken is None and self._loop is not None:
            self._woken = self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._woken = None
        if self._under_way >= MOST_UNDER_WAY:
            return
        page = self._outbox.page(self._cursor, PAGE)
        orders: list[Orders] = []
        for news, to in page:
            taken = [s for s in to if self._takes(s, news.n)]
            if taken:
                orders.append(Tell(*news, taken))
        if page:
            self._cursor = page[-1][0].n
            # One page at a time: requests come in between.
            self.wake()
        if orders:
            self._notifier.send(orders)

    def _takes(self, s: int, n: int) -> bool:
        """Whether a lane has room; it is taken then."""
        if s not in self.targets:
            return False
        lane = self._lanes.get(s)
        if lane is None:
            lane = self._lanes[s] = _Lane()
        if lane.held or lane.under_way >= WINDOW:
            lane.held = True
            return False
        lane.under_way += 1
        lane.last = n
        self._under_way += 1
        return True

    def report(self, reports: list[Reports]) -> None:
        """What the notifier did."""
        for report in reports:
            lane = self._lanes.get(report.s)
            if lane is None or report.s not in self.targets:
                continue
            lane.under_way -= len(report.ns)
            self._under_way -= len(report.ns)
            if isinstance(report, GivenBack):
                self._hold(lane, report.ns)
            elif report.error and not report.final:
                self._failed(report, lane)
            else:
                self._succeeded(report, lane)
        self.wake()

    def _hold(self, lane: _Lane, numbers: list[int]) -> None:
        lane.held = True
        lane.last = min(lane.last, numbers[0] - 1)

    def _failed(self, report: Told, lane: _Lane) -> None:
        self._hold(lane, report.ns)
        self._count(report, dropped=0)
        lane.failing = True
        lane.pause_s = min(max(FIRST_PAUSE_S, 2 * lane.pause_s), LAST_PAUSE_S)
        pause_s = max(lane.pause_s, self.cooldown_s.get(report.s, 0.0))
        lane.again = self._clock() + int(1000 * pause_s)
        asyncio.get_running_loop().call_later(pause_s, self._retry, report.s, lane)

    def _count(self, report: Told, dropped: int) -> None:
        told = self.changed(report.s)
        told.sent += 1
        told.dropped += dropped
        if report.error:
            told.failed += 1
            told.last_failure, told.error = report.at, report.error
        else:
            told.last_success = report.at

    def _succeeded(self, report: Told, lane: _Lane) -> None:
        self._count(report, dropped=len(report.ns) if report.error else 0)
        if report.error:
            self._drop(report.s, report.ns)
        self._done += [(report.s, n) for n in report.ns]
        lane.pause_s = 0.0
        if lane.held and not lane.failing and lane.under_way <= WINDOW // 2:
            self._refill(report.s, lane)

    def _drop(self, s: int, numbers: list[int]) -> None:
        """Take note of what will never be told."""
        told = self.changed(s)
        first, last = (self._outbox.when(n) for n in (numbers[0], numbers[-1]))
        if told.last_success > told.dropped_to:
            told.dropped_from = first
        told.dropped_from = min(told.dropped_from or first, first)
        told.dropped_to = max(told.dropped_to, last)

    def _retry(self, s: int, lane: _Lane) -> None:
        if self._lanes.get(s) is lane and lane.failing:
            lane.failing = False
            self._notifier.send([Resume(s)])
            self._refill(s, lane)

    def _refill(self, s: int, lane: _Lane) -> None:
        """Hand out what waited on the disk; after a failure one first."""
        room = (1 if lane.pause_s else WINDOW) - lane.under_way
        if room <= 0:
            return
        found: list[News] = self._outbox.of_one(s, lane.last, self._cursor, room)
        lane.held = len(found) == room
        lane.under_way += len(found)
        self._under_way += len(found)
        if found:
            lane.last = found[-1].n
            self._notifier.send([Tell(*news, [s]) for news in found])

    def _flush_soon(self) -> None:
        if self._flushing is None and self._loop is not None:
            self._flushing = self._loop.call_later(FLUSH_S, self._flush)

    def _flush(self) -> None:
        """Forget what was told, keep what is known of it."""
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        if not (self._done or self._dirty):
            return
        try:
            with transaction(self._connection):
                self._outbox.told(self._done)
                self._outbox.keep({s: self.deliveries[s] for s in self._dirty})
        except apsw.Error as error:
            _log.error("outbox_not_writable", error=str(error))
            self._flushing = asyncio.get_running_loop().call_later(1.0, self._flush)
            return
        self._done, self._dirty = [], set()

    def _sweep(self) -> None:
        """Drop what nobody would take."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        shed = self._outbox.late(self._clock() - LATE_MS)
        for s, lane in self._lanes.items():
            if lane.held:
                shed += self._outbox.beyond(s, MOST_WAITING)
        for s, n in shed:
            self._drop(s, [n])
            told = self.changed(s)
            told.dropped += 1
            told.error = told.error or TOO_MANY
        self._done += shed
        self._flush()
        self._sweeper = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)

    def close(self) -> None:
        """Keep what is known; nothing more is handed out."""
        for timer in (self._sweeper, self._woken):
            if timer is not None:
                timer.cancel()
        self._flush()
