"""The bus's own process: follows the log and hands it to a NATS server, away from what acts.

A server that is away, slow or full holds up nothing else: this process waits, and people are told.
"""

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import structlog
import uvloop

from cityloop.city.clock import wall_time
from cityloop.city.config import BusRule
from cityloop.city.journal import keep_journal
from cityloop.city.wire import BusTold, Line, Measured, Ready
from cityloop.interconnection.bus.jetstream import JetStreamBus, StreamRule
from cityloop.interconnection.bus.publisher import BusHealth, Publisher
from cityloop.interconnection.bus.server import check, connect, credentials
from cityloop.interconnection.log import StoredLog
from cityloop.interconnection.tenant import Place, open_log
from cityloop.kernel.errors import CityloopError
from cityloop.kernel.figures import Figure, write_told

_log = structlog.get_logger()
_TELL_EVERY_S = 1.0
_RETRY_S = 0.2
_NICE = 5
NONE = "process"
"""What stands in city.toml for a city without a server for its bus."""


@dataclass(frozen=True, slots=True)
class BusSpec:
    """All the bus's process needs. ``url``: of the server; ``place``: of the log."""

    url: str
    rule: BusRule
    place: Place


def stream_rule(tenant: str, rule: BusRule) -> StreamRule:
    """What the tenant's stream keeps."""
    most = int(rule.most_gb * 1e9)
    return StreamRule(tenant, most, rule.keep_h * 3600, rule.discard, rule.replicas)


def check_bus(url: str, login: Mapping[str, Any] | None = None) -> None:
    """Raises ConfigError where the server is not fit to be a bus. One that is away may come later:
    the city does not wait for it.
    """

    async def go() -> None:
        client = await connect(url, credentials() if login is None else login, "cityloop check")
        try:
            await check(client, url)
        finally:
            await client.close()

    try:
        asyncio.run(go())
    except OSError as error:
        _log.warning("the bus is away; the city starts without it", why=str(error))


def _figures(health: BusHealth) -> list[Figure]:
    return [
        Figure("cityloop_fold_position", health.reached, ("bus",)),
        Figure("cityloop_bus_up", float(health.state == "ok")),
        Figure("cityloop_bus_messages_total", health.letters),
        Figure("cityloop_bus_sent_bytes_total", health.sent_bytes),
    ]


async def _opened(place: Place, ended: asyncio.Event) -> StoredLog | None:
    """The log, once the hub has made it; None where the city ends before."""
    while not ended.is_set():
        try:
            return open_log(place, wall_time, readonly=True)
        except (OSError, CityloopError) as error:
            _log.info("the log is not there yet", why=str(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), _RETRY_S)
    return None


async def _serve(spec: BusSpec, supervisor: "Connection[Any, Any]") -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(supervisor.fileno(), ended.set)
    log = await _opened(spec.place, ended)
    if log is None:
        return
    tenant = spec.place.tenant
    rule = stream_rule(tenant, spec.rule)
    publisher = Publisher(
        log,
        tenant,
        partial(JetStreamBus.open, spec.url, credentials(), rule),
        wall_time,
        partitions=spec.rule.partitions,
        keep_s=rule.keep_s,
    )
    line = Line(supervisor)
    line.send(Ready())
    task = asyncio.create_task(publisher.run())
    while not ended.is_set():
        health = publisher.health()
        line.send(BusTold(health.state, health.reason, health.behind, health.age_s))
        line.send(Measured(write_told(_figures(health))))
        with suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), _TELL_EVERY_S)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    log.close()


def main(spec: BusSpec, supervisor: "Connection[Any, Any]") -> None:
    """Publish until the supervisor says stop or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_journal()
    os.nice(_NICE)
    with suppress(BrokenPipeError), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(spec, supervisor))
