"""A network out of GeoJSON road lines (RFC 7946), by plain nodes and edges and ``netconvert``.

Lines with ``lanes`` (each way, 1), ``speed_kmh`` (50), ``oneway`` (false), ``name`` meet where they
share a vertex. Points with ``signal: true`` make the nearest meeting place a signal.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import cos, dist, radians
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from cityloop.kernel.errors import Gathered, MistakeError
from cityloop.twins.sumo.plain import item, netconvert, write_items

METRES_PER_DEGREE = 111_195.0
"""Of latitude, on a sphere of 6,371 km."""
_SIGNAL_WITHIN_M = 30.0
_YES = (True, 1, "yes", "true", "1")

Point = tuple[float, float]


def to_plane(longitude: float, latitude: float, origin: Point) -> Point:
    """Metres east and north of ``origin`` (latitude, longitude), on the plane through it."""
    north = (latitude - origin[0]) * METRES_PER_DEGREE
    return (longitude - origin[1]) * METRES_PER_DEGREE * cos(radians(origin[0])), north


@dataclass(frozen=True, slots=True)
class _Road:
    points: tuple[Point, ...]
    lanes: int
    speed_mps: float
    oneway: bool
    name: str


def convert_geojson(source: Path, net: Path, folder: Path) -> Point:
    """Make ``net`` of the lines in ``source``; latitude and longitude of its origin.

    ``folder`` takes SUMO's plain files. Raises every mistake in the file at once.
    """
    features = _features(source)
    origin = _middle(source, features)
    told = Gathered()
    roads = [
        road
        for number, feature in enumerate(features, 1)
        for road in _roads(source, number, feature, origin, told)
    ]
    told.check()
    signals = [place for feature in features if (place := _signal(feature, origin))]
    meeting = _meeting(roads)
    names = {point: f"n{row}" for row, point in enumerate(meeting)}
    with_signal = _signalised(source, signals, meeting, told)
    told.check()
    nodes = write_items(folder / "nodes.xml", "nodes", _nodes(names, with_signal))
    edges = write_items(folder / "edges.xml", "edges", _edges(roads, names))
    options = ["--node-files", str(nodes), "--edge-files", str(edges), "--no-warnings"]
    netconvert([*options, "--no-turnarounds.except-deadend", "--output.street-names"], net)
    return origin


def _features(source: Path) -> list[dict[str, Any]]:
    try:
        document = json.loads(source.read_bytes())
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
        raise MistakeError(source, None, what, "check the path") from error
    except UnicodeDecodeError as error:
        raise MistakeError(source, None, "this is not UTF-8", "save it as UTF-8") from error
    except json.JSONDecodeError as error:
        what = f"this is no JSON: {error.msg}"
        raise MistakeError(source, error.lineno, what, "mend the line") from error
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, list) or not all(isinstance(it, dict) for it in features):
        mend = "export roads as GeoJSON lines"
        raise MistakeError(source, 1, "this is no FeatureCollection", mend)
    return features


def _geometry(feature: Mapping[str, Any]) -> tuple[str, Any]:
    geometry = feature.get("geometry")
    if not isinstance(geometry, dict):
        return "", None
    return str(geometry.get("type")), geometry.get("coordinates")


def _lines(feature: Mapping[str, Any]) -> list[Any]:
    kind, coordinates = _geometry(feature)
    if kind == "LineString":
        return [coordinates]
    return list(coordinates or ()) if kind == "MultiLineString" else []


def _middle(source: Path, features: Sequence[Mapping[str, Any]]) -> Point:
    places = [
        place
        for feature in features
        for line in _lines(feature)
        if isinstance(line, list)
        for place in line
        if _is_place(place)
    ]
    if not places:
        raise MistakeError(source, None, "there is no line in it", "export roads as GeoJSON lines")
    longitudes, latitudes = [place[0] for place in places], [place[1] for place in places]
    return (min(latitudes) + max(latitudes)) / 2, (min(longitudes) + max(longitudes)) / 2


def _is_place(place: object) -> bool:
    return (
        isinstance(place, list)
        and len(place) >= 2
        and all(isinstance(part, int | float) for part in place[:2])
        and abs(place[0]) <= 180
        and abs(place[1]) <= 90
    )


def _roads(
    source: Path, number: int, feature: Mapping[str, Any], origin: Point, told: Gathered
) -> Iterator[_Road]:
    properties = feature.get("properties") or {}
    for line in _lines(feature):
        with told:
            if not isinstance(line, list) or len(line) < 2 or not all(map(_is_place, line)):
                what = f"feature {number}: a line needs two places or more in WGS 84 degrees"
                raise MistakeError(source, None, what, "write [longitude, latitude]")
            # A decimetre: vertices that are meant to be one differ by less.
            points = (to_plane(place[0], place[1], origin) for place in line)
            road = tuple(dict.fromkeys((round(x, 1), round(y, 1)) for x, y in points))
            yield _Road(
                road,
                int(_number(source, number, properties, "lanes", 1, 1, 8)),
                _number(source, number, properties, "speed_kmh", 50, 5, 130) / 3.6,
                properties.get("oneway") in _YES,
                str(properties.get("name") or ""),
            )


def _number(
    source: Path,
    number: int,
    properties: Mapping[str, Any],
    key: str,
    default: float,
    least: float,
    most: float,
) -> float:
    raw = properties.get(key)
    try:
        value = default if raw is None else float(raw)
    except (TypeError, ValueError):
        value = -1.0
    if not least <= value <= most:
        what = f"feature {number}: {key} is {raw!r}"
        raise MistakeError(source, None, what, f"write {least:g} to {most:g}")
    return value


def _signal(feature: Mapping[str, Any], origin: Point) -> Point | None:
    kind, place = _geometry(feature)
    properties = feature.get("properties") or {}
    marked = properties.get("signal") in _YES or properties.get("highway") == "traffic_signals"
    if kind != "Point" or not marked or not _is_place(place):
        return None
    return to_plane(place[0], place[1], origin)


def _meeting(roads: Sequence[_Road]) -> list[Point]:
    """Where roads end or meet, in the order of the file."""
    seen = Counter(point for road in roads for point in set(road.points))
    ends = {end for road in roads for end in (road.points[0], road.points[-1])}
    ordered = dict.fromkeys(point for road in roads for point in road.points)
    return [point for point in ordered if seen[point] > 1 or point in ends]


def _signalised(
    source: Path, signals: Sequence[Point], meeting: Sequence[Point], told: Gathered
) -> set[Point]:
    found: set[Point] = set()
    for place in signals:
        nearest = min(meeting, key=lambda point: dist(point, place))
        if dist(nearest, place) <= _SIGNAL_WITHIN_M:
            found.add(nearest)
        else:
            what = f"a signal is {dist(nearest, place):.0f} m from where roads meet"
            mend = f"put it within {_SIGNAL_WITHIN_M:g} m"
            told.found.append(MistakeError(source, None, what, mend))
    return found


def _nodes(names: Mapping[Point, str], signals: set[Point]) -> Iterator[ET.Element]:
    for (x, y), name in names.items():
        kind = "traffic_light" if (x, y) in signals else "priority"
        yield item("node", id=name, x=x, y=y, type=kind)


def _edges(roads: Sequence[_Road], names: Mapping[Point, str]) -> Iterator[ET.Element]:
    count = 0
    for road in roads:
        cuts = [row for row, point in enumerate(road.points) if point in names]
        for first, last in pairwise(cuts):
            part = road.points[first : last + 1]
            yield _edge(f"e{count}", road, part, names)
            if not road.oneway:
                yield _edge(f"-e{count}", road, part[::-1], names)
            count += 1


def _edge(
    name: str, road: _Road, points: Sequence[Point], names: Mapping[Point, str]
) -> ET.Element:
    edge = item(
        "edge",
        id=name,
        from_=names[points[0]],
        to=names[points[-1]],
        numLanes=road.lanes,
        speed=f"{road.speed_mps:.2f}",
        priority=road.lanes,
        shape=" ".join(f"{x},{y}" for x, y in points),
    )
    if road.name:
        edge.set("name", road.name)
    return edge
