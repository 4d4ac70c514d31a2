"""All that is wrong with a city, found before it starts: its settings and what they name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cityloop.city.config import Draft, Network, Settings, SharedPicture, Signals, Twin, read_draft
from cityloop.city.installed import loop_versions
from cityloop.city.live_sensors import lane_detectors
from cityloop.city.named_tables import check_schedule, read_schedule, twin_devices
from cityloop.city.settings_reader import nearest
from cityloop.interconnection.broker.offline import read_offline
from cityloop.interconnection.broker.reach import reach_of
from cityloop.interconnection.durable import make_folder
from cityloop.kernel.errors import ConfigError, Gathered, MistakeError
from cityloop.kernel.frame import EntityIds
from cityloop.perception.devices import Declared, Device, declared_devices, read_devices
from cityloop.safety.envelope import check_bank
from cityloop.safety.timing import Limits
from cityloop.standards.attributes import declared
from cityloop.standards.network import RoadNetwork, no_network
from cityloop.standards.plans import Schedule
from cityloop.twins.sumo.faults import Fault, read_faults
from cityloop.twins.sumo.network import read_network
from cityloop.twins.sumo.scenario import SumoScenario, read_scenario, read_streets
from cityloop.twins.sumo.tables import build_tables

DEVICES = "devices.csv"


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """A city whose settings, network and names hold together. ``root``: where data lies;
    ``scenario``: None without a twin; ``net``: None where the city names no streets.
    """

    settings: Settings
    root: Path
    cache: Path
    scenario: SumoScenario | None
    net: Path | None
    network: RoadNetwork
    limits: Limits
    registered: Mapping[str, Declared]
    devices: tuple[Device, ...]
    twin_devices: Mapping[str, EntityIds]
    schedule: Schedule
    faults: tuple[Fault, ...]


def survey(folder: Path, data: Path | None = None) -> Survey:
    """Look at everything that ``folder/city.toml`` says; raises all mistakes at once.

    Networks of tables are built, into the cache of the city's data folder (``data`` goes before
    the one in the settings).
    """
    draft = read_draft(folder)
    told = Gathered(draft.mistakes)
    _loops(draft, told)
    _broker(draft, folder, told)
    found = _roads(draft, folder, data, told)
    devices = _devices(folder / DEVICES, told)
    registered = _registered(draft, folder / DEVICES, devices, told)
    tables = None
    if found is not None:
        _groups(draft, found.network, told)
        _lanes(folder / DEVICES, devices, found.network, told)
        tables = _tables(draft, folder, found, told)
    told.found.sort(key=_place)
    told.check()
    if found is None or tables is None:
        raise ConfigError(f"{draft.path}: the network was not read")
    return Survey(
        draft.settings(),
        found.root,
        found.cache,
        found.scenario,
        found.net,
        found.network,
        found.limits,
        registered,
        devices,
        *tables,
    )


def _broker(draft: Draft, folder: Path, told: Gathered) -> None:
    """What ``[broker]`` names is there, and can be read."""
    given = draft.sections.get("broker", SharedPicture())
    try:
        read_offline(given.at_hand(folder))
    except ConfigError as error:
        told.found.append(draft.mistake(("broker", "contexts"), f"broker.contexts: {error}", ""))
    try:
        reach_of(given.notify_to)
    except ConfigError as error:
        told.found.append(draft.mistake(("broker", "notify_to"), f"broker.notify_to: {error}", ""))


def _tables(
    draft: Draft, folder: Path, found: "_Roads", told: Gathered
) -> tuple[Mapping[str, EntityIds], Schedule, tuple[Fault, ...]] | None:
    """What the twin may speak of, its plans and the faults planted in it."""
    sections = draft.sections
    signals, twin = sections.get("signals", Signals()), sections["twin"]
    with told:
        schedule = read_schedule(sections["city"], signals, folder)
        check_schedule(schedule, found.network, found.limits, folder)
    devices: Mapping[str, EntityIds] = {}
    faults: tuple[Fault, ...] = ()
    with told:
        if found.scenario is not None:
            devices = twin_devices(found.network, found.scenario)
            if twin.faults:
                faults = read_faults(folder / twin.faults, devices)
        if not told.found:
            return devices, schedule, faults
    return None


def _lanes(path: Path, devices: Sequence[Device], network: RoadNetwork, told: Gathered) -> None:
    """A device that counts a lane: the network must have a detector of its type there."""
    known = lane_detectors(network)
    for it in devices:
        if it.lane and (it.type, it.lane) not in known:
            lanes = sorted(lane for type_, lane in known if type_ == it.type)
            what = f"{it.id}: the network has no {it.type} on a lane {it.lane}"
            told.found.append(MistakeError(path, None, what, nearest(it.lane, lanes)))


def _devices(path: Path, told: Gathered) -> tuple[Device, ...]:
    """The registered devices; their types must be declared."""
    devices: list[Device] = []
    with told:
        if path.is_file():
            devices = read_devices(path.read_bytes(), str(path))
    known = declared()
    for type_ in sorted({device.type for device in devices} - known.keys()):
        what = f"no table declares the type {type_}"
        told.found.append(MistakeError(path, None, what, nearest(type_, sorted(known))))
    return tuple(devices)


def _registered(
    draft: Draft, path: Path, devices: Sequence[Device], told: Gathered
) -> Mapping[str, Declared]:
    """What each source may speak of; a device belongs to a source that there is."""
    sources = draft.sections.get("sources", {})
    named = draft.raw.get("sources", {})
    for name in sorted({device.source for device in devices} - set(named)):
        what, mend = f"source {name} is not in city.toml", nearest(name, sorted(named))
        told.found.append(MistakeError(path, None, what, mend))
    known = declared()
    for name, source in sources.items():
        for type_ in source.devices.keys() - known.keys():
            what = f"sources.{name}: no table declares the type {type_}"
            key = ("sources", name, "devices", type_)
            told.found.append(draft.mistake(key, what, nearest(type_, sorted(known))))
    patterns = {name: source.devices for name, source in sources.items()}
    return declared_devices(devices, patterns)


def read_registered(
    path: Path, patterns: Mapping[str, Mapping[str, str]]
) -> Mapping[str, Declared]:
    """What sources may speak of, by the devices.csv at ``path`` and their ``patterns``; raises its
    mistakes.
    """
    told = Gathered()
    devices = _devices(path, told)
    told.check()
    return declared_devices(devices, patterns)


def _place(error: ConfigError) -> tuple[bool, int]:
    """Settings first, by line; then the rest as it was found."""
    if isinstance(error, MistakeError) and error.file.endswith("city.toml"):
        return False, error.line or 0
    return True, 0


@dataclass(frozen=True, slots=True, eq=False)
class _Roads:
    """Where data lies, and the streets; ``scenario`` and ``net`` as in ``Survey``."""

    root: Path
    cache: Path
    scenario: SumoScenario | None
    net: Path | None
    network: RoadNetwork
    limits: Limits


def _roads(draft: Draft, folder: Path, data: Path | None, told: Gathered) -> _Roads | None:
    """The network, where the settings are sound enough to read it."""
    sections = draft.sections
    city, signals = sections.get("city"), sections.get("signals", Signals())
    if city is None or not {"twin", "network"} <= sections.keys():
        return None
    twin, streets = sections["twin"], sections["network"]
    if any(one and (one.tables is None) == (one.scenario is None) for one in (twin, streets)):
        return None
    root = (data or folder / city.data).absolute()
    cache = root / city.tenant / "cache"
    with told:
        _make(root, cache)
        scenario = _scenario(twin, folder, cache) if twin else None
        net, network = _network(scenario, streets, signals, folder, cache)
        limits = Limits(max_red_s=signals.max_red_s)
        check_bank(network.bank, limits)
        return _Roads(root, cache, scenario, net, network, limits)
    return None


def _network(
    scenario: SumoScenario | None,
    streets: Network | None,
    signals: Signals,
    folder: Path,
    cache: Path,
) -> tuple[Path | None, RoadNetwork]:
    """The network file and what loops know of it: the twin's, or the streets of a real city."""
    if scenario is not None:
        net, additional = scenario.net, scenario.additional
    elif streets is None:
        return None, no_network()
    elif streets.tables is not None:
        made = build_tables(folder / streets.tables, cache)
        net, additional = made.net, made.additional
    else:
        parts = (streets.scenario or "").split(",")
        net, additional = read_streets(",".join(str(folder / part.strip()) for part in parts))
    network = read_network(
        net,
        additional=additional,
        reach_m=signals.detectors_reach_m,
        min_green_s=signals.min_green_s,
        segment_m=None if scenario is None else scenario.segment_m,
        signals=scenario is not None,
    )
    return net, network


def _make(root: Path, cache: Path) -> None:
    try:
        make_folder(root)
        for private in (cache.parent, cache):
            make_folder(private, 0o700)
    except OSError as error:
        raise ConfigError(
            f"{error.filename} cannot be made: {error.strerror}; "
            "choose another data folder in city.toml or with --data"
        ) from error


def _scenario(twin: Twin, folder: Path, cache: Path) -> SumoScenario:
    if twin.tables is not None:
        scenario = build_tables(folder / twin.tables, cache)
    else:
        parts = (twin.scenario or "").split(",")
        scenario = read_scenario(",".join(str(folder / part.strip()) for part in parts))
    return replace(scenario, end_s=scenario.begin_s + twin.hour_s)


def _loops(draft: Draft, told: Gathered) -> None:
    """Every loop that is named must be installed, in the version that is named."""
    known = loop_versions()
    named = draft.raw.get("loops", {})
    for name in named if isinstance(named, dict) else ():
        if name not in known:
            mend = nearest(name, sorted(known)) + " (a package that brings a loop registers it)"
            told.found.append(draft.mistake(("loops", name), f"loop {name} is not installed", mend))
    for name, choice in draft.sections.get("loops", {}).items():
        versions = [loop.version for loop in known.get(name, ())]
        if choice.version is not None and versions and choice.version not in versions:
            what = f"loop {name} has no version {choice.version} installed"
            mend = nearest(choice.version, versions)
            told.found.append(draft.mistake(("loops", name, "version"), what, mend))


def _groups(draft: Draft, network: RoadNetwork, told: Gathered) -> None:
    """Every member of a group must be a junction with a signal."""
    known = [junction.id for junction in network.bank.junctions]
    there = set(known)
    for group, members in draft.sections.get("groups", {}).items():
        for row, member in enumerate(members):
            if member not in there:
                what = f"groups.{group}: {member} is no signalised junction of this city"
                path = ("groups", group, row)
                told.found.append(draft.mistake(path, what, nearest(member, known)))
