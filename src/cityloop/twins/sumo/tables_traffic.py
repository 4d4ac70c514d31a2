"""The traffic of our CSV tables as SUMO's routes: vehicles, buses with their stops, people."""

from collections.abc import Iterator
from xml.etree import ElementTree as ET

from cityloop.twins.sumo.facts import BUS, BusLine, Facts
from cityloop.twins.sumo.plain import item


def traffic(facts: Facts) -> Iterator[ET.Element]:
    """Kinds of vehicles, then all who depart, in order of time."""
    for name, kind in facts.vehicles.items():
        yield item(
            "vType",
            id=name,
            length=kind.length_m,
            width=kind.width_m,
            minGap=kind.min_gap_m,
            accel=kind.accel_mps2,
            decel=kind.decel_mps2,
            maxSpeed=kind.max_speed_mps,
            # SUMO's default is left unsaid: it is what the kind is without a word.
            **({} if kind.type == "passenger" else {"vClass": kind.type}),
        )
    # Stable: cars go before buses and people of the same second.
    everybody = (*_vehicles(facts), *_buses(facts), *_people(facts))
    for _, element in sorted(everybody, key=lambda departure: departure[0]):
        yield element


_Departing = tuple[float, ET.Element]


def _vehicles(facts: Facts) -> Iterator[_Departing]:
    for number, it in enumerate(facts.departures):
        vehicle = item("vehicle", id=f"v{number}", type=it.kind, depart=it.second)
        vehicle.append(item("route", edges=" ".join(it.roads)))
        yield it.second, vehicle


def _buses(facts: Facts) -> Iterator[_Departing]:
    for line in facts.extras.bus_lines:
        for number, second in enumerate(line.departures_s):
            yield second, _bus(line, number, second)


def _bus(line: BusLine, number: int, second: float) -> ET.Element:
    bus = item("vehicle", id=f"{line.name}.{number}", type=BUS, line=line.name, depart=second)
    bus.append(item("route", edges=" ".join(line.roads)))
    bus.extend(item("stop", busStop=stop, duration=line.dwell_s) for stop in line.stops)
    return bus


def _people(facts: Facts) -> Iterator[_Departing]:
    for number, (second, roads) in enumerate(facts.extras.walks):
        person = item("person", id=f"p{number}", depart=second)
        person.append(item("walk", edges=" ".join(roads)))
        yield second, person


def bus_stops(facts: Facts) -> Iterator[ET.Element]:
    """The stops, each on the lane at the kerb."""
    for stop in (facts.extras.bus_stops or {}).values():
        road = facts.roads[stop.road]
        yield item(
            "busStop",
            id=stop.name,
            lane=f"{road.name}_{int(bool(road.sidewalk_m))}",
            startPos=stop.position_m,
            endPos=stop.position_m + stop.length_m,
            friendlyPos="true",
        )
