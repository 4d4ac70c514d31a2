"""Geographical queries as they are written (GS CIM 009, clause 4.10): a relation to a geometry.

``near`` measures metres between the closest points of the two geometries.
"""

import json
import math
import re
from types import ModuleType

from cityloop.standards.cim.problems import Problem
from cityloop.standards.cim.selection.ast import GeoQuery

RELATIONS = ("within", "contains", "intersects", "equals", "disjoint", "overlaps")
_NEAR = re.compile(r"near;(max|min)Distance==(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)")
LOCATION = "https://uri.etsi.org/ngsi-ld/location"
"""The GeoProperty that is meant where none is named."""


def geometries() -> ModuleType:
    """The module `shapes`; raises Problem where shapely, which it stands on, is missing."""
    try:
        from cityloop.standards.cim.selection import shapes
    except ImportError as error:
        raise Problem(
            "OperationNotSupported", "Geography needs shapely; run: pip install shapely"
        ) from error
    return shapes


def read_geo(
    relation: object, geometry: object, coordinates: object, attribute: str = LOCATION
) -> GeoQuery:
    """The query of the parameters ``georel``, ``geometry`` and ``coordinates`` (JSON or its text).

    ``attribute`` is expanded. Raises Problem (BadRequestData).
    """
    if not (isinstance(relation, str) and isinstance(geometry, str) and coordinates is not None):
        raise _refusal("georel, geometry and coordinates belong together; one of them is missing")
    kind, distance = _relation(relation)
    return GeoQuery(kind, read_geometry(geometry, coordinates), attribute, distance)


def read_geometry(geometry: str, coordinates: object) -> str:
    """The GeoJSON geometry as text; raises Problem (BadRequestData)."""
    if isinstance(coordinates, str):
        try:
            coordinates = json.loads(coordinates)
        except (ValueError, RecursionError) as error:
            raise _refusal(f"coordinates are no JSON array ({error})") from error
    text = json.dumps({"type": geometry, "coordinates": coordinates})
    if not isinstance(coordinates, list) or geometries().geometry_of(text) is None:
        raise _refusal(f"coordinates are not those of a '{geometry}' of GeoJSON")
    return text


def _relation(text: str) -> tuple[str, float]:
    if text in RELATIONS:
        return text, 0.0
    near = _NEAR.fullmatch(text)
    if near is None:
        raise _refusal(
            f"georel '{text}' is not known; it is 'near;maxDistance==metres', "
            f"'near;minDistance==metres' or one of {', '.join(RELATIONS)}"
        )
    distance = float(near[2])
    if not 0 < distance < math.inf:
        raise _refusal("a distance is a positive number of metres")
    return ("nearer" if near[1] == "max" else "farther"), distance


def _refusal(why: str) -> Problem:
    return Problem("BadRequestData", f"The geographical query is not valid: {why}.")
