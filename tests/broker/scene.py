"""A broker without its HTTP, with its notifier process, and what tests do to it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from cityloop.city.clock import wall_time
from cityloop.city.notifier_process import NotifierProcess
from cityloop.interconnection.broker.context_book import ContextBook
from cityloop.interconnection.broker.contexts import CORE_TERMS, Contexts
from cityloop.interconnection.broker.dispatch import Notifier
from cityloop.interconnection.broker.held import Held, written
from cityloop.interconnection.broker.ports import BrokerTables
from cityloop.interconnection.broker.reach import EVERYWHERE, Reach
from cityloop.interconnection.broker.sqlite_tables import SqliteTables, sqlite_contexts
from cityloop.interconnection.broker.store import EntityStore
from cityloop.interconnection.broker.subscriptions import Subscriptions
from cityloop.kernel.clock import Clock
from cityloop.standards.cim.writes import Alter, Delete, Put, applied
from tests.broker.hearer import Hearer

LAMP = CORE_TERMS.expand("Lamp")
LEVEL = CORE_TERMS.expand("level")


class Broker:
    """The parts that a broker is made of, without its HTTP."""

    def __init__(
        self,
        folder: Path,
        reach: Reach = EVERYWHERE,
        ca: Path | None = None,
        clock: Clock = wall_time,
        notifier: Notifier | None = None,
        tables: BrokerTables | None = None,
    ) -> None:
        self.clock = clock
        self.store = EntityStore(tables or SqliteTables(folder, clock), clock)
        self.process = NotifierProcess(reach, ca)
        channel = self.process.channel()
        contexts = Contexts(ContextBook(sqlite_contexts(folder / "contexts.db")), {})
        self.subscriptions = Subscriptions(self.store, contexts, notifier or channel, "", reach)
        channel.begun = self.subscriptions.following.dispatch.restart
        channel.report = self.subscriptions.following.dispatch.report

    async def start(self) -> None:
        self.store.recover()
        self.process.start()

    async def write(self, name: str, level: Any, attribute: str = LEVEL) -> None:
        before = self.store.held(name)
        now = self.clock()
        instance = {"type": "Property", "value": level, "createdAt": now, "modifiedAt": now}
        if before is None:
            attrs = {attribute: {"": instance}}
            kept = {"id": name, "type": [LAMP], "createdAt": now, "modifiedAt": now}
            done = written(
                None,
                Held(self.store.state.next_key(), kept | {"attrs": attrs}),
                Put(kept | {"attrs": attrs}),
            )
        else:
            write = Alter(name, now, {attribute: {"": instance}})
            after = applied(before.kept, write)
            assert after
            done = written(before, Held(before.key, after), write)
        await self.store.commit([done])

    async def drop(self, name: str, attribute: str) -> None:
        """Delete an attribute."""
        before = self.store.held(name)
        assert before
        write = Alter(name, self.clock(), {}, ((attribute, ""),))
        after = applied(before.kept, write)
        assert after
        await self.store.commit([written(before, Held(before.key, after), write)])

    async def delete(self, name: str) -> None:
        before = self.store.held(name)
        await self.store.commit([written(before, None, Delete(name, self.clock()))])

    async def until_told(self, id_: str, name: str) -> Any:
        """What a subscription says of its notifications under ``name``, once it says it."""
        async with asyncio.timeout(20):
            while True:
                told = self.subscriptions.retrieve(id_, CORE_TERMS)["notification"]
                if name in told:
                    return told[name]
                await asyncio.sleep(0.01)

    async def close(self) -> None:
        await self.process.close()
        await self.subscriptions.close()
        await self.store.close()


@asynccontextmanager
async def running(
    folder: Path, reach: Reach = EVERYWHERE, ca: Path | None = None
) -> AsyncIterator[Broker]:
    broker = Broker(folder, reach, ca)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.close()


def subscription(hearer: Hearer | str, **members: Any) -> dict[str, Any]:
    uri = hearer if isinstance(hearer, str) else hearer.url
    notification = {"endpoint": {"uri": uri}} | members.pop("notification", {})
    return {
        "type": "Subscription",
        "entities": [{"type": "Lamp"}],
        "notification": notification,
    } | members


def drive(scene: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scene, 60))
