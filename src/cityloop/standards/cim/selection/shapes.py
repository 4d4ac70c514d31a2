"""Geometries and the relations between them (ISO 19125-1), in longitude and latitude.

shapely answers: its rivals either lack relations between polygons (h3) or need a database (PostGIS,
SpatiaLite). It takes a while to load, so the first geographical query loads this module.
"""

import json
import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import shapely
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from cityloop.standards.cim.selection.ast import GeoQuery

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius (IUGG)."""

GEOMETRIES = frozenset(
    {"Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon"}
)
"""What a GeoProperty or a geographical query may hold (RFC 7946, clause 4.7)."""

_RELATIONS: dict[str, Callable[[BaseGeometry, BaseGeometry], Any]] = {
    "within": shapely.within,
    "contains": shapely.contains,
    "intersects": shapely.intersects,
    "equals": shapely.equals,
    "disjoint": shapely.disjoint,
    "overlaps": shapely.overlaps,
}


@lru_cache(maxsize=1_024)
def geometry_of(text: str) -> BaseGeometry | None:
    """The geometry of a GeoJSON text, mended where its rings cross; None where it is none."""
    try:
        return geometry_from(json.loads(text))
    except ValueError:
        return None


def geometry_from(value: object) -> BaseGeometry | None:
    """The geometry of a GeoJSON value, mended where its rings cross; None where it is none."""
    if not isinstance(value, dict) or value.get("type") not in GEOMETRIES:
        return None
    try:
        geometry = shape(value)
        if geometry.is_empty or not math.isfinite(sum(geometry.bounds)):
            return None
        return geometry if geometry.is_valid else shapely.make_valid(geometry)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, shapely.GEOSException):
        return None


def geo_test(query: GeoQuery) -> Callable[[object], bool]:
    """Whether the relation holds between a GeoJSON value and the reference geometry."""
    reference = geometry_of(query.geometry)
    if reference is None:
        return lambda _: False
    shapely.prepare(reference)
    if query.relation in ("nearer", "farther"):
        return _near_test(reference, query.relation == "nearer", query.distance)
    relation = _RELATIONS[query.relation]

    def holds(value: object) -> bool:
        geometry = geometry_from(value)
        return geometry is not None and bool(relation(geometry, reference))

    return holds


def _near_test(reference: BaseGeometry, nearer: bool, distance: float) -> Callable[[object], bool]:
    def holds(value: object) -> bool:
        geometry = geometry_from(value)
        return geometry is not None and (distance_m(geometry, reference) <= distance) is nearer

    return holds


def distance_m(one: BaseGeometry, other: BaseGeometry) -> float:
    """Metres between the closest points, on a sphere.

    They are searched on a plane with the scale of the latitude in between, so that a degree of
    longitude is as long as it is there.
    """
    latitude = (one.bounds[1] + one.bounds[3] + other.bounds[1] + other.bounds[3]) / 4
    scale = max(math.cos(math.radians(latitude)), 1e-9)
    line = shapely.shortest_line(_scaled(one, scale), _scaled(other, scale))
    (x, y), (u, v) = ((px / scale, py) for px, py in shapely.get_coordinates(line))
    return great_circle_m(x, y, u, v)


def _scaled(geometry: BaseGeometry, scale: float) -> BaseGeometry:
    return shapely.transform(geometry, lambda places: places * (scale, 1.0))


def great_circle_m(lon: float, lat: float, other_lon: float, other_lat: float) -> float:
    """Metres between two places [degrees] on a sphere (haversine)."""
    phi, psi = math.radians(lat), math.radians(other_lat)
    rise = math.sin((psi - phi) / 2) ** 2
    turn = math.sin(math.radians(other_lon - lon) / 2) ** 2
    root = math.sqrt(min(1.0, rise + math.cos(phi) * math.cos(psi) * turn))
    return 2 * EARTH_RADIUS_M * math.asin(root)
