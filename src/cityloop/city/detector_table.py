"""Detectors of the street matched to the lanes of a network, and a picture of the doubtful ones."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from math import cos, hypot, isnan, nan, radians, sin
from pathlib import Path

import numpy as np

from cityloop.analysis.lane_match import Lanes, Match, match_lanes
from cityloop.kernel.errors import Gathered
from cityloop.standards.csv_rows import Row, read_rows
from cityloop.standards.network import RoadNetwork
from cityloop.twins.sumo.geojson_roads import Point, to_plane
from cityloop.twins.sumo.netfile import Lane, NetFile

COLUMNS = ("detector", "longitude", "latitude", "bearing_deg", "lane")
MATCHED = ("detector", "lane", "position_m", "distance_m", "confidence", "entity", "doubt")
_STOP_LINE_M = 15.0
"""A detector this near to the stop line counts what passes it."""
_PANEL_PX, _VIEW_M = 260, 60.0


@dataclass(frozen=True, slots=True)
class Placed:
    """A detector of the table on the network's plane."""

    name: str
    place: Point
    bearing_deg: float
    wanted: int


def read_detectors(table: Path, origin: Point) -> list[Placed]:
    """The detectors of ``table``: detector, longitude, latitude, and bearing_deg (the way traffic
    goes, from north) and lane (from 0 at the kerb), which may be empty. Raises every mistake."""
    told = Gathered()
    found: dict[str, Placed] = {}
    for row in read_rows(table.read_bytes(), str(table), COLUMNS):
        with told:
            detector = _placed(row, origin)
            if detector.name in found:
                row.fail(f"detector {detector.name} stands here twice", "name each once")
            found[detector.name] = detector
    told.check()
    return list(found.values())


def _placed(row: Row, origin: Point) -> Placed:
    longitude = row.number("longitude", -180, 180)
    place = to_plane(longitude, row.number("latitude", -90, 90), origin)
    bearing = row.number("bearing_deg", 0, 360) if row.cells["bearing_deg"] else nan
    return Placed(
        row.text("detector"), place, bearing, row.count("lane") if row.cells["lane"] else -1
    )


@dataclass(frozen=True, slots=True)
class Matched:
    """A detector and its lane; ``entity``: what of the network it stands for, empty for nothing."""

    detector: Placed
    match: Match
    lane: str
    entity: str


def match_detectors(
    detectors: Sequence[Placed], roads: NetFile, network: RoadNetwork
) -> list[Matched]:
    """The lane of each detector among those for motor vehicles, and the entity it stands for."""
    lanes = [lane for lane in roads.lanes.values() if lane.motor and not lane.id.startswith(":")]
    matches = match_lanes(
        np.array([it.place for it in detectors], dtype=np.float64).reshape(-1, 2),
        np.array([it.bearing_deg for it in detectors], dtype=np.float64),
        np.array([it.wanted for it in detectors], dtype=np.int64),
        _arrays(lanes, roads),
    )
    found: list[Matched] = []
    for detector, match in zip(detectors, matches, strict=True):
        lane = lanes[match.lane] if match.lane >= 0 else None
        entity = _entity(lane, match.along_m, network) if lane else ""
        found.append(Matched(detector, match, lane.id if lane else "", entity))
    return found


def _arrays(lanes: Sequence[Lane], roads: NetFile) -> Lanes:
    numbers = {edge: row for row, edge in enumerate(roads.edges)}
    starts: list[Point] = []
    ends: list[Point] = []
    owner: list[int] = []
    along: list[float] = []
    for row, lane in enumerate(lanes):
        done = 0.0
        for a, b in pairwise(lane.shape):
            starts.append(a)
            ends.append(b)
            owner.append(row)
            along.append(done)
            done += hypot(b[0] - a[0], b[1] - a[1])
    # A sidewalk is lane 0 in SUMO; people count the lanes of vehicles.
    first: dict[str, int] = {}
    for lane in lanes:
        first[lane.edge] = min(lane.index, first.get(lane.edge, lane.index))
    return Lanes(
        np.array(starts, dtype=np.float64).reshape(-1, 2),
        np.array(ends, dtype=np.float64).reshape(-1, 2),
        np.array(owner, dtype=np.int64),
        np.array(along, dtype=np.float64),
        np.array([numbers[lane.edge] for lane in lanes], dtype=np.int64),
        np.array([lane.index - first[lane.edge] for lane in lanes], dtype=np.int64),
    )


def _entity(lane: Lane, along_m: float, network: RoadNetwork) -> str:
    """The stop-line detector near the lane's end, else the lane detector whose piece it is in."""
    if lane.length_m - along_m <= _STOP_LINE_M and lane.id in network.stop_lines.lanes:
        row = network.stop_lines.lanes.index(lane.id)
        return str(network.stop_line_ids.names[row])
    pieces = network.detectors
    for row, name in enumerate(pieces.lanes):
        if name == lane.id and pieces.start_m[row] - 1 <= along_m <= pieces.end_m[row] + 1:
            return str(network.detector_ids.names[row])
    return ""


def matched_csv(matched: Sequence[Matched]) -> str:
    """The table of ``matched``, the least sure first."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(MATCHED)
    for it in sorted(matched, key=lambda it: it.match.confidence):
        match = it.match
        numbers = (f"{match.along_m:.1f}", f"{match.distance_m:.1f}", f"{match.confidence:.2f}")
        writer.writerow((it.detector.name, it.lane, *numbers, it.entity, match.doubt))
    return out.getvalue()


def doubtful_svg(matched: Sequence[Matched], roads: NetFile) -> str:
    """A picture with a panel for each doubtful detector: lanes near it, and the one chosen."""
    doubtful = [it for it in matched if it.match.doubt]
    across = min(4, max(1, len(doubtful)))
    down = -(-len(doubtful) // across)
    width, height = across * _PANEL_PX, down * _PANEL_PX
    panels = (
        f'<g transform="translate({(row % across) * _PANEL_PX},{(row // across) * _PANEL_PX})">'
        f"{''.join(_panel(it, roads))}</g>"
        for row, it in enumerate(doubtful)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(panels)}</svg>\n'
    )


def _panel(it: Matched, roads: NetFile) -> Iterator[str]:
    x0, y0 = it.detector.place
    scale = _PANEL_PX / 2 / _VIEW_M

    def at(point: Point) -> str:
        return f"{(point[0] - x0 + _VIEW_M) * scale:.1f},{(_VIEW_M - point[1] + y0) * scale:.1f}"

    yield f'<svg width="{_PANEL_PX}" height="{_PANEL_PX}"><rect width="{_PANEL_PX}" '
    yield f'height="{_PANEL_PX}" fill="#f6f6f3" stroke="#bbb"/>'
    for lane in _near(roads.lanes, it.detector.place):
        colour, stroke = ("#c2410c", 4) if lane.id == it.lane else ("#9aa5b1", 3)
        points = " ".join(map(at, lane.shape))
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" '
        yield f'stroke-width="{stroke}"><title>{escape(lane.id)}</title></polyline>'
    half = _PANEL_PX / 2
    if not isnan(it.detector.bearing_deg):
        turned = radians(it.detector.bearing_deg)
        tip = f'x2="{half + 26 * sin(turned):.1f}" y2="{half - 26 * cos(turned):.1f}"'
        yield f'<line x1="{half}" y1="{half}" {tip} stroke="#111" stroke-width="2"/>'
    yield f'<circle cx="{half}" cy="{half}" r="5" fill="#111"/>'
    head = f"{it.detector.name}: {it.lane or 'no lane'} ({it.match.confidence:.0%})"
    yield f'<text x="6" y="14">{escape(head)}</text>'
    yield f'<text x="6" y="{_PANEL_PX - 8}" fill="#7c2d12">{escape(it.match.doubt)}</text></svg>'


def _near(lanes: Mapping[str, Lane], place: Point) -> Iterator[Lane]:
    for lane in lanes.values():
        xs, ys = zip(*lane.shape, strict=True)
        if (
            lane.motor
            and min(xs) - _VIEW_M < place[0] < max(xs) + _VIEW_M
            and min(ys) - _VIEW_M < place[1] < max(ys) + _VIEW_M
        ):
            yield lane
