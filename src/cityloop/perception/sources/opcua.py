"""OPC UA: values of nodes by subscription, as water and energy works speak.

The server's source timestamp is the observation's time; a bad status code makes a fault, an
uncertain one is taken or not, as declared. Needs the extra ``sources`` (asyncua).
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from random import Random, SystemRandom
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from cityloop.kernel.clock import CityTime, Clock, city_time
from cityloop.kernel.errors import BusyError, ConfigError
from cityloop.perception.backoff import Backoff
from cityloop.perception.field_line import (
    MOST_PAUSE_S,
    LineError,
    Wait,
    keep_line,
    map_mistakes,
)
from cityloop.perception.source import Intake, Mistake, Secret, Setup, SourceSettings
from cityloop.standards.feeds.tables import entity_id
from cityloop.standards.readings import Decoded, Faults
from cityloop.standards.singles import Singles

if TYPE_CHECKING:
    from asyncua import ua
    from asyncua.client.client import Client

_MOST_WAITING = 50_000
_GATHER_S = 0.05
_LOOK_S = 1.0
_KEPT_BY_SERVER = 100
"""So many changes of a node the server keeps between two publications."""
_BUSY_S = 0.5
_GOODBYE_S = 1.0


class Node(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One value of the server. ``node``: its id, e.g. "ns=2;s=Pump1.Flow"; ``unit``: symbol or
    code of what it gives, empty for the declared one."""

    node: str
    type: str
    entity: str
    attribute: str
    unit: str = ""


class OpcUaSettings(SourceSettings, frozen=True, kw_only=True, tag="opcua"):
    """``[sources.NAME] kind = "opcua"``.

    ``security``: as asyncua takes it, "Policy,Mode,certificate,key[,server certificate]".
    ``uncertain``: whether values of uncertain quality are taken.
    """

    trial_may_acknowledge: ClassVar[bool] = True

    url: Annotated[str, Meta(pattern=r"^opc\.tcp://[^/]+")]
    nodes: Annotated[list[Node], Meta(min_length=1)]
    every_s: Annotated[float, Meta(ge=0.05)] = 1.0
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 4.0
    user: str = ""
    password: Secret | None = None
    security: str = ""
    uncertain: Literal["take", "refuse"] = "take"

    def mistakes(self) -> Iterable[Mistake]:
        """What one key alone does not tell."""
        if (self.password is None) != (not self.user):
            yield ("user",), "user and password belong together", "give both or none"
        if self.password is not None:
            yield from self.password.mistakes("password")
        yield from map_mistakes("nodes", self.nodes)

    def source(self, setup: Setup) -> "OpcUa":
        """The adapter; raises ConfigError where asyncua or the password is not there."""
        try:
            import asyncua  # noqa: F401 (told now, not at the first connection)
        except ImportError:
            raise ConfigError(
                "kind opcua needs the extra 'sources': pip install 'cityloop[sources]'"
            ) from None
        # What it would warn of, people read as the source's state.
        logging.getLogger("asyncua").setLevel(logging.CRITICAL)
        password = "" if self.password is None else self.password.read(setup.folder)
        return OpcUa(self, password, setup.clock)


class Inbox:
    """What the server told and the city does not know yet; bounded, the newest is left out."""

    def __init__(self, nodes: Sequence[Node], uncertain: str, clock: Clock) -> None:
        self._nodes = nodes
        self._takes_uncertain = uncertain == "take"
        self._clock = clock
        self._waiting: list[tuple[Node, ua.DataValue]] = []
        self.dropped = 0
        self.filled = asyncio.Event()
        self.by_id: dict[Any, Node] = {}

    def datachange_notification(self, node: Any, val: Any, data: Any) -> None:
        """Called by asyncua for each change."""
        known = self.by_id.get(node.nodeid)
        if known is None:
            return
        if len(self._waiting) >= _MOST_WAITING:
            self.dropped += 1
            return
        self._waiting.append((known, data.monitored_item.Value))
        self.filled.set()

    def take(self) -> Decoded:
        """All that waits, as readings and faults."""
        waiting, self._waiting = self._waiting, []
        self.filled.clear()
        singles, faults = Singles(), Faults()
        for node, told in waiting:
            self._add(node, told, singles, faults)
        return faults.of(singles.readings(faults, "nodes"))

    def _takes(self, status: "ua.StatusCode") -> bool:
        return status.is_good() or (self._takes_uncertain and status.is_uncertain())

    def _add(self, node: Node, told: "ua.DataValue", singles: Singles, faults: Faults) -> None:
        entity = entity_id(node.entity, node.type)
        status = told.StatusCode
        value = None if told.Value is None else told.Value.Value
        if status is not None and not self._takes(status):
            faults.add(
                node.node,
                f"bad quality: {status.name}",
                entity=entity,
                attribute=node.attribute,
                value=value,
            )
            return
        at = _time(told, self._clock)
        singles.add(node.type, node.attribute, node.unit, entity, at, _plain(value))


def _time(told: "ua.DataValue", clock: Clock) -> CityTime:
    """The source's time, else the server's, else ours. OPC UA times are UTC without saying so."""
    moment: datetime | None = told.SourceTimestamp or told.ServerTimestamp
    if moment is None:
        return CityTime(clock())
    return city_time(moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment)


def _plain(value: object) -> object:
    """A scalar as it is; anything else becomes a fault by its kind."""
    return city_time(value.replace(tzinfo=UTC)) if isinstance(value, datetime) else value


class OpcUa:
    """Listens to one server."""

    def __init__(
        self,
        settings: OpcUaSettings,
        password: str,
        clock: Clock,
        *,
        random: Random | None = None,
        wait: Wait = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._password = password
        self._clock = clock
        self._wait = wait
        self._backoff = Backoff(1.0, MOST_PAUSE_S, random or SystemRandom())

    async def run(self, intake: Intake) -> None:
        """Listen until cancelled; a line that breaks is made again after growing pauses."""
        await keep_line(self._serve, intake, self._backoff, self._wait)

    async def _serve(self, intake: Intake) -> None:
        """Listen on one connection until it breaks; raises LineError then."""
        from asyncua.client.client import Client
        from asyncua.ua.uaerrors import UaError

        client = Client(self._settings.url, timeout=self._settings.timeout_s)
        inbox = Inbox(self._settings.nodes, self._settings.uncertain, self._clock)
        try:
            await self._connect(client)
            await self._subscribe(client, inbox, intake)
            self._backoff.reset()
            intake.tell("ok")
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_S):
                        await inbox.filled.wait()
                await client.check_connection()
                await self._wait(_GATHER_S)
                await self._deliver(intake, inbox)
        except (UaError, OSError, TimeoutError, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and _cancelled():
                raise
            raise LineError(f"{self._settings.url}: {_told(error)}") from None
        finally:
            # A server that is gone does not answer a good-bye.
            with suppress(UaError, OSError, TimeoutError, asyncio.CancelledError):
                async with asyncio.timeout(_GOODBYE_S):
                    await client.disconnect()

    async def _connect(self, client: "Client") -> None:
        if self._settings.security:
            await client.set_security_string(self._settings.security)
        if self._settings.user:
            client.set_user(self._settings.user)
            client.set_password(self._password)
        await client.connect()

    async def _subscribe(self, client: "Client", inbox: Inbox, intake: Intake) -> None:
        """Subscribe to every node; those that the server does not have are faults."""
        from asyncua.ua import StatusCode
        from asyncua.ua.uaerrors import UaError

        faults = Faults()
        nodes = []
        for wanted in self._settings.nodes:
            try:
                node = client.get_node(wanted.node)
            except UaError as error:
                faults.add(wanted.node, f"no node id: {_told(error)}", entity=wanted.entity)
                continue
            inbox.by_id[node.nodeid] = wanted
            nodes.append((node, wanted))
        subscription = await client.create_subscription(
            self._settings.every_s * 1000, inbox, queue_maxsize=_MOST_WAITING
        )
        handles = await subscription.subscribe_data_change(
            [node for node, _ in nodes], queuesize=_KEPT_BY_SERVER
        )
        for (_, wanted), handle in zip(nodes, _listed(handles), strict=True):
            if isinstance(handle, StatusCode):
                reason = f"the server refuses it: {handle.name}"
                faults.add(wanted.node, reason, entity=wanted.entity, attribute=wanted.attribute)
        if faults.count:
            await intake.deliver(faults.of(()))

    async def _deliver(self, intake: Intake, inbox: Inbox) -> None:
        """Deliver what waits; while the intake is full it goes on waiting, up to the bound."""
        decoded = inbox.take()
        while decoded.readings or decoded.faults:
            try:
                await intake.deliver(decoded)
            except BusyError:
                intake.tell("waiting", "the city takes no more just now")
                await self._wait(_BUSY_S)
            else:
                intake.tell("ok")
                break
        if inbox.dropped:
            intake.dropped(inbox.dropped)
            inbox.dropped = 0


def _listed(handles: Any) -> list[Any]:
    return handles if isinstance(handles, list) else [handles]


def _cancelled() -> bool:
    """Whether somebody cancels us, rather than asyncua its own waiting."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _told(error: BaseException) -> str:
    return str(error)[:200] or type(error).__name__
