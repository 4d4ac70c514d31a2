"""The context broker as processes see it: its tenants, each with its stores, and its @contexts."""

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from cityloop.city.broker_stores import BrokerStores
from cityloop.city.history_process import HistoryProcess
from cityloop.city.notifier_process import Channel, NotifierProcess
from cityloop.interconnection.broker.batches import Batches
from cityloop.interconnection.broker.context_book import ContextBook
from cityloop.interconnection.broker.context_fetch import Fetcher
from cityloop.interconnection.broker.contexts import Contexts
from cityloop.interconnection.broker.offline import read_offline
from cityloop.interconnection.broker.operations import Entities, any_entity
from cityloop.interconnection.broker.packing import Packing
from cityloop.interconnection.broker.past_sights import PastSights
from cityloop.interconnection.broker.ports import BrokerTables, StoreLog
from cityloop.interconnection.broker.queries import Queries
from cityloop.interconnection.broker.reach import EVERYWHERE, Reach
from cityloop.interconnection.broker.sighting import Sighting
from cityloop.interconnection.broker.sqlite_tables import SqliteTables
from cityloop.interconnection.broker.store import EntityStore
from cityloop.interconnection.broker.subscriptions import Subscriptions
from cityloop.interconnection.broker.temporal import Temporal
from cityloop.interconnection.context import StoredContext
from cityloop.kernel.clock import Clock
from cityloop.kernel.errors import BusyError
from cityloop.standards.cim.observed import Known
from cityloop.standards.cim.problems import Problem, bad_request

_log = structlog.get_logger()

TEMPORAL_PAGE = 20
"""Instances of one entity in an answer that tells how it evolved, where lastN says nothing: as many
as there are entities on a page where limit says nothing (6.3.10 leaves both to the broker)."""
_NAME = re.compile(r"[!-~]{1,80}").fullmatch
_SWEEP_EVERY_S = 1.0
_LOOK_EVERY_S = 0.2


@dataclass(frozen=True, slots=True)
class CityStores:
    """What a broker needs that serves a running city as its default tenant.

    ``log``: the city's, through which writes go, at ``log_place``; ``context``: its now;
    ``known``: of its entities; ``sights``: what sources said of them.
    """

    log: StoreLog
    log_place: str
    context: StoredContext
    known: Known
    sights: PastSights


class BrokerTenant:
    """One tenant: what clients do to its entities, one by one and in batches, and who follows.

    ``sighting``: what brings in what the sources of a ``city`` say; None in a broker of its own.
    """

    any_entity = staticmethod(any_entity)

    def __init__(
        self,
        name: str,
        tables: BrokerTables,
        clock: Clock,
        contexts: Contexts,
        channel: Channel,
        historian: HistoryProcess,
        page: int = TEMPORAL_PAGE,
        city: CityStores | None = None,
    ) -> None:
        self.name = name
        log, log_place = (city.log, city.log_place) if city else (None, "")
        self.store = EntityStore(tables, clock, log, log_place)
        self.sighting: Sighting | None = None
        if city is not None:
            self.sighting = Sighting(self.store, city.context, city.log, city.known)
        self._watch: asyncio.Task[None] | None = None
        self.entities = Entities(self.store)
        self.batches = Batches(self.store)
        self.queries = Queries(self.store)
        sights = city.sights if city else None
        self.temporal = Temporal(self.store, self.queries, historian.fold, sights)
        # The city's own worker sees to the log of a city, the database to its own rows.
        has_file = city is None and isinstance(tables, SqliteTables)
        self._packing = Packing(self.store, historian.pack) if has_file else None
        self.page = page
        self.subscriptions = Subscriptions(self.store, contexts, channel, name, channel.reach)
        channel.begun = self.subscriptions.following.dispatch.restart
        channel.report = self.subscriptions.following.dispatch.report
        self.store.recover()
        self.temporal.recover()

    def start(self) -> None:
        """Begin what runs beside the requests; needs a running event loop."""
        self.temporal.start()
        if self._packing is not None:
            self._packing.start()
        self.subscriptions.start(self.queries)
        if self.sighting is not None:
            loop = asyncio.get_running_loop()
            self._watch = loop.create_task(self._look_out(self.sighting))

    async def _look_out(self, sighting: Sighting) -> None:
        """Take in what sources say while a subscription waits for it."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            try:
                if not self.subscriptions.following.idle:
                    await sighting.catch_up()
            except (OSError, BusyError) as error:
                _log.warning("subscribers wait for what sources say", why=str(error))

    async def close(self) -> None:
        """Let what is queued be written, then let go of all files."""
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
        if self.sighting is not None:
            self.sighting.close()
        await self.subscriptions.close()
        await self.temporal.close()
        if self._packing is not None:
            await self._packing.close()
        self.queries.close()
        await self.store.close()


class Broker:
    """All tenants in ``stores``; the default one always exists.

    ``contexts``: documents that need no network (a JSON table or a directory); ``fetch``: whether
    others may be fetched; ``trusted``: hosts that may be fetched from though they are private
    ("host" or "host:port"); ``temporal_page``: instances of one entity in an answer that
    tells how it evolved; ``city``: what the default tenant is of, else it stands alone;
    ``reach``: where notifications may go; ``ca``: authorities that TLS to subscribers trusts beside
    those of the system, as PEM. Raises ConfigError, OSError and CorruptError for what cannot be
    opened.
    """

    def __init__(
        self,
        stores: BrokerStores,
        clock: Clock,
        contexts: Path | None = None,
        *,
        fetch: bool = True,
        trusted: Sequence[str] = (),
        temporal_page: int = TEMPORAL_PAGE,
        city: CityStores | None = None,
        reach: Reach = EVERYWHERE,
        ca: Path | None = None,
    ) -> None:
        self._stores = stores
        self._clock = clock
        self._temporal_page = temporal_page
        book = ContextBook(stores.contexts())
        self.contexts = Contexts(book, read_offline(contexts), Fetcher(trusted) if fetch else None)
        self.notifier = NotifierProcess(reach, ca)
        self._historian = HistoryProcess()
        self._tenants = {name: self._made(name) for name in stores.names()}
        self.default = self._tenants[""] = self._made("", city)
        self._sweeper: asyncio.Task[None] | None = None

    def _made(self, name: str, city: CityStores | None = None) -> BrokerTenant:
        channel, page, past = self.notifier.channel(), self._temporal_page, self._historian
        tables = self._stores.tables(name)
        return BrokerTenant(name, tables, self._clock, self.contexts, channel, past, page, city)

    def tenant(self, name: str, *, create: bool) -> BrokerTenant:
        """A tenant by its name; with ``create`` it is made when new (5.5.10).

        Raises Problem for an unknown one, and for a name that is too long.
        """
        found = self._tenants.get(name)
        if found is not None:
            return found
        if not create:
            raise Problem("NonexistentTenant", f"tenant {name!r} does not exist")
        if not _NAME(name):
            raise bad_request(f"tenant {name!r}: write 1 to 80 visible characters of ASCII")
        tenant = self._tenants[name] = self._made(name)
        tenant.start()
        return tenant

    def tenants(self) -> list[BrokerTenant]:
        """All tenants there are."""
        return list(self._tenants.values())

    def start(self) -> None:
        """Begin what runs beside the requests; needs a running event loop."""
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep())
        for tenant in self.tenants():
            tenant.start()
        self.notifier.start()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_EVERY_S)
            for tenant in self.tenants():
                try:
                    await tenant.entities.sweep()
                except (OSError, BusyError) as error:
                    _log.warning("expired entities stay", tenant=tenant.name, why=str(error))

    async def close(self) -> None:
        """Let what is queued be written, then let go of all files."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        await self.notifier.close()
        for tenant in self.tenants():
            await tenant.close()
        await self._historian.close()
