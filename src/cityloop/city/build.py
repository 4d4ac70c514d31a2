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
from cityloop.city.plan_desk import PlanDesk
from cityloop.city.surface import MapData
from cityloop.city.survey import survey
from cityloop.city.townplan import map_data
from cityloop.evaluation.baseline import webster_plans
from cityloop.interconnection.tenant import Tenant
from cityloop.interconnection.writer import LogWriter
from cityloop.kernel.changes import Reject
from cityloop.kernel.clock import WallTime
from cityloop.kernel.errors import ConfigError, MistakeError, RefusedError
from cityloop.kernel.frame import EntityIds
from cityloop.kernel.loop import Mode
from cityloop.kernel.runner import Runner
from cityloop.perception.devices import Declared
from cityloop.perception.gate import DeviceSource, Gate
from cityloop.perception.live_gate import LiveGate, LiveSource
from cityloop.perception.source import kind_of
from cityloop.safety.guard import SignalGuard
from cityloop.safety.modes import ModeBook
from cityloop.safety.plans import check_plans
from cityloop.safety.timing import Limits, Timing
from cityloop.standards.attributes import declared
from cityloop.standards.network import RoadNetwork
from cityloop.standards.plans import Calendar, Schedule, read_calendar, read_plans
from cityloop.standards.signals import SignalBank
from cityloop.twins.sumo.demand import read_demand
from cityloop.twins.sumo.faults import Fault, read_faults
from cityloop.twins.sumo.network import entity_id
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
    of city.toml. ``registered``: source → the devices it may speak of.
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
        return map_data(self.settings, self.network, self.scenario.net)


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
    schedule = read_schedule(seen.settings, folder)
    _check_schedule(schedule, network, seen.limits, folder)
    programs = write_programs(network.bank, plans, seen.cache / "webster.add.xml")
    devices = _devices(network, scenario)
    table = seen.settings.twin.faults
    return Site(
        seen.settings,
        seen.root,
        network,
        seen.limits,
        scenario,
        scenario.with_additional(programs),
        devices,
        folder.absolute(),
        seen.registered,
        schedule,
        read_faults(folder / table, devices) if table else (),
    )


def read_schedule(settings: Settings, folder: Path) -> Schedule:
    """The plans and the calendar that the settings name; raises MistakeError."""
    signals = settings.signals
    plans = _table(folder, signals.plans)
    calendar = _table(folder, signals.calendar)
    return Schedule(
        settings.city.time_zone,
        [] if plans is None else read_plans(*plans),
        Calendar() if calendar is None else read_calendar(*calendar, holidays=signals.holidays),
    )


def _check_schedule(schedule: Schedule, network: RoadNetwork, limits: Limits, folder: Path) -> None:
    try:
        check_plans(Timing(network.bank, limits), schedule)
    except RefusedError as error:
        raise ConfigError(f"{folder}, plans and calendar: {error}") from error


def _table(folder: Path, name: str | None) -> tuple[bytes, str] | None:
    if name is None:
        return None
    path = folder / name
    try:
        return path.read_bytes(), str(path)
    except OSError as error:
        mend = "mend [signals] in city.toml, or put the table there"
        raise MistakeError(path, None, f"cannot be read: {error.strerror}", mend) from error


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


def _devices(network: RoadNetwork, scenario: SumoScenario) -> Mapping[str, EntityIds]:
    """What the twin may speak of, by entity type."""
    entries = [entity_id("EntryQueue", edge) for edge in read_demand(scenario).entry_edges]
    return {
        "LaneDetector": network.detector_ids,
        "StopLineDetector": network.stop_line_ids,
        "SignalController": network.controller_ids,
        "EntryQueue": EntityIds(entries),
    }


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
