"""A SUMO network file as plain records, read in one streaming pass.

Rival: ``sumolib.net.readNet``, which builds a graph of objects with geometry that nothing here
needs; on a city of 1,004 signals it takes several times the time and memory of this pass.
Format: https://sumo.dlr.de/docs/Networks/SUMO_Road_Networks.html
"""

import gzip
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, iterparse

from cityloop.kernel.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Lane:
    """One lane; ``motor`` tells whether anything but pedestrians, bicycles and rail may use it."""

    id: str
    edge: str
    index: int
    length_m: float
    speed_mps: float
    motor: bool
    shape: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Edge:
    """A directed road, or with a ``function`` a part of a junction (internal, crossing, …)."""

    id: str
    function: str
    start: str
    end: str
    lanes: tuple[str, ...]
    width_m: float


@dataclass(frozen=True, slots=True)
class Connection:
    """From a lane over the internal lane ``via`` to a lane; ``signal`` is (tlLogic, link index)."""

    from_lane: str
    to_lane: str
    via: str
    direction: str
    signal: tuple[str, int] | None


@dataclass(frozen=True, slots=True)
class Node:
    """A junction with its right-of-way matrix: ``response[i]`` and ``foes[i]`` are bit strings read
    from the right, one per link, in the order of ``inside`` (the last internal lane of each link).
    """

    id: str
    kind: str
    x: float
    y: float
    incoming: tuple[str, ...]
    inside: tuple[str, ...]
    response: tuple[str, ...]
    foes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Program:
    """A shipped signal plan: (state, seconds) of each of its phases, greens and clearances."""

    id: str
    offset_s: float
    phases: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True, eq=False)
class NetFile:
    """Everything the twin reads of a network, in file order."""

    lanes: Mapping[str, Lane]
    edges: Mapping[str, Edge]
    nodes: Mapping[str, Node]
    connections: tuple[Connection, ...]
    programs: Mapping[str, Program]


def _children(path: Path, root: str) -> Iterator[Element]:
    """The elements under the root of an XML file one by one, each forgotten when the next comes."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            depth = 0
            # Whoever may choose the network may as well choose the vehicles: it is trusted input.
            for event, element in iterparse(stream, ("start", "end")):  # noqa: S314
                depth += 1 if event == "start" else -1
                if event == "start" and depth == 1 and root not in ("", element.tag):
                    raise ConfigError(f"{path} is not a SUMO network: its root is <{element.tag}>")
                if event == "end" and depth == 1:
                    yield element
                    element.clear()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from error
    except ParseError as error:
        raise ConfigError(f"{path} is not well-formed XML: {error}") from error


@dataclass(slots=True)
class _Gathered:
    lanes: dict[str, Lane] = field(default_factory=dict)
    edges: dict[str, Edge] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    connections: list[Connection] = field(default_factory=list)
    programs: dict[str, Program] = field(default_factory=dict)


def read_net(net: Path, additional: Sequence[Path] = ()) -> NetFile:
    """Read ``net`` (``.net.xml``, also gzipped) and the signal plans of ``additional`` files.

    As in SUMO the first plan of a network is in force until an additional file brings another.
    ConfigError when a file is missing or ``net`` is no network.
    """
    found = _Gathered()
    handlers = {
        "edge": _edge,
        "junction": _node,
        "connection": _connection,
        "tlLogic": _shipped,
    }
    for element in _children(net, "net"):
        if element.tag in handlers:
            handlers[element.tag](element, found)
    for path in additional:
        for element in _children(path, ""):
            if element.tag == "tlLogic" and element.find("phase") is not None:
                program = _program(element)
                found.programs[program.id] = program
    return NetFile(found.lanes, found.edges, found.nodes, tuple(found.connections), found.programs)


def _edge(element: Element, found: _Gathered) -> None:
    edge, names, width = element.get("id", ""), [], 0.0
    for lane in element.iter("lane"):
        name = lane.get("id", "")
        names.append(name)
        width += float(lane.get("width", "3.2"))
        found.lanes[name] = Lane(
            name,
            edge,
            int(lane.get("index", "0")),
            float(lane.get("length", "0")),
            float(lane.get("speed", "13.89")),
            _motor(lane),
            _shape(lane.get("shape", "")),
        )
    found.edges[edge] = Edge(
        edge,
        element.get("function", "normal"),
        element.get("from", ""),
        element.get("to", ""),
        tuple(names),
        width,
    )


_NOT_MOTOR = frozenset({"pedestrian", "bicycle", "rail", "tram", "rail_urban", "rail_electric"})


def _motor(lane: Element) -> bool:
    allow = lane.get("allow")
    if allow is not None:
        return allow == "all" or not set(allow.split()) <= _NOT_MOTOR
    return lane.get("disallow") != "all"


def _shape(text: str) -> tuple[tuple[float, float], ...]:
    points = (point.split(",") for point in text.split())
    return tuple((float(point[0]), float(point[1])) for point in points)


def _node(element: Element, found: _Gathered) -> None:
    name = element.get("id", "")
    requests = sorted(element.iter("request"), key=lambda r: int(r.get("index", "0")))
    found.nodes[name] = Node(
        name,
        element.get("type", ""),
        float(element.get("x", "0")),
        float(element.get("y", "0")),
        tuple(element.get("incLanes", "").split()),
        tuple(element.get("intLanes", "").split()),
        tuple(request.get("response", "") for request in requests),
        tuple(request.get("foes", "") for request in requests),
    )


def _connection(element: Element, found: _Gathered) -> None:
    tls, link = element.get("tl"), element.get("linkIndex")
    found.connections.append(
        Connection(
            f"{element.get('from')}_{element.get('fromLane')}",
            f"{element.get('to')}_{element.get('toLane')}",
            element.get("via", ""),
            element.get("dir", ""),
            None if tls is None or link is None else (tls, int(link)),
        )
    )


def _shipped(element: Element, found: _Gathered) -> None:
    if element.get("type", "").startswith("rail"):
        return  # trains set these themselves
    program = _program(element)
    found.programs.setdefault(program.id, program)


def _program(element: Element) -> Program:
    phases = tuple(
        (phase.get("state", ""), float(phase.get("duration", "0")))
        for phase in element.iter("phase")
    )
    return Program(element.get("id", ""), float(element.get("offset", "0")), phases)
