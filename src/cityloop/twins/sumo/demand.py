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

    Vehicles and regular flows with a route are read as they stand. Trips and random flows are
    routed and spread by SUMO's own ``duarouter`` on the empty network, as SUMO does itself.
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
_REGULAR = frozenset({"number", "period", "vehsPerHour", "perHour"})


def _explicit(item: Element) -> bool:
    if item.tag != "flow":
        return item.tag != "trip"
    has_route = item.get("route") is not None or item.find("route") is not None
    regular = _REGULAR & set(item.keys()) and "exp" not in item.get("period", "")
    return has_route and bool(regular)


def _vehicles(root: Element, named: dict[str, Element], path: Path) -> Iterator[_Vehicle]:
    for item in root:
        if item.tag not in ("vehicle", "flow"):
            continue
        name, reference = item.get("id", ""), item.get("route")
        route = item.find("route") if reference is None else named.get(reference)
        if route is None or not route.get("edges"):
            raise ConfigError(f"{path}: {item.tag} {name} has no route; give it edges")
        edges = tuple(route.get("edges", "").split())
        if item.tag == "vehicle":
            yield seconds(item.get("depart", ""), path), name, edges
        else:
            for number, depart in enumerate(_departures(item, path)):
                yield depart, f"{name}.{number}", edges


def _departures(flow: Element, path: Path) -> Iterator[float]:
    """Evenly from ``begin``, before ``end``, as SUMO emits a flow that is not random."""
    begin = seconds(flow.get("begin", "0"), path)
    end = seconds(flow.get("end", "86400"), path)
    hourly = flow.get("vehsPerHour") or flow.get("perHour")
    wanted = flow.get("number")
    count = int(wanted) if wanted is not None else None
    if flow.get("period") is not None:
        period = seconds(flow.get("period", ""), path)
    elif hourly is not None:
        period = 3600.0 / float(hourly)
    else:
        period = (end - begin) / max(count or 1, 1)
    number = 0
    while begin + number * period < end and (count is None or number < count):
        yield begin + number * period
        number += 1


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
