"""Where entities are, for the index that a geographical query asks first.

The index finds candidates; whether a relation holds is asked of the test that memory uses
(``standards.cim.selection.shapes``), so the answer does not depend on what the database can do.
"""

import math
from typing import Any, NamedTuple

import msgspec

from cityloop.interconnection.broker.held import Held
from cityloop.standards.cim.selection.ast import GeoQuery
from cityloop.standards.cim.selection.geo import geometries

Bounds = tuple[float, float, float, float]
"""West, south, east, north [degrees]."""


class Place(NamedTuple):
    """One geometry of an attribute: its bounds as PostgreSQL's ``box``, its shape as WKB in
    hexadecimal digits."""

    attribute: str
    bounds: str
    shape: str


def places_of(held: Held | None) -> list[Place]:
    """The places of all geometries of an entity, whatever kind of attribute has them."""
    if held is None or '"coordinates"' not in held.doc:
        return []
    return [
        place
        for attribute, instances in held.kept["attrs"].items()
        for instance in instances.values()
        if (place := _place(attribute, _value(instance))) is not None
    ]


def _value(instance: dict[str, Any]) -> str:
    """As text, since the same place is told again and again."""
    value = instance.get("value")
    return msgspec.json.encode(value).decode() if isinstance(value, dict) else ""


def _place(attribute: str, text: str) -> Place | None:
    geometry = geometries().geometry_of(text) if text else None
    if geometry is None:
        return None
    return Place(attribute, box(geometry.bounds), geometry.wkb_hex)


def box(bounds: Bounds) -> str:
    """Bounds as PostgreSQL's ``box`` is written."""
    west, south, east, north = bounds
    return f"(({west!r},{south!r}),({east!r},{north!r}))"


class Near(NamedTuple):
    """What candidates meet: ``reference`` as WKB in hexadecimal digits, or its bounds, widened by
    ``within`` degrees."""

    reference: str
    bounds: Bounds
    within: float


def near(query: GeoQuery) -> Near | None:
    """What all geometries meet for which the query holds; None where that is nothing in particular.

    Of a distance in metres: as many degrees as it is at most, there, in any direction.
    """
    reference = geometries().geometry_of(query.geometry)
    if reference is None or query.relation in ("farther", "disjoint"):
        return None
    within = 0.0
    if query.relation == "nearer":
        within = _degrees(query.distance, reference.bounds)
        west, _, east, _ = reference.bounds
        reaches_round = west - within < -180 or east + within > 180
        if not math.isfinite(within) or reaches_round:
            return None
    return Near(reference.wkb_hex, _widened(reference.bounds, within), within)


def _widened(bounds: Bounds, by: float) -> Bounds:
    west, south, east, north = bounds
    return west - by, south - by, east + by, north + by


def _degrees(metres: float, bounds: Bounds) -> float:
    """The largest difference of longitude of two places so far apart, one of them in bounds."""
    angle = metres / geometries().EARTH_RADIUS_M
    steepest = max(abs(bounds[1]), abs(bounds[3]))
    if angle >= math.pi / 2 or math.sin(angle) >= math.cos(math.radians(min(steepest, 90.0))):
        return math.inf
    turn = math.asin(math.sin(angle) / math.cos(math.radians(steepest)))
    return math.degrees(max(turn, angle)) * 1.000_001 + 1e-9
