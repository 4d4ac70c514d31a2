"""Made-up traffic for a network that came without: who enters at its border leaves there too."""

import random
import subprocess
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from cityloop.kernel.errors import ConfigError
from cityloop.twins.sumo.binaries import sumo_binary
from cityloop.twins.sumo.netfile import Edge, NetFile, read_net
from cityloop.twins.sumo.plain import item, write_items

PER_LANE_AND_HOUR = 150.0
"""Vehicles that enter on each lane at the border, unless a figure is given."""


def write_trips(
    net: Path, out: Path, *, seed: int, seconds: float, vehicles_per_hour: float | None = None
) -> int:
    """Write made-up vehicles with their routes to ``out``; how many.

    They enter as a Poisson process at edges that nothing leads to, more on more lanes, and leave
    where nothing leads on; in a network without a border anywhere. Raises ConfigError when nobody
    finds a way.
    """
    chance = random.Random(seed)  # noqa: S311 (traffic, not a secret)
    roads = read_net(net)
    entries, exits = _border(roads)
    hourly = vehicles_per_hour or PER_LANE_AND_HOUR * sum(_lanes(roads, edge) for edge in entries)
    trips = _trips(roads, entries, exits, hourly / 3600.0, seconds, chance)
    draft = write_items(out.with_suffix(".trips.xml"), "routes", trips)
    _route(net, draft, out)
    draft.unlink()
    count = sum(1 for vehicle in ET.parse(out).getroot().iter("vehicle"))  # noqa: S314 (our own)
    if not count:
        raise ConfigError(f"{net}: no way leads from one road's end to another; check the network")
    return count


def _lanes(roads: NetFile, edge: Edge) -> int:
    return sum(roads.lanes[lane].motor for lane in edge.lanes)


def _border(roads: NetFile) -> tuple[list[Edge], list[Edge]]:
    edges = [e for e in roads.edges.values() if e.function == "normal" and _lanes(roads, e)]
    ways: dict[str, set[str]] = {}
    for edge in edges:
        for near, far in ((edge.start, edge.end), (edge.end, edge.start)):
            ways.setdefault(near, set()).add(far)
    # The border is where one comes from one side only, as at the end of a two-way road.
    entries = [edge for edge in edges if len(ways[edge.start]) == 1]
    exits = [edge for edge in edges if len(ways[edge.end]) == 1]
    return (entries, exits) if len(entries) > 1 and len(exits) > 1 else (edges, edges)


def _trips(
    roads: NetFile,
    entries: Sequence[Edge],
    exits: Sequence[Edge],
    per_second: float,
    seconds: float,
    chance: random.Random,
) -> list[ET.Element]:
    weights = [_lanes(roads, edge) for edge in entries]
    out_weights = [_lanes(roads, edge) for edge in exits]
    trips: list[ET.Element] = []
    second = chance.expovariate(per_second)
    while second < seconds:
        start = chance.choices(entries, weights)[0]
        end = chance.choices(exits, out_weights)[0]
        if end.end != start.start:
            name, depart = f"t{len(trips)}", f"{second:.1f}"
            trips.append(item("trip", id=name, depart=depart, from_=start.id, to=end.id))
        second += chance.expovariate(per_second)
    return trips


def _route(net: Path, trips: Path, out: Path) -> None:
    command = [
        str(sumo_binary("duarouter")),
        *("--net-file", str(net), "--route-files", str(trips), "--output-file", str(out)),
        *("--alternatives-output", "NUL", "--ignore-errors", "--no-warnings", "--no-step-log"),
        *("--xml-validation", "never", "--seed", "1"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0 or not out.is_file():
        raise ConfigError(f"SUMO cannot route made-up traffic on {net}: {done.stderr.strip()}")
