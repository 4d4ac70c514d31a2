"""A made-up city of any number of signals: a square grid of streets, mesoscopic, driven through."""

import random
import subprocess
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import ceil, sqrt
from pathlib import Path

from cityloop.city.newcity import names_for, settings_text
from cityloop.twins.sumo.binaries import sumo_binary, use_sumo_home

STREET_M = "250"
_CONFIGURATION = """<configuration>
 <input><net-file value="grid.net.xml"/><route-files value="grid.rou.xml"/></input>
 <time><begin value="0"/><end value="3600"/></time>
 <mesoscopic><mesosim value="true"/></mesoscopic>
</configuration>
"""


def write_grid_city(folder: Path, signals: int, vehicles_per_hour: int, seed: int = 1) -> Path:
    """A city folder whose loop acts on ``signals`` junctions of the least square grid that has
    so many; vehicles cross it with one turn, for an hour."""
    side = ceil(sqrt(signals))
    names = [_name(side, x, y) for x in range(side) for y in range(side)][:signals]
    use_sumo_home()
    command = [
        str(sumo_binary("netgenerate")),
        *("--grid", "--grid.number", str(side), "--grid.length", STREET_M),
        *("--grid.attach-length", STREET_M, "--default.lanenumber", "2", "--no-turnarounds"),
        *("--tls.set", ",".join(names), "--output-file", str(folder / "grid.net.xml")),
    ]
    subprocess.run(command, check=True, capture_output=True)
    lines = "\n".join(_vehicles(side, vehicles_per_hour, random.Random(seed)))
    (folder / "grid.rou.xml").write_text(f"<routes>\n{lines}\n</routes>\n", encoding="utf-8")
    (folder / "grid.sumocfg").write_text(_CONFIGURATION, encoding="utf-8")
    text = settings_text(names_for(folder, "Grid"), 'scenario = "grid.sumocfg"')
    acts = 'mode = "act"\nshadow_result = "a made-up grid: nobody drives here"'
    lines_of = [acts if line.startswith("mode = ") else line for line in text.splitlines()]
    (folder / "city.toml").write_text("\n".join(lines_of) + "\n", encoding="utf-8")
    return folder


def _name(side: int, x: int, y: int) -> str:
    """As netgenerate names junctions: columns A, B, … or AA, AB, … where there are more."""
    letters = chr(65 + x) if side <= 26 else chr(65 + x // 26) + chr(65 + x % 26)
    return f"{letters}{y}"


def _vehicles(side: int, hourly: int, chance: random.Random) -> Iterator[str]:
    for number in range(hourly):
        x, y = chance.randrange(side), chance.randrange(side)
        west, north = chance.random() < 0.5, chance.random() < 0.5
        columns = range(x + 1) if west else range(side - 1, x - 1, -1)
        rows = range(y + 1, side) if north else range(y - 1, -1, -1)
        inner = [_name(side, k, y) for k in columns] + [_name(side, x, k) for k in rows]
        nodes = [f"{'left' if west else 'right'}{y}", *inner, f"{'top' if north else 'bottom'}{x}"]
        edges = " ".join(_edges(nodes))
        depart = 3600.0 * number / hourly
        yield f'<vehicle id="{number}" depart="{depart:.1f}"><route edges="{edges}"/></vehicle>'


def _edges(nodes: Sequence[str]) -> list[str]:
    return [a + b for a, b in pairwise(nodes)]
