"""A city ready to start, as plain data: what its processes are handed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cityloop.city.config import Settings, Twin
from cityloop.city.surface import MapData
from cityloop.city.townplan import map_data
from cityloop.interconnection.tenant import Place
from cityloop.kernel.frame import EntityIds
from cityloop.perception.devices import Declared, Device
from cityloop.safety.timing import Limits
from cityloop.standards.network import RoadNetwork
from cityloop.standards.plans import Schedule
from cityloop.twins.sumo.faults import Fault
from cityloop.twins.sumo.scenario import SumoScenario


@dataclass(frozen=True, slots=True, eq=False)
class TwinSite:
    """The simulator that stands for the streets: ``scenario`` is what the loop's twin runs,
    ``baseline`` what the other runs.
    """

    settings: Twin
    scenario: SumoScenario
    baseline: SumoScenario
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """A city ready to start; plain data, so that it can be handed to its processes.

    ``folder``: the tenant's, below ``root``. ``twin``: None for a real city, which runs on the
    clock on the wall and has no cabinets. ``network.bank`` carries the local plans; ``net`` is its
    file, None where the city names no streets. ``home``: the folder of city.toml. ``devices``: the
    twin's, by type. ``registered``: source → the devices it may speak of. ``placed``: those of
    devices.csv.
    """

    settings: Settings
    root: Path
    twin: TwinSite | None
    net: Path | None
    network: RoadNetwork
    limits: Limits
    devices: Mapping[str, EntityIds]
    home: Path
    registered: Mapping[str, Declared]
    schedule: Schedule
    placed: tuple[Device, ...] = ()

    @property
    def folder(self) -> Path:
        """Where the tenant's files lie."""
        return self.root / self.settings.city.tenant

    @property
    def place(self) -> Place:
        """Where they are opened."""
        return Place(self.folder, self.settings.city.store)

    def speed(self, asked: float | None) -> float:
        """City seconds a second, 0 as fast as it goes; ``asked`` goes before the settings. The
        clock on the wall has but one pace.
        """
        if self.twin is None:
            return 1.0
        if asked is not None:
            return asked
        speed = self.twin.settings.speed
        return 0.0 if speed == "max" else float(speed)

    def map_data(self) -> MapData:
        """What people see of the network."""
        return map_data(self.settings, self.network, self.net, self.placed)


@dataclass(frozen=True, slots=True)
class WebSpec:
    """All the web's process needs."""

    site: Site
    hub: Path
    truth: Path
    port: int
