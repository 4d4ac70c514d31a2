"""A city ready to start, as plain data: what its processes are handed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cityloop.city.config import Settings
from cityloop.city.surface import MapData
from cityloop.city.townplan import map_data
from cityloop.kernel.frame import EntityIds
from cityloop.perception.devices import Declared, Device
from cityloop.safety.timing import Limits
from cityloop.standards.network import RoadNetwork
from cityloop.standards.plans import Schedule
from cityloop.twins.sumo.faults import Fault
from cityloop.twins.sumo.scenario import SumoScenario


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


@dataclass(frozen=True, slots=True)
class WebSpec:
    """All the web's process needs."""

    site: Site
    hub: Path
    truth: Path
    port: int
