"""Signal plans from a table for any network: letters by approach and turn, as in our tables."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from math import atan2, pi
from pathlib import Path
from xml.etree import ElementTree as ET

from cityloop.kernel.errors import Gathered
from cityloop.standards.csv_rows import Row, read_rows
from cityloop.standards.signals import Link
from cityloop.twins.sumo.facts import APPROACHES, CROSSING, Step
from cityloop.twins.sumo.facts_reader import read_step
from cityloop.twins.sumo.junctions import Signalised, read_junctions
from cityloop.twins.sumo.netfile import NetFile, read_net
from cityloop.twins.sumo.plain import item, write_items

COLUMNS = ("junction", "step", "duration_s", *APPROACHES)
_TURN_OF = {"r": "right", "R": "right", "s": "through", "l": "left", "L": "left", "t": "left"}
_QUARTER = pi / 2


def write_plans(table: Path, net: Path, out: Path) -> int:
    """Write SUMO programs for the junctions that ``table`` names; how many.

    Columns: junction, step (1, 2, 3 …), duration_s, and north, east, south, west with the letters
    of right, through, left, and a fourth for the crossing of the leg. An approach is the side from
    which one arrives, to the nearest quarter. Raises every mistake at once.
    """
    roads = read_net(net)
    there = {it.junction.id: it for it in read_junctions(roads, 5.0)}
    told = Gathered()
    plans: dict[str, list[Step]] = defaultdict(list)
    for row in read_rows(table.read_bytes(), str(table), COLUMNS):
        with told:
            plans[_junction(row, there)].append(read_step(row, len(plans[row.cells["junction"]])))
    told.check()
    write_items(out, "additional", (_logic(roads, there[name], plans[name]) for name in plans))
    return len(plans)


def _junction(row: Row, there: Mapping[str, Signalised]) -> str:
    name = row.text("junction")
    if name in there:
        return name
    return row.fail(f"junction {name} has no signal", f"there are: {', '.join(sorted(there))}")


def _logic(roads: NetFile, junction: Signalised, steps: Sequence[Step]) -> ET.Element:
    name = junction.junction.id
    logic = item("tlLogic", id=name, type="static", programID="table", offset=0)
    links = list(_links(roads, junction))
    for step in steps:
        state = "".join(step.letters[link] if link else "r" for link in links)
        logic.append(item("phase", duration=step.duration_s, state=state))
    return logic


def _links(roads: NetFile, junction: Signalised) -> Iterator[tuple[str, str] | None]:
    """(approach, turn or crossing) of each link; None for one that steers nothing."""
    for link in junction.junction.links:
        if not link.from_lane:
            yield None
        elif link.crossing_m > 0:
            yield _leg(roads, junction, link), CROSSING
        else:
            (x0, y0), (x1, y1) = roads.lanes[link.from_lane].shape[-2:]
            yield _side(x0 - x1, y0 - y1), _TURN_OF.get(link.direction, "through")


def _leg(roads: NetFile, junction: Signalised, link: Link) -> str:
    shape = roads.lanes[link.to_lane].shape
    x, y = (sum(point[axis] for point in shape) / len(shape) for axis in (0, 1))
    return _side(x - junction.junction.x, y - junction.junction.y)


def _side(east: float, north: float) -> str:
    return APPROACHES[round(atan2(east, north) / _QUARTER) % 4]
