"""From a site to the parts of its hub: the one place that names loops and back ends."""

import time
from collections.abc import Callable, Sequence
from functools import partial

from cityloop.city.alarm_watch import Watch
from cityloop.city.api_desk import ApiDesk
from cityloop.city.clock import wall_time
from cityloop.city.desk import Desk, Escalation
from cityloop.city.hub import Hub
from cityloop.city.installed import chosen_loops
from cityloop.city.intake_desk import IntakeDesk
from cityloop.city.live_clock import CLOCK_SOURCE, LiveClock, clock_source, pace_s
from cityloop.city.live_sensors import registered_sensors, stand_for
from cityloop.city.loop_desk import LoopDesk
from cityloop.city.partitions import parts_of
from cityloop.city.plan_desk import PlanDesk
from cityloop.city.site import Site
from cityloop.city.telemetry_hub import HubSpans
from cityloop.city.tracer_desk import TracerDesk
from cityloop.city.wire import TWIN_SOURCE
from cityloop.city.workers_desk import Ports, WorkersDesk
from cityloop.interconnection.tenant import Tenant
from cityloop.interconnection.writer import LogWriter
from cityloop.kernel.changes import Reject
from cityloop.kernel.clock import CityTime
from cityloop.kernel.loop import Mode
from cityloop.kernel.runner import Runner
from cityloop.perception.gate import DeviceSource, Gate
from cityloop.perception.live_gate import LiveGate, LiveSource
from cityloop.perception.open_gate import OpenGate
from cityloop.perception.source import kind_of
from cityloop.safety.guard import SignalGuard
from cityloop.safety.modes import ModeBook
from cityloop.standards.attributes import declared


def build_intake(
    site: Site, tenant: Tenant, writer: LogWriter, hub: Hub, spans: HubSpans
) -> IntakeDesk:
    """The hub's side of the intake, with the log's newest commits in mind."""
    settings = site.settings.sources
    sources = [
        LiveSource(name, site.registered[name], source.late_s, source.ahead_s)
        for name, source in settings.items()
    ]

    def refuse(rejects: Sequence[Reject]) -> None:
        tenant.rejects.offer(rejects)
        hub.watch.rejections.take(rejects)

    gate = LiveGate(sources, declared(), refuse)
    kinds = {name: kind_of(source) for name, source in settings.items()}
    desk = IntakeDesk(gate, kinds, tenant, writer, hub.totals, hub.heard, refuse, wall_time, spans)
    desk.recall()
    return desk


def build_api(tenant: Tenant, writer: LogWriter, hub: Hub, now: Callable[[], CityTime]) -> ApiDesk:
    """The hub's side of the NGSI-LD API."""

    def refuse(rejects: Sequence[Reject]) -> None:
        tenant.rejects.offer(rejects)

    gate = OpenGate(declared(), refuse)
    return ApiDesk(gate, tenant.log, writer, now, hub.written, refuse)


def build_tracer(site: Site, tenant: Tenant, writer: LogWriter, epoch: int) -> TracerDesk:
    """The hub's side of the tracer."""
    given = site.settings.tracer
    most_s = 3 * given.every_s + 2 * given.patience_s
    return TracerDesk(tenant, writer, wall_time, epoch, most_s)


def build_clock(run: str | None, hub: Hub, tenant: Tenant) -> LiveClock | None:
    """What turns the hub of a city without a twin, going on where ``run`` stopped; else None."""
    if run is None:
        return None
    known = tenant.log.sequence(CLOCK_SOURCE, run)
    return LiveClock(run, pace_s(hub.every_s), known, hub.now)


def build_workers(site: Site, ports: Ports) -> WorkersDesk | None:
    """The hub's side of loops that run elsewhere; None where all run in the hub."""
    if site.settings.city.workers == "hub":
        return None
    loops = [one.chosen for one in chosen_loops(site.settings)]
    knows = {"network": site.network}
    rows = partial(parts_of, site)
    return WorkersDesk(loops, knows, rows, ports, lockstep=site.twin is not None)


def build_hub(
    site: Site,
    tenant: Tenant,
    *,
    epoch: int,
    spans: HubSpans | None = None,
    workers: WorkersDesk | None = None,
) -> Hub:
    """The hub of a city, before it has seen anything. ``spans``: what traces its parts;
    ``workers``: where its loops run else.
    """
    spans = spans or HubSpans()
    settings, network = site.settings, site.network
    installed = chosen_loops(settings)
    loops = [spans.loop(one.chosen) for one in installed]
    cabinets = site.twin is not None
    modes = ModeBook(network.bank.ids, settings.groups, cabinets=cabinets)
    for loop in loops:
        modes.add(loop.name, Mode[settings.loops[loop.name].mode.upper()])
    guard = spans.guard(SignalGuard(network.bank, site.limits))
    registered = registered_sensors(site.registered)
    knows = {"network": network, "devices": registered}
    runner = Runner(
        loops,
        knows,
        guard,
        network.bank.ids,
        epoch=epoch,
        timer=time.perf_counter,
        stand_for=stand_for(site.placed, network),
        workers=workers,
    )
    source = DeviceSource(TWIN_SOURCE, site.devices) if cabinets else clock_source()
    watch = Watch(network, site.devices, modes, registered)
    watch.rejections.begin_with(tenant.rejects.by_entity())

    def refuse(rejects: Sequence[Reject]) -> None:
        tenant.rejects.offer(rejects)
        watch.rejections.take(rejects)

    gate = spans.gate(Gate([source], declared(), refuse, tenant.log.sequence))
    alarms = settings.alarms
    desk = Desk(Escalation(60 * alarms.escalate_after_min, alarms.escalate_to))
    loop_desk = LoopDesk(runner, modes, installed)
    plans = PlanDesk(network.bank, site.limits, site.schedule)
    return Hub(
        gate,
        runner,
        modes,
        network.bank.ids,
        loop_desk,
        plans,
        watch,
        desk,
        epoch=epoch,
        clock=wall_time,
        cabinets=cabinets,
    )
