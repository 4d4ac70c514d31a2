"""The tables that ``city.toml`` names beside the network: plans, calendar, planted faults."""

from collections.abc import Mapping
from pathlib import Path

from cityloop.city.config import City, Signals
from cityloop.kernel.errors import ConfigError, MistakeError, RefusedError
from cityloop.kernel.frame import EntityIds
from cityloop.safety.plan_checks import check_plans
from cityloop.safety.timing import Limits, Timing
from cityloop.standards.network import RoadNetwork
from cityloop.standards.plans import Calendar, Schedule, read_calendar, read_plans
from cityloop.twins.sumo.demand import read_demand
from cityloop.twins.sumo.network import entity_id
from cityloop.twins.sumo.scenario import SumoScenario


def read_schedule(city: City, signals: Signals, folder: Path) -> Schedule:
    """The plans and the calendar that the settings name; raises MistakeError."""
    plans = _table(folder, signals.plans)
    calendar = _table(folder, signals.calendar)
    return Schedule(
        city.time_zone,
        [] if plans is None else read_plans(*plans),
        Calendar() if calendar is None else read_calendar(*calendar, holidays=signals.holidays),
    )


def check_schedule(schedule: Schedule, network: RoadNetwork, limits: Limits, folder: Path) -> None:
    """Raises ConfigError where a plan breaks what the guard holds."""
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


def twin_devices(network: RoadNetwork, scenario: SumoScenario) -> Mapping[str, EntityIds]:
    """What the twin may speak of, by entity type; raises ConfigError for a broken route."""
    entries = [entity_id("EntryQueue", edge) for edge in read_demand(scenario).entry_edges]
    return {
        "LaneDetector": network.detector_ids,
        "StopLineDetector": network.stop_line_ids,
        "SignalController": network.controller_ids,
        "EntryQueue": EntityIds(entries),
    }
