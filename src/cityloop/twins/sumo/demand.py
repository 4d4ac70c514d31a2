"""The traffic a scenario plans: who wants to depart when, on which roads."""

import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree.ElementTree import Element

import numpy as np
import numpy.typing as npt

from cityloop.kernel.errors import ConfigError
from cityloop.twins.sumo.binaries import sumo_binary
from cityloop.twins.sumo.scenario import SumoScenario, read_xml, seconds


@dataclass(frozen=True, eq=False)
class Demand:
    """All planned vehicles in order of departure: n of them.

    ``depart_s``: (n,), planned departure on SUMO's clock. ``routes``: the edges of each. Vehicles
    whose trip has no route in the network are left out, as SUMO leaves them out.
    """

    ids: tuple[str, ...]
    depart_s: npt.NDArray[np.float64]
    routes: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def entry_edges(self) -> tuple[str, ...]:
        """The edges on which vehicles enter, in order of name."""
        return tuple(sorted({route[0] for route in self.routes}))


def read_demand(scenario: SumoScenario) -> Demand:
    """The demand of ``scenario``, all of it, also what departs after its end.

    Vehicles with a route are read as they stand. Trips and flows are routed and spread by SUMO's
    own ``duarouter`` on the empty network, as SUMO does when it loads them.
    """
    roots = [read_xml(path) for path in scenario.routes]
    if all(_explicit(item) for root in roots for item in root):
        named = {item.get("id", ""): item for root in roots for item in root if item.tag == "route"}
        parts = zip(scenario.routes, roots, strict=True)
        return _demand(v for path, root in parts for v in _vehicles(root, named, path))
    with TemporaryDirectory(prefix="cityloop-") as folder:
        routed = _route(scenario, Path(folder) / "routed.xml")
        return _demand(_vehicles(read_xml(routed), {}, routed))


_Vehicle = tuple[float, str, tuple[str, ...]]


def _explicit(item: Element) -> bool:
    return item.tag not in ("trip", "flow")


def _vehicles(root: Element, named: dict[str, Element], path: Path) -> Iterator[_Vehicle]:
    for item in root:
        if item.tag != "vehicle":
            continue
        route = (
            item.find("route") if item.get("route") is None else named.get(item.get("route", ""))
        )
        if route is None or not route.get("edges"):
            raise ConfigError(f"{path}: vehicle {item.get('id')} has no route; give it edges")
        depart = seconds(item.get("depart", ""), path)
        yield depart, item.get("id", ""), tuple(route.get("edges", "").split())


def _demand(vehicles: Iterable[_Vehicle]) -> Demand:
    # Stable: of those who depart together the first in the file comes first.
    ordered = sorted(vehicles, key=lambda vehicle: vehicle[0])
    return Demand(
        tuple(name for _, name, _ in ordered),
        np.array([depart for depart, _, _ in ordered], dtype=np.float64),
        tuple(route for _, _, route in ordered),
    )


def _route(scenario: SumoScenario, out: Path) -> Path:
    command = [
        str(sumo_binary("duarouter")),
        *("--net-file", str(scenario.net)),
        *("--route-files", ",".join(map(str, scenario.routes))),
        *("--output-file", str(out), "--alternatives-output", "NUL"),
        *("--ignore-errors", "--no-warnings", "--no-step-log", "--xml-validation", "never"),
        *("--begin", "0", "--named-routes", "false"),
    ]
    if scenario.additional:
        command += ["--additional-files", ",".join(map(str, scenario.additional))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0 or not out.is_file():
        raise ConfigError(f"SUMO cannot route {scenario.routes[0]}: {done.stderr.strip()}")
    return out
