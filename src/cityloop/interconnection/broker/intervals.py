"""Subscriptions that are told every so often, changed or not (``timeInterval``)."""

import asyncio
from typing import Any

import structlog

from cityloop.interconnection.broker.following import Follower, Following
from cityloop.interconnection.broker.queries import Queries
from cityloop.kernel.clock import Clock
from cityloop.kernel.errors import BusyError, CorruptError
from cityloop.standards.cim.asked import Asked, Shape
from cityloop.standards.cim.outgoing import View
from cityloop.standards.cim.selection.ast import Selection
from cityloop.standards.cim.subscription import conditions, selectors, status

_log = structlog.get_logger()
MOST_IN_MESSAGE = 500


class Intervals:
    """A task for each such subscription."""

    def __init__(self, following: Following, queries: Queries, clock: Clock) -> None:
        self._following = following
        self._queries = queries
        self._clock = clock
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def put(self, follower: Follower) -> None:
        """Tell it from now on, where it wants that; in place of the one of its number."""
        self.remove(follower.s)
        if "timeInterval" in follower.subscription:
            loop = asyncio.get_running_loop()
            self._tasks[follower.s] = loop.create_task(self._keep_telling(follower))

    def remove(self, s: int) -> None:
        """Tell it no more."""
        task = self._tasks.pop(s, None)
        if task is not None:
            task.cancel()

    async def _keep_telling(self, follower: Follower) -> None:
        asked = _asked(follower)
        while True:
            await asyncio.sleep(float(follower.subscription["timeInterval"]))
            if status(follower.subscription, self._clock()) != "active":
                continue
            try:
                await self._tell(follower, asked)
            except (OSError, BusyError, CorruptError) as error:
                _log.error("interval_not_told", s=follower.s, error=str(error))

    async def _tell(self, follower: Follower, asked: Selection) -> None:
        """All that it selects, in as many messages as that takes; none where it is nothing."""
        offset, more = 0, True
        while more:
            page = Asked(asked, Shape(View()), limit=MOST_IN_MESSAGE, offset=offset)
            found = await self._queries.answer(page)
            if found.entities:
                self._following.notify(follower.s, found.entities)
            offset, more = offset + MOST_IN_MESSAGE, found.more

    def close(self) -> None:
        """Tell nobody any more."""
        for s in list(self._tasks):
            self.remove(s)


def _asked(follower: Follower) -> Selection:
    more: Any = conditions(follower.subscription, follower.asked) or Selection()
    watched = tuple(follower.subscription.get("watchedAttributes", ()))
    return Selection(selectors(follower.subscription), watched, more.q, more.geo, more.scope)
