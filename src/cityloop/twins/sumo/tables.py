"""From our CSV tables to a SUMO scenario: plain XML, then SUMO's own ``netconvert``."""

import hashlib
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import mkdtemp
from xml.etree import ElementTree as ET

from cityloop.kernel.errors import ConfigError
from cityloop.twins.sumo.binaries import sumo_binary, use_sumo_home
from cityloop.twins.sumo.facts import TABLES, Facts, Movement, read_facts, read_table
from cityloop.twins.sumo.scenario import HORIZON_S, SumoScenario

_FORM = b"1"
"""Raised when the same tables would give other files, so that a cache of older ones is left."""


def build_tables(folder: Path, cache: Path) -> SumoScenario:
    """The scenario that the tables in ``folder`` describe, made in ``cache`` unless it is there.

    Same tables, same files, byte by byte. It begins at 0 and ends after an hour. ConfigError names
    the file and line of the first mistake in the tables.
    """
    made = cache / f"tables-{_digest(folder)}"
    scenario = SumoScenario(made / "net.net.xml", (made / "traffic.rou.xml",), (), 0.0, HORIZON_S)
    if not made.is_dir():
        facts = read_facts(folder)
        cache.mkdir(parents=True, exist_ok=True)
        draft = Path(mkdtemp(prefix="tables-", dir=cache))
        _convert(facts, draft)
        _write(draft / "traffic.rou.xml", "routes", _traffic(facts))
        try:
            draft.rename(made)
        except OSError:
            # Somebody else made it meanwhile, from the same tables.
            if not made.is_dir():
                raise
            shutil.rmtree(draft)
    return scenario


def _digest(folder: Path) -> str:
    digest = hashlib.blake2b(_FORM, digest_size=8)
    for name in TABLES:
        digest.update(hashlib.blake2b(read_table(folder / name)).digest())
    return digest.hexdigest()


def _convert(facts: Facts, folder: Path) -> None:
    _write(folder / "nodes.xml", "nodes", _nodes(facts))
    _write(folder / "edges.xml", "edges", _edges(facts))
    _write(folder / "connections.xml", "connections", _connections(facts))
    _write(folder / "signals.xml", "tlLogics", _signals(facts))
    use_sumo_home()
    net = folder / "net.net.xml"
    command = [
        str(sumo_binary("netconvert")),
        *("--node-files", str(folder / "nodes.xml"), "--edge-files", str(folder / "edges.xml")),
        *("--connection-files", str(folder / "connections.xml")),
        *("--tllogic-files", str(folder / "signals.xml"), "--output-file", str(net)),
        *("--offset.disable-normalization", "--no-warnings", "--xml-validation", "never"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0 or not net.is_file():
        raise ConfigError(f"SUMO cannot build the network: {done.stderr.strip()}")
    # The first comment holds the hour and the folder; without it same tables give the same file.
    text = net.read_text(encoding="utf-8")
    net.write_text(re.sub(r"<!--.*?-->\s*", "", text, count=1, flags=re.DOTALL), encoding="utf-8")


def _write(path: Path, tag: str, items: Iterable[ET.Element]) -> None:
    root = ET.Element(tag)
    root.extend(items)
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _item(tag: str, **attributes: object) -> ET.Element:
    # "from" and "id" are written from_ and id_ in Python.
    return ET.Element(tag, {key.rstrip("_"): str(value) for key, value in attributes.items()})


def _nodes(facts: Facts) -> Iterator[ET.Element]:
    for junction in facts.junctions.values():
        kind = "traffic_light_right_on_red" if junction.right_on_red else "traffic_light"
        yield _item(
            "node",
            id=junction.name,
            x=junction.x_m,
            y=junction.y_m,
            type=kind if junction.plan else "priority",
        )


def _edges(facts: Facts) -> Iterator[ET.Element]:
    for road in facts.roads.values():
        yield _item(
            "edge",
            id=road.name,
            from_=road.start,
            to=road.end,
            numLanes=road.lanes,
            speed=road.speed_mps,
            priority=-1,
        )


def _links(facts: Facts) -> Iterator[tuple[int, Movement, int]]:
    """(link index, movement, lane it leads to), link indices in the order of the table."""
    counts: dict[str, int] = defaultdict(int)
    for movement in facts.movements:
        for lane in movement.to_lanes:
            yield counts[movement.junction], movement, lane
            counts[movement.junction] += 1


def _connection(movement: Movement, to_lane: int, **signal: object) -> ET.Element:
    return _item(
        "connection",
        from_=movement.from_road,
        to=movement.to_road,
        fromLane=movement.from_lane,
        toLane=to_lane,
        **signal,
    )


def _connections(facts: Facts) -> Iterator[ET.Element]:
    return (_connection(movement, lane) for _, movement, lane in _links(facts))


def _signals(facts: Facts) -> Iterator[ET.Element]:
    links: dict[str, list[Movement]] = defaultdict(list)
    for _, movement, _ in _links(facts):
        links[movement.junction].append(movement)
    for name, movements in links.items():
        logic = _item("tlLogic", id=name, type="static", programID="0", offset=0)
        logic.extend(_phases(facts, name, movements))
        yield logic
    for index, movement, lane in _links(facts):
        yield _connection(movement, lane, tl=movement.junction, linkIndex=index)


def _phases(facts: Facts, junction: str, movements: Sequence[Movement]) -> Iterator[ET.Element]:
    for step in facts.plans[facts.junctions[junction].plan]:
        state = "".join(step.letters[movement.approach, movement.turn] for movement in movements)
        yield _item("phase", duration=step.duration_s, state=state)


def _traffic(facts: Facts) -> Iterator[ET.Element]:
    kind = facts.vehicle
    yield _item(
        "vType",
        id="car",
        length=kind.length_m,
        width=kind.width_m,
        minGap=kind.min_gap_m,
        accel=kind.accel_mps2,
        decel=kind.decel_mps2,
        maxSpeed=kind.max_speed_mps,
    )
    for number, (second, roads) in enumerate(facts.departures):
        vehicle = _item("vehicle", id=f"v{number}", type="car", depart=second)
        vehicle.append(_item("route", edges=" ".join(roads)))
        yield vehicle
