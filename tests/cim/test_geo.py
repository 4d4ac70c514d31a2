import json

import pytest

from cityloop.standards.cim.problems import Problem
from cityloop.standards.cim.selection.geo import read_geo
from cityloop.standards.cim.selection.shapes import geo_test

HOLED = [[[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]], [[4, 4], [6, 4], [6, 6], [4, 6], [4, 4]]]


def point(lon: float, lat: float) -> dict[str, object]:
    return {"type": "Point", "coordinates": [lon, lat]}


def holds(relation: str, geometry: str, coordinates: object, value: object) -> bool:
    return geo_test(read_geo(relation, geometry, json.dumps(coordinates)))(value)


def test_a_point_in_a_hole_is_not_within() -> None:
    assert holds("within", "Polygon", HOLED, point(2, 2))
    assert not holds("within", "Polygon", HOLED, point(5, 5))


@pytest.mark.parametrize(
    ("relation", "expected"),
    [("equals", True), ("intersects", True), ("contains", True), ("disjoint", False)],
)
def test_relations_of_a_place_to_itself(relation: str, expected: bool) -> None:
    assert holds(relation, "Point", [13.4, 52.5], point(13.4, 52.5)) is expected


def test_near_is_metres_to_the_closest_point_of_the_reference() -> None:
    line = [[0, 60], [10, 60]]
    assert holds("near;maxDistance==2000", "LineString", line, point(10, 60.009))
    assert not holds("near;maxDistance==2000", "LineString", line, point(10, 61))


def test_a_degree_of_longitude_is_short_in_the_north() -> None:
    ends = {"type": "MultiPoint", "coordinates": [[1, 85], [0, 85.6]]}
    assert holds("near;maxDistance==20000", "Point", [0, 85], ends)
    assert not holds("near;maxDistance==5000", "Point", [0, 85], ends)


def test_a_degree_of_latitude_is_111_195_m() -> None:
    assert holds("near;maxDistance==111200", "Point", [0, 0], point(0, 1))
    assert holds("near;minDistance==111190", "Point", [0, 0], point(0, 1))


def test_rings_that_cross_are_mended() -> None:
    bow = {"type": "Polygon", "coordinates": [[[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]]}
    assert holds("intersects", "Point", [0.2, 1.0], bow)


@pytest.mark.parametrize(
    "value", [None, 5, "x", {}, {"type": "Point"}, {"type": "Point", "coordinates": ["a"]}]
)
def test_what_is_no_geometry_stands_in_no_relation(value: object) -> None:
    assert not holds("disjoint", "Point", [0, 0], value)


@pytest.mark.parametrize(
    ("relation", "geometry", "coordinates"),
    [
        ("touches", "Point", "[0,0]"),
        ("near", "Point", "[0,0]"),
        ("near;maxDistance==0", "Point", "[0,0]"),
        ("near;maxDistance==-1", "Point", "[0,0]"),
        ("near;maxDistance==1e400", "Point", "[0,0]"),
        ("near;maxDistance==5;minDistance==1", "Point", "[0,0]"),
        ("equals", "Circle", "[0,0]"),
        ("equals", "Point", "0,0"),
        ("equals", "Point", "[]"),
        ("equals", "Point", None),
        (None, "Point", "[0,0]"),
    ],
)
def test_what_is_no_geographical_query_is_refused(
    relation: str | None, geometry: str, coordinates: str | None
) -> None:
    with pytest.raises(Problem) as refused:
        read_geo(relation, geometry, coordinates)
    assert refused.value.kind == "BadRequestData"
