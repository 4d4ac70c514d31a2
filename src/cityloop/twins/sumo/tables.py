"""From our CSV tables to a SUMO scenario: plain XML, then SUMO's own ``netconvert``."""

import hashlib
import os
import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import mkdtemp
from xml.etree import ElementTree as ET

from cityloop.twins.sumo.facts import CROSSING, CrossingFact, Facts, Movement
from cityloop.twins.sumo.facts_reader import read_facts, table_contents
from cityloop.twins.sumo.plain import item, netconvert, write_items
from cityloop.twins.sumo.scenario import HORIZON_S, SumoScenario
from cityloop.twins.sumo.tables_traffic import bus_stops, traffic

_FORM = b"2"
"""Raised when the same tables would give other files, so that a cache of older ones is left."""


NET, ROUTES, STOPS = "net.net.xml", "traffic.rou.xml", "stops.add.xml"


def build_tables(folder: Path, cache: Path) -> SumoScenario:
    """The scenario that the tables in ``folder`` describe, made in ``cache`` unless it is there.

    Same tables, same files, byte by byte. It begins at 0 and ends after an hour. ConfigError names
    the file and line of the first mistake in the tables.
    """
    made = cache / f"tables-{_digest(folder)}"
    if not made.is_dir():
        facts = read_facts(folder)
        cache.mkdir(parents=True, exist_ok=True)
        draft = Path(mkdtemp(prefix="tables-", dir=cache))
        _convert(facts, draft)
        write_items(draft / ROUTES, "routes", traffic(facts))
        if facts.extras.bus_stops:
            write_items(draft / STOPS, "additional", bus_stops(facts))
        _settle(draft)
        try:
            draft.rename(made)
        except OSError:
            # Somebody else made it meanwhile, from the same tables.
            if not made.is_dir():
                raise
            shutil.rmtree(draft)
    stops = (made / STOPS,) if (made / STOPS).is_file() else ()
    return SumoScenario(made / NET, (made / ROUTES,), stops, 0.0, HORIZON_S)


def _settle(draft: Path) -> None:
    """Wait until the disk has the files: a power cut must not leave half of them under a name that
    says they are whole."""
    for path in (*draft.iterdir(), draft):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _digest(folder: Path) -> str:
    digest = hashlib.blake2b(_FORM, digest_size=8)
    for name, content in table_contents(folder).items():
        digest.update(name.encode() + hashlib.blake2b(content).digest())
    return digest.hexdigest()


def _convert(facts: Facts, folder: Path) -> None:
    nodes = write_items(folder / "nodes.xml", "nodes", _nodes(facts))
    edges = write_items(folder / "edges.xml", "edges", _edges(facts))
    links = write_items(folder / "connections.xml", "connections", _connections(facts))
    signals = write_items(folder / "signals.xml", "tlLogics", _signals(facts))
    options = ["--node-files", str(nodes), "--edge-files", str(edges)]
    options += ["--connection-files", str(links), "--tllogic-files", str(signals)]
    if facts.extras.crossings:
        options.append("--walkingareas")
    netconvert(options, folder / NET)


def _nodes(facts: Facts) -> Iterator[ET.Element]:
    for junction in facts.junctions.values():
        kind = "traffic_light_right_on_red" if junction.right_on_red else "traffic_light"
        yield item(
            "node",
            id=junction.name,
            x=junction.x_m,
            y=junction.y_m,
            type=kind if junction.plan else "priority",
        )


def _edges(facts: Facts) -> Iterator[ET.Element]:
    for road in facts.roads.values():
        yield item(
            "edge",
            id=road.name,
            from_=road.start,
            to=road.end,
            numLanes=road.lanes,
            speed=road.speed_mps,
            priority=-1,
            **({"sidewalkWidth": road.sidewalk_m} if road.sidewalk_m else {}),
        )


def _links(facts: Facts) -> Iterator[tuple[int, Movement, int]]:
    """(link index, movement, lane it leads to), link indices in the order of the table."""
    counts: dict[str, int] = defaultdict(int)
    for movement in facts.movements:
        for lane in movement.to_lanes:
            yield counts[movement.junction], movement, lane
            counts[movement.junction] += 1


def _crossing_links(facts: Facts) -> Iterator[tuple[int, CrossingFact]]:
    """(link index, crossing): the indices go on behind those of the vehicles."""
    counts: dict[str, int] = defaultdict(int)
    for movement in facts.movements:
        counts[movement.junction] += len(movement.to_lanes)
    for crossing in facts.extras.crossings:
        yield counts[crossing.junction], crossing
        counts[crossing.junction] += 1


def _connection(facts: Facts, movement: Movement, to_lane: int, **signal: object) -> ET.Element:
    # A sidewalk is SUMO's lane 0; the tables count the lanes of vehicles.
    first, second = facts.roads[movement.from_road], facts.roads[movement.to_road]
    return item(
        "connection",
        from_=movement.from_road,
        to=movement.to_road,
        fromLane=movement.from_lane + bool(first.sidewalk_m),
        toLane=to_lane + bool(second.sidewalk_m),
        **signal,
    )


def _connections(facts: Facts) -> Iterator[ET.Element]:
    for _, movement, lane in _links(facts):
        yield _connection(facts, movement, lane)
    for index, crossing in _crossing_links(facts):
        yield item(
            "crossing",
            node=crossing.junction,
            edges=" ".join(crossing.roads),
            width=crossing.width_m,
            priority="true",
            linkIndex=index,
        )


def _signals(facts: Facts) -> Iterator[ET.Element]:
    links: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for _, movement, _ in _links(facts):
        links[movement.junction].append((movement.approach, movement.turn))
    for _, crossing in _crossing_links(facts):
        links[crossing.junction].append((crossing.approach, CROSSING))
    for name, shown in links.items():
        logic = item("tlLogic", id=name, type="static", programID="0", offset=0)
        logic.extend(_phases(facts, name, shown))
        yield logic
    for index, movement, lane in _links(facts):
        yield _connection(facts, movement, lane, tl=movement.junction, linkIndex=index)


def _phases(facts: Facts, junction: str, shown: Sequence[tuple[str, str]]) -> Iterator[ET.Element]:
    for step in facts.plans[facts.junctions[junction].plan]:
        state = "".join(step.letters[link] for link in shown)
        yield item("phase", duration=step.duration_s, state=state)
