"""From settings to a site: the network, the plans of its cabinets and the tables of a city."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cityloop.city.config import Twin
from cityloop.city.named_tables import check_schedule
from cityloop.city.site import Site, TwinSite
from cityloop.city.survey import Survey, survey
from cityloop.evaluation.baseline import webster_plans
from cityloop.standards.network import RoadNetwork
from cityloop.standards.signals import SignalBank
from cityloop.twins.sumo.programs import write_programs
from cityloop.twins.sumo.scenario import SumoScenario


def build_site(folder: Path, data: Path | None = None) -> Site:
    """Read ``folder/city.toml`` and make its network and plans; raises all mistakes at once.

    ``data`` goes before the settings' own folder for data.
    """
    seen = survey(folder, data)
    twin, network = None, seen.network
    if seen.settings.twin is not None and seen.scenario is not None:
        twin, network = _build_twin(seen.settings.twin, seen.scenario, seen)
        check_schedule(seen.schedule, network, seen.limits, folder)
    return Site(
        seen.settings,
        seen.root,
        twin,
        seen.net,
        network,
        seen.limits,
        seen.twin_devices,
        folder.absolute(),
        seen.registered,
        seen.schedule,
        seen.devices,
    )


def _build_twin(
    settings: Twin, scenario: SumoScenario, seen: Survey
) -> tuple[TwinSite, RoadNetwork]:
    """The twin of a city, and its network with Webster's plans for the traffic of the twin."""
    plans = [
        list(zip(plan.phases, plan.greens_s, strict=True))
        for plan in webster_plans(scenario, seen.network)
    ]
    network = with_local_plans(seen.network, plans)
    programs = write_programs(network.bank, plans, seen.cache / "webster.add.xml")
    return TwinSite(settings, scenario, scenario.with_additional(programs), seen.faults), network


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
