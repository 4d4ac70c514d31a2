"""Derive this folder's tables from the SUMO form of the Hangzhou 4x4 data set (see SOURCE.md).

    python derive_tables.py FOLDER_WITH_THE_SOURCE .

It was run once; neither the product nor its tests need it or the source. What it writes are facts:
where junctions are, which lanes lead where, what the shipped plan shows, who departed when.
"""

import csv
import math
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

TURNS = {"r": "right", "s": "through", "l": "left"}
APPROACHES = ("north", "east", "south", "west")
SIDES = {0: "W", 5: "E"}


def name(node: str) -> str:
    """J23 for the signal in column 2, row 3 from the south west; W1, N4, … for the border."""
    column, row = (int(part) for part in node.split("_")[1:])
    if column in SIDES:
        return f"{SIDES[column]}{row}"
    return f"S{column}" if row == 0 else f"N{column}" if row == 5 else f"J{column}{row}"


def write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """One table."""
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def parse(folder: Path, ending: str) -> ET.Element:
    """The one file of the source with this ending."""
    return ET.parse(next(folder.glob(f"*{ending}"))).getroot()  # noqa: S314 (run by hand, once)


def derive(source: Path, out: Path) -> None:
    """Read ``source``, write the tables to ``out``."""
    net = parse(source, ".net.xml")
    at = {
        node.get("id", ""): (float(node.get("x", "")), float(node.get("y", "")))
        for node in net.iter("junction")
        if not node.get("id", "").startswith(":")
    }
    signals = {light.get("id", "") for light in net.iter("tlLogic")}
    roads = {
        edge.get("id", ""): edge for edge in net.iter("edge") if edge.get("function") != "internal"
    }
    ends = {key: (edge.get("from", ""), edge.get("to", "")) for key, edge in roads.items()}
    road = {key: f"{name(start)}-{name(end)}" for key, (start, end) in ends.items()}

    def approach(edge: str) -> str:
        (x0, y0), (x1, y1) = (at[node] for node in ends[edge])
        quarter = round(math.atan2(x0 - x1, y0 - y1) / (math.pi / 2))
        return APPROACHES[quarter % 4]

    lanes: dict[tuple[str, str], set[str]] = defaultdict(set)
    seen: dict[tuple[str, ...], tuple[int, list[str]]] = {}
    for link in net.iter("connection"):
        if link.get("tl") is None:
            continue
        edge, lane = link.get("from", ""), link.get("fromLane", "")
        turn = TURNS[link.get("dir", "")]
        lanes[road[edge], lane].add(turn)
        key = (
            name(link.get("tl", "")),
            approach(edge),
            turn,
            road[edge],
            lane,
            road[link.get("to", "")],
        )
        index, to_lanes = seen.setdefault(key, (int(link.get("linkIndex", "")), []))
        to_lanes.append(link.get("toLane", ""))
        seen[key] = (min(index, int(link.get("linkIndex", ""))), to_lanes)
    ordered = sorted(seen.items(), key=lambda item: (item[0][0], item[1][0]))

    write(
        out / "junctions.csv",
        ("junction", "x_m", "y_m", "plan", "right_on_red"),
        sorted(
            (name(n), f"{x:g}", f"{y:g}", *(("eight", "yes") if n in signals else ("none", "no")))
            for n, (x, y) in at.items()
        ),
    )
    write(
        out / "roads.csv",
        ("road", "from", "to", "lanes", "speed_mps"),
        sorted(
            (road[key], *map(name, ends[key]), len(edge.findall("lane")), "11.111")
            for key, edge in roads.items()
        ),
    )
    write(
        out / "lanes.csv",
        ("road", "lane", "turns"),
        sorted((edge, lane, " ".join(sorted(turns))) for (edge, lane), turns in lanes.items()),
    )
    write(
        out / "movements.csv",
        ("junction", "approach", "turn", "from_road", "from_lane", "to_road", "to_lanes"),
        [(*key, " ".join(sorted(to_lanes))) for key, (_, to_lanes) in ordered],
    )
    write(
        out / "signal_phases.csv",
        ("plan", "step", "duration_s", *APPROACHES),
        plan(next(iter(net.iter("tlLogic"))), [key for key, _ in ordered[:12]]),
    )
    departures(parse(source, ".rou.xml"), road, out)


def plan(light: ET.Element, movements: Sequence[tuple[str, ...]]) -> Iterable[Sequence[object]]:
    """The shipped plan, which is the same at all junctions: letters right, through, left."""
    for step, phase in enumerate(light.findall("phase"), start=1):
        state = phase.get("state", "")[::3]  # the three links of a movement show the same
        letters = {key[1:3]: state[row] for row, key in enumerate(movements)}
        shown = ("".join(letters[side, turn] for turn in TURNS.values()) for side in APPROACHES)
        yield ("eight", step, phase.get("duration"), *shown)


def departures(root: ET.Element, road: dict[str, str], out: Path) -> None:
    """Seconds of departure by route, a route being the junctions it passes."""
    times: dict[str, list[int]] = defaultdict(list)
    for vehicle in root.iter("vehicle"):
        edges = vehicle.find("route").get("edges").split()  # type: ignore[union-attr]
        names = [road[edge] for edge in edges]
        route = " ".join([names[0].split("-")[0], *(part.split("-")[1] for part in names)])
        times[route].append(int(vehicle.get("depart", "")))
    write(
        out / "departures.csv",
        ("route", "departures_s"),
        sorted((route, " ".join(map(str, sorted(values)))) for route, values in times.items()),
    )
    # The source declares a kind of vehicle but gives it to none: all drive as SUMO's default car.
    header = ("length_m", "width_m", "min_gap_m", "accel_mps2", "decel_mps2", "max_speed_mps")
    write(out / "vehicles.csv", header, [(5.0, 1.8, 2.5, 2.6, 4.5, 55.56)])


if __name__ == "__main__":
    derive(Path(sys.argv[1]), Path(sys.argv[2]))
