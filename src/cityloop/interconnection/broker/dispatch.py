"""Hands the outbox to the notifier, so much at a time that neither holds more than it can.

Each subscription has a lane: a few notifications under way, in order; the rest waits on the disk. A
subscriber that fails keeps its own lane waiting and nobody else's.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from cityloop.interconnection.broker.deliveries import Deliveries
from cityloop.interconnection.broker.outbox import News, Outbox
from cityloop.interconnection.broker.parcels import GivenBack, Orders, Reports, Resume, Tell, Told
from cityloop.interconnection.broker.underway import UnderWay
from cityloop.kernel.clock import Clock
from cityloop.kernel.errors import BusyError, CorruptError

_log = structlog.get_logger()

WINDOW = 64
"""Notifications of one subscription under way at once."""

MOST_UNDER_WAY = 20_000
WEIGHT = 4_096
"""So many are under way at once, of all subscriptions; each so many bytes count as one more."""

PAGE = 200
FIRST_PAUSE_S, LAST_PAUSE_S = 1.0, 30.0
FLUSH_S = 0.05
AWAY_S = 1.0
LATE_MS = 24 * 3600 * 1000
MOST_WAITING = 100_000
"""What could not be told in so long, or is more for one subscription, is dropped and counted, the
oldest first."""
SWEEP_S, MOST_SWEPT = 1.0, 20
MOST_FED = 100


@dataclass(slots=True)
class _Lane:
    """``last``: up to which number all is under way or done; ``held``: more waits in the outbox.

    ``heavy``: what long ones under way count beside 1; ``again``: when a failing one is tried
    again [ms of wall time].
    """

    under_way: int = 0
    last: int = 0
    held: bool = False
    failing: bool = False
    pause_s: float = 0.0
    again: int = 0
    heavy: dict[int, int] = field(default_factory=dict)


class Notifier(Protocol):
    """The process that speaks to subscribers. It may be lost at any time: then the dispatch is
    told (``restart``), and hands out again whatever was not reported."""

    def send(self, orders: list[Orders]) -> None:
        """Give it something to do; in order, without waiting."""
        ...

    def renew(self) -> None:
        """Lose it: what was known of its work may be lost. In its own time another one begins."""
        ...


class Dispatch:
    """The lanes of one tenant; for the loop's thread. ``cooldown_s``: by subscription, how long to
    leave its subscriber alone after a failure."""

    def __init__(self, outbox: Outbox, notifier: Notifier, clock: Clock) -> None:
        self._outbox = outbox
        self._notifier = notifier
        self._clock = clock
        self._lanes: dict[int, _Lane] = {}
        self._weight = 0
        self._hungry: dict[int, None] = {}
        self._in_hand = UnderWay(outbox)
        self._cursor = 0
        self._caught_up = False
        self._orphans = 0
        self._to_sweep: list[int] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken: asyncio.Handle | None = None
        self._flushing: asyncio.TimerHandle | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self.targets: dict[int, Orders] = {}
        self.cooldown_s: dict[int, float] = {}
        self.deliveries = Deliveries(outbox, clock)

    @property
    def weight(self) -> int:
        """What is with the notifier; a long notification counts for several."""
        return self._weight

    def subscribers(self) -> tuple[int, int, int]:
        """How many subscriptions there are, how many of them wait, and whose subscriber fails."""
        lanes = self._lanes.values()
        held, failing = (sum(lane.held for lane in lanes), sum(lane.failing for lane in lanes))
        return len(self.targets), held, failing

    def next_attempt(self, s: int) -> int:
        """When a subscriber that failed is tried again [ms of wall time]; 0 where none did."""
        lane = self._lanes.get(s)
        return lane.again if lane is not None and lane.failing else 0

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
        for known in (self.targets, self.cooldown_s, self._hungry):
            known.pop(s, None)
        self.deliveries.forget(s)
        lane = self._lanes.pop(s, None)
        self._weight -= lane.under_way + sum(lane.heavy.values()) if lane else 0
        self._in_hand.forget(s)
        self._outbox.forget(s)
        self._notifier.send([order])

    def restart(self) -> None:
        """The notifier is new: it knows nothing, and what was under way is not. Before the first
        one nothing is handed out.
        """
        self._loop = asyncio.get_running_loop()
        self._survive(self._restart)

    def _restart(self) -> None:
        self._flush(everything=True)
        self._in_hand.restart()
        self._lanes.clear()
        self._weight = self._cursor = 0
        self._caught_up = False
        self._hungry = dict.fromkeys(s for s in self._outbox.waiting() if self._is_known(s))
        self._lanes = {s: _Lane(held=True) for s in self._hungry}
        self._notifier.send(list(self.targets.values()))
        self.wake()
        self._sweep()

    def _survive(self, work: Callable[[], None]) -> None:
        """Do it; where the tables are away, a new notifier is told all anew, once they are back."""
        try:
            work()
        except (OSError, BusyError) as error:
            _log.error("outbox_not_readable", error=str(error), again_in_s=AWAY_S)
            asyncio.get_running_loop().call_later(AWAY_S, self._notifier.renew)

    def _is_known(self, s: int) -> bool:
        """Whether there is such a subscription; what waits for one that a kill took away while it
        was forgotten is dropped."""
        if s not in self.targets:
            self._in_hand.shed(self._outbox.beyond(s, 0, 0))
        return s in self.targets

    def wake(self) -> None:
        """There may be something to hand out."""
        self._caught_up = False
        if self._woken is None and self._loop is not None:
            self._woken = self._loop.call_soon(self._survive, self._pump)

    def _pump(self) -> None:
        self._woken = None
        page = self._outbox.page(self._cursor, PAGE)
        orders: list[Orders] = []
        for news, to in page:
            taken: list[int] = []
            held: list[int] = []
            for s in to:
                if s in self.targets:
                    (taken if self._takes(s, news) else held).append(s)
            self._in_hand.hand_out(news.n, taken, held)
            if taken:
                orders.append(Tell(*news, taken))
        if orders:
            self._notifier.send(orders)
        if page:
            self._cursor = page[-1][0].n
            self.flush_soon()
        if len(page) == PAGE:
            # One page at a time: requests come in between.
            self.wake()
        else:
            self._caught_up = True
            self._feed()

    def _takes(self, s: int, news: News) -> bool:
        """Whether a lane has room; it is taken then. Else what is new waits."""
        lane = self._lanes.get(s)
        if lane is None:
            lane = self._lanes[s] = _Lane()
        if lane.held or lane.under_way >= WINDOW or self._weight >= MOST_UNDER_WAY:
            if not lane.held and not lane.under_way:
                self._hungry[s] = None
            lane.held = True
            return False
        self._take(lane, news)
        return True

    def _take(self, lane: _Lane, news: News) -> None:
        lane.under_way += 1
        lane.last = news.n
        more = len(news.body) // WEIGHT
        if more:
            lane.heavy[news.n] = more
        self._weight += 1 + more

    def _done(self, lane: _Lane, numbers: list[int]) -> None:
        lane.under_way -= len(numbers)
        self._weight -= len(numbers)
        if lane.heavy:
            self._weight -= sum(lane.heavy.pop(n, 0) for n in numbers)

    def _feed(self) -> None:
        """Hand out what waited in the outbox to lanes that have room again, in turn."""
        fed = 0
        while self._hungry and self._caught_up and self._weight < MOST_UNDER_WAY:
            if fed == MOST_FED:
                self.wake()
                return
            if self._in_hand.waits and not self._flush():
                return
            s = next(iter(self._hungry))
            del self._hungry[s]
            self._refill(s)
            fed += 1

    def _refill(self, s: int) -> None:
        """Hand out what waited; after a failure one first."""
        lane = self._lanes.get(s)
        if lane is None or lane.failing or lane.under_way > WINDOW // 2:
            return
        room = (1 if lane.pause_s else WINDOW) - lane.under_way
        if room <= 0:
            return
        found = self._outbox.of_one(s, lane.last, room)
        lane.held = len(found) == room
        for news in found:
            self._take(lane, news)
        if found:
            self._notifier.send([Tell(*news, [s]) for news in found])

    def report(self, reports: list[Reports]) -> None:
        """What the notifier did."""
        self._survive(lambda: self._report(reports))

    def _report(self, reports: list[Reports]) -> None:
        now = self._clock()
        for report in reports:
            lane = self._lanes.get(report.s)
            if lane is None or report.s not in self.targets:
                continue
            self._done(lane, report.ns)
            if isinstance(report, GivenBack):
                self._hold(report.s, lane, report.ns, now)
            elif report.error and not report.final:
                self._failed(report, lane, now)
            else:
                self._succeeded(report, lane, now)
        self._feed()
        self.flush_soon()

    def _hold(self, s: int, lane: _Lane, numbers: list[int], now: int) -> None:
        self._in_hand.held(s, numbers, now)
        lane.held = True
        lane.last = min(lane.last, numbers[0] - 1)
        if not lane.failing:
            self._hungry[s] = None

    def _failed(self, report: Told, lane: _Lane, now: int) -> None:
        lane.failing = True
        self._hold(report.s, lane, report.ns, now)
        self.deliveries.count(report)
        lane.pause_s = min(max(FIRST_PAUSE_S, 2 * lane.pause_s), LAST_PAUSE_S)
        pause_s = max(lane.pause_s, self.cooldown_s.get(report.s, 0.0))
        lane.again = now + int(1000 * pause_s)
        asyncio.get_running_loop().call_later(pause_s, self._retry, report.s, lane)

    def _succeeded(self, report: Told, lane: _Lane, now: int) -> None:
        self.deliveries.count(report)
        if report.error:
            self.deliveries.drop(report.s, report.ns, report.error)
        self._in_hand.told(report.s, report.ns, now)
        lane.pause_s = 0.0
        if lane.held and not lane.failing and lane.under_way <= WINDOW // 2:
            self._hungry[report.s] = None

    def _retry(self, s: int, lane: _Lane) -> None:
        if self._lanes.get(s) is lane and lane.failing:
            lane.failing = False
            self._hungry[s] = None
            self._notifier.send([Resume(s)])
            self.wake()

    def flush_soon(self) -> None:
        """Bring the tables up to date in a moment, where there is something to bring."""
        unwritten = self.deliveries.unwritten or self._in_hand.unwritten
        if unwritten and self._flushing is None and self._loop is not None:
            self._flushing = self._loop.call_later(FLUSH_S, self._flush)

    def _flush(self, *, everything: bool = False) -> bool:
        """Forget what was told, keep what is known of it; whether the disk took it."""
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        due = self.deliveries.due(everything=everything)
        if due or self._in_hand.unwritten:
            try:
                with self._outbox.transaction():
                    self._in_hand.write(self._clock(), everything=everything)
                    self.deliveries.write(due)
            except (OSError, BusyError, CorruptError) as error:
                _log.error("outbox_not_writable", error=str(error))
                self._again_s(1.0)
                return False
            self._in_hand.written()
            self.deliveries.written(due)
        self.flush_soon()
        return True

    def _again_s(self, pause_s: float) -> None:
        """After a pause, see whether the disk takes it; then go on."""

        def again() -> None:
            self._flushing = None
            if self._flush():
                self.wake()

        if self._loop is not None:
            self._flushing = self._loop.call_later(pause_s, again)

    def pending(self, s: int) -> int:
        """How many notifications are still to be told to a subscription."""
        if self._in_hand.waits:
            self._flush()
        return self._outbox.pending(s) + self._in_hand.count(s)

    def waits(self, s: int, at: int, id_: str) -> int:
        """Since when [ms] a subscription is still to be told of an entity that was written at
        ``at``; 0 where it is not."""
        if self._in_hand.waits:
            self._flush()
        return self._outbox.waits(s, at, id_, self._in_hand.of(s))

    def _sweep(self) -> None:
        """Drop what nobody would take, forget what is for nobody."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._flush()
        shed = self._outbox.late(self._clock() - LATE_MS)
        for s in self._next_swept():
            shed += self._outbox.beyond(s, self._lanes[s].last, MOST_WAITING)
        for s, n in shed:
            self.deliveries.drop(s, [n])
        self._in_hand.shed(shed)
        idle = self._outbox.orphans(self._orphans, self._in_hand.first(self._cursor + 1) - 1)
        self._in_hand.ended(idle)
        self._orphans = idle[-1] if idle else 0
        self._flush()
        self._sweeper = asyncio.get_running_loop().call_later(SWEEP_S, self._survive, self._sweep)

    def _next_swept(self) -> list[int]:
        """Some of the lanes for which something waits, each in its turn."""
        if not self._to_sweep:
            self._to_sweep = list(self._lanes)
        some, self._to_sweep = self._to_sweep[-MOST_SWEPT:], self._to_sweep[:-MOST_SWEPT]
        return [s for s in some if s in self._lanes and self._lanes[s].held]

    def close(self) -> None:
        """Keep what is known; nothing more is handed out."""
        for timer in (self._sweeper, self._woken):
            if timer is not None:
                timer.cancel()
        self._flush(everything=True)
