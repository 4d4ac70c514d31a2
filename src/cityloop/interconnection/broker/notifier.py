"""Speaks to subscribers: each gets its notifications one after the other, none waits for another's.

It keeps nothing: what it was given and did not report is given to it again.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

from cityloop.interconnection.broker.parcels import (
    Forget,
    GivenBack,
    Orders,
    Reports,
    Resume,
    Target,
    Tell,
    Told,
)
from cityloop.kernel.clock import Clock
from cityloop.standards.cim.times import write_datetime

AT_ONCE = 64
"""Messages under way to one host and port."""

MOST_IN_MESSAGE = 50
MOST_BYTES = 1_000_000
"""A subscriber slower than its news gets so many of them in one message."""


class RefusedError(Exception):
    """The subscriber did not take a message; ``final``: it never will."""

    def __init__(self, why: str, *, final: bool = False) -> None:
        super().__init__(why)
        self.final = final


class Carrier(Protocol):
    """A way to deliver messages."""

    async def carry(self, target: Target, body: bytes) -> None:
        """Deliver; returns when the subscriber has taken it. Raises RefusedError."""
        ...


@dataclass(slots=True, eq=False)
class _Lane:
    target: Target
    waiting: deque[Tell] = field(default_factory=deque)
    busy: bool = False
    failed: bool = False


class _Host:
    """The lanes to one host and port that have something to say, in turn."""

    def __init__(self, work: Callable[[_Lane], Awaitable[None]]) -> None:
        self._work = work
        self._ready: deque[_Lane] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    def ready(self, lane: _Lane) -> None:
        """A lane has something to say."""
        self._ready.append(lane)
        if len(self._tasks) < AT_ONCE:
            task = asyncio.get_running_loop().create_task(self._serve())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self) -> None:
        while self._ready:
            await self._work(self._ready.popleft())


class Notifier:
    """All lanes. ``report`` takes what became of them; ``carriers``: by scheme of the address."""

    def __init__(
        self,
        carriers: dict[str, Carrier],
        report: Callable[[Reports], None],
        clock: Clock,
    ) -> None:
        self._carriers = carriers
        self._report = report
        self._clock = clock
        self._lanes: dict[int, _Lane] = {}
        self._hosts: dict[str, _Host] = {}

    def take(self, orders: list[Orders]) -> None:
        """Do as told; returns at once."""
        for order in orders:
            if isinstance(order, Tell):
                for s in order.to:
                    self._queue(s, order)
            elif isinstance(order, Target):
                self._aim(order)
            elif isinstance(order, Resume):
                if order.s in self._lanes:
                    self._lanes[order.s].failed = False
            elif isinstance(order, Forget):
                lane = self._lanes.pop(order.s, None)
                if lane is not None:
                    lane.waiting.clear()

    def _aim(self, target: Target) -> None:
        lane = self._lanes.get(target.s)
        if lane is None:
            self._lanes[target.s] = _Lane(target)
        else:
            lane.target = target

    def _queue(self, s: int, tell: Tell) -> None:
        lane = self._lanes.get(s)
        if lane is None:
            return
        if lane.failed:
            self._report(GivenBack(s, [tell.n]))
            return
        lane.waiting.append(tell)
        if not lane.busy:
            self._go(lane)

    def _go(self, lane: _Lane) -> None:
        lane.busy = True
        host = urlsplit(lane.target.uri).netloc
        if host not in self._hosts:
            self._hosts[host] = _Host(self._say)
        self._hosts[host].ready(lane)

    async def _say(self, lane: _Lane) -> None:
        """Deliver one message of a lane."""
        tells = _together(lane.waiting)
        if not tells:
            lane.busy = False
            return
        target = lane.target
        numbers = [tell.n for tell in tells]
        try:
            await self._carriers[target.uri.partition(":")[0]].carry(target, message(target, tells))
        except RefusedError as refused:
            self._report(Told(target.s, numbers, self._clock(), str(refused), refused.final))
            if not refused.final:
                self._stop(lane)
                return
        else:
            self._report(Told(target.s, numbers, self._clock()))
        if lane.waiting:
            self._go(lane)
        else:
            lane.busy = False

    def _stop(self, lane: _Lane) -> None:
        lane.busy, lane.failed = False, True
        if lane.waiting:
            self._report(GivenBack(lane.target.s, [tell.n for tell in lane.waiting]))
            lane.waiting.clear()


def _together(waiting: deque[Tell]) -> list[Tell]:
    """What goes into the next message."""
    tells: list[Tell] = []
    size = 0
    while waiting and len(tells) < MOST_IN_MESSAGE and size < MOST_BYTES:
        tells.append(waiting.popleft())
        size += len(tells[-1].body)
    return tells


def message(target: Target, tells: list[Tell]) -> bytes:
    """The Notification (5.3.1). One that is sent again as it was has the same id; with other news
    in it, another one."""
    first = tells[0]
    last = f"-{tells[-1].n}" if len(tells) > 1 else ""
    body = b",".join([tell.body for tell in tells])
    if target.envelope == "features":
        context = b',"@context":' + target.context if target.context else b""
        body = b'{"type":"FeatureCollection","features":[%b]%b}' % (body, context)
    else:
        body = b"[%b]" % body
    head = (
        f'{{"id":"urn:ngsi-ld:Notification:{target.s}-{first.n}{last}","type":"Notification",'
        f'"subscriptionId":"{target.id}","notifiedAt":"{write_datetime(first.at)}","data":'
    )
    return b"%b%b}" % (head.encode(), body)
