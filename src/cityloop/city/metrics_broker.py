"""The context broker's figures, of a broker of its own and of that of a city."""

import asyncio
import os
from collections.abc import Iterator

from cityloop.city.broker import Broker
from cityloop.city.metrics import process_figures, queue
from cityloop.interconnection.broker.store import MOST_QUEUED
from cityloop.kernel.figures import Figure, Told

_OUTCOMES = ("taken", "failed", "dropped")
_STATES = ("all", "waiting", "failing")


def broker_figures(broker: Broker) -> Iterator[Told]:
    """Subscriptions and notifications of all tenants together: how many tenants there are is up to
    the clients, so none has a label of its own."""
    tenants = broker.tenants()
    yield Figure("cityloop_broker_tenants", len(tenants))
    deepest = max(tenant.store.queued for tenant in tenants)
    yield from queue("broker_writes", deepest, MOST_QUEUED)
    behind = max(tenant.store.log.last() - tenant.store.state.position for tenant in tenants)
    yield Figure("cityloop_fold_lag_positions", max(0, behind), ("broker",))
    following = [tenant.subscriptions.following.dispatch for tenant in tenants]
    yield Figure("cityloop_notifications_under_way", sum(one.weight for one in following))
    states = [one.subscribers() for one in following]
    for state, counts in zip(_STATES, zip(*states, strict=True), strict=True):
        yield Figure("cityloop_subscriptions", sum(counts), (state,))
    outcomes = [one.deliveries.outcomes() for one in following]
    for outcome, counts in zip(_OUTCOMES, zip(*outcomes, strict=True), strict=True):
        yield Figure("cityloop_notifications_total", sum(counts), (outcome,))


async def standalone_figures(broker: Broker) -> list[Told]:
    """The figures of a process that is a broker and nothing else."""
    pids = {"broker": os.getpid()}
    used = await asyncio.to_thread(lambda: list(process_figures(pids)))
    return [*used, *broker_figures(broker)]
