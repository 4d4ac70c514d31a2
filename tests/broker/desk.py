"""A broker whose notifications stay where they are, at a time that the test says."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from cityloop.interconnection.broker.contexts import CORE_TERMS
from cityloop.interconnection.broker.parcels import Orders, Reports, Tell
from tests.broker.scene import Broker, subscription

NOWHERE = "http://127.0.0.1:9/"
START = 1_700_000_000_000


class Clerk:
    """A notifier that keeps what it is given; ``report`` says what became of it."""

    def __init__(self) -> None:
        self.tells: list[Tell] = []
        self.came = asyncio.Event()

    def send(self, orders: list[Orders]) -> None:
        self.tells += [order for order in orders if isinstance(order, Tell)]
        self.came.set()

    def renew(self) -> None:
        """It is never lost."""


class Desk(Broker):
    """A broker whose notifications stay here, at a time that the test says."""

    def __init__(self, folder: Path) -> None:
        self.now = START
        self.clerk = Clerk()
        super().__init__(folder, clock=lambda: self.now, notifier=self.clerk)
        self.store.recover()

    @property
    def dispatch(self) -> Any:
        return self.subscriptions.following.dispatch

    def report(self, *reports: Reports) -> None:
        self.dispatch.report(list(reports))

    async def told(self) -> list[list[dict[str, Any]]]:
        """The entities of each notification so far, once all that is due was handed out."""
        for _ in range(3):
            await asyncio.sleep(0)
        return [json.loads(b"[%b]" % tell.body) for tell in self.clerk.tells]

    async def levels(self) -> list[Any]:
        return [entity["level"]["value"] for told in await self.told() for entity in told]


@asynccontextmanager
async def desk(folder: Path) -> AsyncIterator[Desk]:
    here = Desk(folder)
    here.dispatch.restart()
    try:
        yield here
    finally:
        await here.close()


async def subscribed(here: Desk, **members: Any) -> str:
    return await here.subscriptions.create(subscription(NOWHERE, **members), CORE_TERMS)
