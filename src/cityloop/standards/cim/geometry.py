"""Geometries of GeoProperties (4.7): GeoJSON without collections, checked as they come in."""

import json
import math
from collections.abc import Container
from typing import Any

from cityloop.standards.cim.problems import Problem, bad_request

GEOMETRIES = {
    "Point": 0,
    "MultiPoint": 1,
    "LineString": 1,
    "MultiLineString": 2,
    "Polygon": 2,
    "MultiPolygon": 3,
}
"""Every kind of geometry and how deep its positions lie in lists."""


_NUMBERS = frozenset({int, float})
_INFINITE = math.inf


def is_geometry(value: object) -> bool:
    """Whether ``value`` looks like a geometry (its coordinates are not checked)."""
    return isinstance(value, dict) and is_one_of(GEOMETRIES, value) and "coordinates" in value


def is_one_of(kinds: Container[str], value: dict[str, Any]) -> bool:
    """Whether the "type" of ``value`` is one of ``kinds``; it may be any JSON."""
    kind = value.get("type")
    return isinstance(kind, str) and kind in kinds


def read_geometry(value: Any, where: str) -> dict[str, Any]:
    """The geometry of ``value``, a GeoJSON object or text that holds one; else raises Problem."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise _wrong(where, "a text that holds no GeoJSON") from None
    if not isinstance(value, dict):
        raise _wrong(where, "no GeoJSON geometry")
    kind: Any = value.get("type")
    if not is_one_of(GEOMETRIES, value):
        raise _wrong(where, f"of the type {kind!r}; a geometry is one of {', '.join(GEOMETRIES)}")
    if not _is_nested(value.get("coordinates"), GEOMETRIES[kind]):
        raise _wrong(where, f"no {kind}: its coordinates are no positions at the right depth")
    if kind == "LineString" and len(value["coordinates"]) < 2:
        raise _wrong(where, "a LineString with less than two positions")
    if kind == "Polygon":
        _check_rings(value["coordinates"], where)
    elif kind == "MultiPolygon":
        for polygon in value["coordinates"]:
            _check_rings(polygon, where)
    return value


def _is_nested(value: Any, depth: int) -> bool:
    if not isinstance(value, list):
        return False
    if depth:
        return bool(value) and all(_is_nested(each, depth - 1) for each in value)
    return (
        len(value) >= 2
        and _NUMBERS.issuperset(map(type, value))
        and min(value) > -_INFINITE
        and max(value) < _INFINITE
    )


def _check_rings(rings: list[list[Any]], where: str) -> None:
    if any(len(ring) < 4 or ring[0] != ring[-1] for ring in rings):
        raise _wrong(where, "a polygon with a ring of less than four positions or not closed")


def _wrong(where: str, what: str) -> Problem:
    return bad_request(f"the value of the GeoProperty {where} is {what}")
