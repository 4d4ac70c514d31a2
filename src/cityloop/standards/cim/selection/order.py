"""The order of a result (GS CIM 009, clause 4.23): ``type;asc,name.sub;desc,location;dist-asc``.

Values of different kinds: numbers before texts before truth values before all else; an entity
without the element comes last, in whichever direction.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from cityloop.standards.cim.kept import Kept
from cityloop.standards.cim.problems import Problem
from cityloop.standards.cim.selection.ast import Path
from cityloop.standards.cim.selection.collation import Key, read_collation
from cityloop.standards.cim.selection.geo import geometries
from cityloop.standards.cim.selection.memory import path_values
from cityloop.standards.cim.selection.q import read_path
from cityloop.standards.cim.selection.scanner import Scanner

_DIRECTIONS = ("asc", "desc", "dist-asc", "dist-desc")
_OF_ENTITY = ("id", "type", "scope", "createdAt", "modifiedAt", "expiresAt")


@dataclass(frozen=True, slots=True)
class OrderBy:
    """One criterion; ``by_distance`` from the reference geometry of the `Ordering`."""

    path: Path
    descending: bool = False
    by_distance: bool = False


@dataclass(frozen=True, slots=True)
class Ordering:
    """Criteria, the first of which weighs most; ``reference`` is GeoJSON as text."""

    by: tuple[OrderBy, ...]
    reference: str = ""
    collation: str = ""


def read_ordering(
    criteria: Sequence[str],
    expand: Callable[[str], str],
    reference: str = "",
    collation: str = "",
) -> Ordering:
    """The ordering; raises Problem (BadRequestData)."""
    read_collation(collation)
    by = tuple(_criterion(text, expand) for text in criteria)
    if not reference and any(each.by_distance for each in by):
        raise Problem(
            "BadRequestData", "To order by distance, say from where: orderFrom is missing."
        )
    return Ordering(by, reference, collation)


def _criterion(text: str, expand: Callable[[str], str]) -> OrderBy:
    written, _, direction = text.partition(";")
    if direction and direction not in _DIRECTIONS:
        raise Problem(
            "BadRequestData", f"orderBy '{text}': a direction is one of {', '.join(_DIRECTIONS)}."
        )
    by_distance = direction.startswith("dist-")
    if written in _OF_ENTITY:
        path = Path((), written)
    else:
        scanner = Scanner("orderBy", written)
        path = read_path(scanner, expand)
        if scanner.at != len(written) or path.hops:
            scanner.refuse("an ordering looks at one element of the entity itself, and more stands")
    return OrderBy(path, direction.endswith("desc"), by_distance)


Row = TypeVar("Row")


def sort_keys(ordering: Ordering) -> Callable[[Kept], tuple[Any, ...]]:
    """For an entity, its value for each criterion; None where it has none."""
    collate = read_collation(ordering.collation)
    columns = [_column(each, ordering.reference, collate) for each in ordering.by]
    return lambda kept: tuple(column(kept) for column in columns)


def in_order(
    rows: Sequence[Row], ordering: Ordering, keys: Callable[[Row], tuple[Any, ...]]
) -> list[Row]:
    """The rows by their `sort_keys`; rows that are equal keep their order."""
    ordered = list(rows)
    for place, each in reversed(list(enumerate(ordering.by))):
        ordered.sort(key=_directed(keys, place, each.descending), reverse=each.descending)
    return ordered


def _directed(
    keys: Callable[[Row], tuple[Any, ...]], place: int, descending: bool
) -> Callable[[Row], tuple[bool, Any]]:
    def key(row: Row) -> tuple[bool, Any]:
        value = keys(row)[place]
        return (value is None) is not descending, () if value is None else value

    return key


def _column(each: OrderBy, reference: str, collate: Key) -> Callable[[Kept], Any]:
    if each.by_distance:
        return _distances(each.path, reference)

    def value(kept: Kept) -> Any:
        found = path_values(kept, each.path)
        return _ranked(found[0], collate) if found else None

    return value


def _ranked(value: Any, collate: Key) -> tuple[Any, ...]:
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, bool):
        return (2, value)
    if isinstance(value, int | float):
        return (0, value)
    if isinstance(value, str):
        return (1, collate(value))
    return (3, json.dumps(value, sort_keys=True))


def _distances(path: Path, reference: str) -> Callable[[Kept], Any]:
    shapes = geometries()
    origin = shapes.geometry_of(reference)

    def distance(kept: Kept) -> float | None:
        found = map(shapes.geometry_from, path_values(kept, path))
        places = [place for place in found if place is not None]
        return min((shapes.distance_m(place, origin) for place in places), default=None)

    return distance
