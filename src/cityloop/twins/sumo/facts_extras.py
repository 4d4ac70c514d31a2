"""Reads the tables that a city may leave out: crossings, walks, bus stops, bus lines."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from cityloop.kernel.errors import Gathered
from cityloop.standards.csv_rows import Row
from cityloop.twins.sumo.facts import (
    APPROACHES,
    BUS,
    BusLine,
    BusStop,
    CrossingFact,
    Extras,
    JunctionFact,
    Movement,
    RoadFact,
    VehicleFact,
)
from cityloop.twins.sumo.known import Known, Routes, departures_s


def read_extras(
    rows: Mapping[str, Sequence[Row]],
    junctions: Known[JunctionFact],
    roads: Known[RoadFact],
    movements: Sequence[Movement],
    routes: Routes,
    vehicles: Known[VehicleFact],
    told: Gathered,
) -> Extras:
    """What the optional tables among ``rows`` tell; mistakes go to ``told``."""
    stops = _bus_stops(rows.get("bus_stops.csv", ()), roads, told)
    return Extras(
        tuple(_crossings(rows.get("crossings.csv", ()), junctions, roads, movements, told)),
        tuple(_walks(rows.get("walks.csv", ()), routes, roads, told)),
        stops.facts,
        tuple(_bus_lines(rows.get("bus_lines.csv", ()), routes, stops, vehicles, told)),
    )


def _crossings(
    rows: Sequence[Row],
    junctions: Known[JunctionFact],
    roads: Known[RoadFact],
    movements: Sequence[Movement],
    told: Gathered,
) -> list[CrossingFact]:
    incoming = {(m.junction, m.approach): m.from_road for m in movements}
    found: dict[tuple[str, str], CrossingFact] = {}
    for row in rows:
        with told:
            junction = junctions.find(row, row.text("junction"), "junction", "junctions.csv").name
            approach = row.choice("approach", APPROACHES)
            if (junction, approach) not in incoming:
                row.fail(f"{junction} has no signalled leg {approach}", "see movements.csv")
            if (junction, approach) in found:
                row.fail(f"the leg {approach} of {junction} stands here twice", "name it once")
            leg = _leg(row, roads.facts[incoming[junction, approach]], roads)
            width_m = row.number("width_m", 1.0)
            found[junction, approach] = CrossingFact(junction, approach, leg, width_m)
    return list(found.values())


def _leg(row: Row, road: RoadFact, roads: Known[RoadFact]) -> tuple[str, ...]:
    """The roads between the same two junctions, which one walks across."""
    leg = [r for r in roads.facts.values() if {r.start, r.end} == {road.start, road.end}]
    for part in leg:
        if not part.sidewalk_m:
            row.fail(f"road {part.name} has no sidewalk", "give it sidewalk_m in roads.csv")
    return tuple(part.name for part in leg)


def _walks(
    rows: Sequence[Row], routes: Routes, roads: Known[RoadFact], told: Gathered
) -> list[tuple[float, tuple[str, ...]]]:
    found: list[tuple[float, tuple[str, ...]]] = []
    for row in rows:
        with told:
            way = routes.roads(row)
            for name in way:
                if not roads.facts[name].sidewalk_m:
                    row.fail(f"road {name} has no sidewalk", "give it sidewalk_m in roads.csv")
            found += [(second, way) for second in departures_s(row)]
    return sorted(found, key=lambda walk: walk[0])


def _bus_stops(rows: Sequence[Row], roads: Known[RoadFact], told: Gathered) -> Known[BusStop]:
    found: Known[BusStop] = Known(rows, "stop")
    for row in rows:
        with told:
            road = roads.find(row, row.text("road"), "road", "roads.csv")
            stop = BusStop(
                row.text("stop"),
                road.name,
                row.number("position_m", 0.0),
                row.number("length_m", 5.0),
            )
            found.add(row, stop.name, "stop", stop)
    return found


def _bus_lines(
    rows: Sequence[Row],
    routes: Routes,
    stops: Known[BusStop],
    vehicles: Known[VehicleFact],
    told: Gathered,
) -> list[BusLine]:
    found: list[BusLine] = []
    for row in rows:
        with told:
            vehicles.find(row, BUS, "kind of vehicle", "vehicles.csv")
            way = routes.read(row)
            served = [
                stops.find(row, name, "stop", "bus_stops.csv") for name in row.text("stops").split()
            ]
            places = [way.index(stop.road) if stop.road in way else -1 for stop in served]
            for stop, place in zip(served, places, strict=True):
                if place < 0:
                    row.fail(f"stop {stop.name} is not on the route", "see bus_stops.csv")
            if any(a > b for a, b in pairwise(places)):
                row.fail("the stops are not in the order of the route", "sort them")
            names = tuple(stop.name for stop in served)
            seconds = tuple(departures_s(row))
            found.append(BusLine(row.text("line"), way, names, row.number("dwell_s", 1.0), seconds))
    return found
