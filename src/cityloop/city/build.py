"""From settings to parts: the one place that names back ends, loops and simulators."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cityloop.city.alarm_watch import Watch
from cityloop.city.config import Settings
from cityloop.city.desk import Desk, Escalation
from cityloop.city.hub import Hub
from cityloop.city.installed import chosen_loops
from cityloop.city.intake_desk import IntakeDesk
from cityloop.city.live_sensors import registered_sensors
from cityloop.city.loop_desk import LoopDesk
from cityloop.city.named_tables import check_schedule
from cityloop.city.plan_desk import PlanDesk
from cityloop.city.surface import MapData
from cityloop.city.survey import survey
from cityloop.city.townplan import map_data
from cityloop.evaluation.baseline import webster_plans
from cityloop.interconnection.tenant import Tenant
from cityloop.interconnection.writer import LogWriter
from cityloop.kernel.changes import Reject
from cityloop.kernel.clock import WallTime
from cityloop.kernel.frame import EntityIds
from cityloop.kernel.loop import Mode
from cityloop.kernel.runner import Runner
from cityloop.perception.devices import Declared, Device
from cityloop.perception.gate import DeviceSource, Gate
from cityloop.perception.live_gate import LiveGate, LiveSource
from cityloop.perception.source import kind_of
from cityloop.safety.guard import SignalGuard
from cityloop.safety.modes import ModeBook
from cityloop.safety.timing import Limits
from cityloop.standards.attributes import declared
from cityloop.standards.network import RoadNetwork
from cityloop.standards.plans import Schedule
from cityloop.standards.signals import SignalBank
from cityloop.twins.sumo.faults import Fault
from cityloop.twins.sumo.programs import write_programs
from cityloop.twins.sumo.scenario import SumoScenario

TWIN_SOURCE = "twin"


def wall_time() -> WallTime:
    """The clock of every process."""
    return WallTime(time.time_ns() // 1_000_000)


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """A city ready to start; plain data, so that it can be handed to its processes.

    ``folder``: the tenant's, below ``root``. ``scenario`` is what the loop's twin runs,
    ``baseline`` what the other runs. ``network.bank`` carries the local plans. ``home``: the folder
    of city.toml. ``registered``: source → the devices it may speak of. ``placed``: those
    of devices.csv.
    """

    settings: Settings
    root: Path
    network: RoadNetwork
    limits: Limits
    scenario: SumoScenario
    baseline: SumoScenario
    devices: Mapping[str, EntityIds]
    home: Path
    registered: Mapping[str, Declared]
    schedule: Schedule
    faults: tuple[Fault, ...] = ()
    placed: tuple[Device, ...] = ()

    @property
    def folder(self) -> Path:
        """Where the tenant's stores lie."""
        return self.root / self.settings.city.tenant

    def speed(self, asked: float | None) -> float:
        """City seconds a second, 0 as fast as it goes; ``asked`` goes before the settings."""
        if asked is not None:
            return asked
        speed = self.settings.twin.speed
        return 0.0 if speed == "max" else float(speed)

    def map_data(self) -> MapData:
        """What people see of the network."""
        return map_data(self.settings, self.network, self.scenario.net, self.placed)


def build_site(folder: Path, data: Path | None = None) -> Site:
    """Read ``folder/city.toml`` and make its network and plans; raises all mistakes at once.

    ``data`` goes before the settings' own folder for data.
    """
    seen = survey(folder, data)
    scenario, network = seen.scenario, seen.network
    plans = [
        list(zip(plan.phases, plan.greens_s, strict=True))
        for plan in webster_plans(scenario, network)
    ]
    network = with_local_plans(network, plans)
    check_schedule(seen.schedule, network, seen.limits, folder)
    programs = write_programs(network.bank, plans, seen.cache / "webster.add.xml")
    return Site(
        seen.settings,
        seen.root,
        network,
        seen.limits,
        scenario,
        scenario.with_additional(programs),
        seen.twin_devices,
        folder.absolute(),
        seen.registered,
        seen.schedule,
        seen.faults,
        seen.devices,
    )


def with_local_plans(
    network: RoadNetwork, plans: Sequence[Sequence[tuple[int, float]]]
) -> RoadNetwork:
    """The network whose cabinets fall back to ``plans``: (phase, green in s) of each junction.

    A phase that a plan leaves out gets no green of its own.
    """
    junctions = []
    for junction, plan in zip(network.bank.junctions, plans, strict=True):
        greens = dict(plan)
        phases = tuple(
            replace(phase, duration_s=greens.get(row, 0.0))
            for row, phase in enumerate(junction.phases)
        )
        junctions.append(replace(junction, phases=phases))
    return replace(network, bank=SignalBank(tuple(junctions)))


def build_intake(site: Site, tenant: Tenant, writer: LogWriter, hub: Hub) -> IntakeDesk:
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
    desk = IntakeDesk(gate, kinds, tenant, writer, hub.totals, hub.watch.heard, refuse, wall_time)
    desk.recall()
    return desk


def build_hub(site: Site, tenant: Tenant, *, epoch: int) -> Hub:
    """The hub of a city, before it has seen anything."""
    settings, network = site.settings, site.network
    installed = chosen_loops(settings)
    loops = [one.chosen for one in installed]
    modes = ModeBook(network.bank.ids, settings.groups)
    for loop in loops:
        modes.add(loop.name, Mode[settings.loops[loop.name].mode.upper()])
    guard = SignalGuard(network.bank, site.limits)
    knows = {"network": network}
    runner = Runner(loops, knows, guard, network.bank.ids, epoch=epoch, timer=time.perf_counter)
    source = DeviceSource(TWIN_SOURCE, site.devices)
    watch = Watch(network, site.devices, modes, registered_sensors(site.registered))
    watch.rejections.begin_with(tenant.rejects.by_entity())

    def refuse(rejects: Sequence[Reject]) -> None:
        tenant.rejects.offer(rejects)
        watch.rejections.take(rejects)

    gate = Gate([source], declared(), refuse, tenant.log.sequence)
    alarms = settings.alarms
    desk = Desk(Escalation(60 * alarms.escalate_after_min, alarms.escalate_to))
    loop_desk = LoopDesk(runner, modes, installed)
    plans = PlanDesk(network.bank, site.limits, site.schedule)
    return Hub(gate, runner, modes, network.bank.ids, loop_desk, plans, watch, desk, epoch=epoch)
