"""Generate this folder's tables: a small harbour town that does not exist (see SOURCE.md).

    python generate_tables.py .

Same seed, same tables. Streets are a list below; lanes, movements, plans, routes and departures
follow from it by simple rules. Neither the product nor its tests need to run it.
"""

import csv
import heapq
import math
import random
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

SEED = 12
HOUR_S = 3600
APPROACHES = ("north", "east", "south", "west")
TURNS = ("right", "through", "left")

PLACES = {
    # Quay Road, the arterial along the water, from west to east
    "W1": (0, 400), "A1": (400, 400), "A2": (800, 400), "A3": (1200, 400), "P1": (1450, 400),
    "A4": (1700, 400), "A5": (2100, 400), "A6": (2500, 400), "E1": (2950, 400),
    # Market Street, one block inland
    "W2": (400, 800), "B1": (800, 800), "B2": (1200, 800), "B3": (1700, 800), "B4": (2100, 800),
    "E2": (2550, 800),
    # Station Hill
    "C1": (1200, 1150), "K1": (1700, 1150), "N1": (1200, 1500), "N2": (800, 1150),
    # The quays and the road out of town
    "S1": (400, 60), "S2": (1200, 60), "S3": (1700, 60), "S4": (2500, 60), "N3": (2500, 760),
}  # fmt: skip
STREETS = (
    # (places along it, lanes each way, m/s)
    (("W1", "A1", "A2", "A3", "P1", "A4", "A5", "A6", "E1"), 3, 13.89),
    (("W2", "B1", "B2", "B3", "B4", "E2"), 2, 11.11),
    (("N1", "C1", "B2", "A3", "S2"), 2, 11.11),
    (("N2", "B1", "A2"), 2, 11.11),
    (("C1", "K1", "B3", "A4", "S3"), 2, 11.11),
    (("B4", "A5"), 2, 11.11),
    (("A1", "S1"), 2, 8.33),
    (("N3", "A6", "S4"), 2, 11.11),
)
PLANS = {
    "A1": "tee", "A2": "tee", "A3": "four", "P1": "walk", "A4": "four", "A5": "tee", "A6": "four",
    "B1": "two", "B2": "two", "B3": "two", "B4": "two", "C1": "two",
}  # fmt: skip
CROSSED = {
    "P1": ("west",),
    "A2": ("north",),
    "A3": APPROACHES,
    "A4": ("north", "south", "west"),
    "A5": ("north",),
    "B1": APPROACHES,
    "B2": APPROACHES,
    "B3": APPROACHES,
    "C1": ("south", "east"),
}
# Steps: seconds and, for each approach, right, through, left and the crossing of the leg.
STEPS = {
    "four": (
        (30, "rrrG gGrr rrrG gGrr"), (3, "rrrr yyrr rrrr yyrr"), (2, "rrrr rrrr rrrr rrrr"),
        (12, "rrrr rrGr rrrr rrGr"), (3, "rrrr rryr rrrr rryr"), (2, "rrrr rrrr rrrr rrrr"),
        (22, "gGrr rrrG gGrr rrrG"), (3, "yyrr rrrr yyrr rrrr"), (2, "rrrr rrrr rrrr rrrr"),
        (10, "rrGr rrrr rrGr rrrr"), (3, "rryr rrrr rryr rrrr"), (2, "rrrr rrrr rrrr rrrr"),
    ),
    "tee": (
        (36, "rrrG gGrr rrrG gGrr"), (3, "rrrr yyrr rrrr yyrr"), (2, "rrrr rrrr rrrr rrrr"),
        (12, "rrrr rrGr rrrr rrGr"), (3, "rrrr rryr rrrr rryr"), (2, "rrrr rrrr rrrr rrrr"),
        (16, "GrGr rrrr GrGr rrrr"), (3, "yryr rrrr yryr rrrr"), (2, "rrrr rrrr rrrr rrrr"),
    ),
    "two": (
        (28, "rrrG gGgr rrrG gGgr"), (3, "rrrr yyyr rrrr yyyr"), (2, "rrrr rrrr rrrr rrrr"),
        (24, "gGgr rrrG gGgr rrrG"), (3, "yyyr rrrr yyyr rrrr"), (2, "rrrr rrrr rrrr rrrr"),
    ),
    "walk": (
        (45, "rrrr GGGr rrrr GGGr"), (3, "rrrr yyyr rrrr yyyr"), (2, "rrrr rrrr rrrr rrrr"),
        (24, "rrrr rrrr rrrr rrrG"), (2, "rrrr rrrr rrrr rrrr"),
    ),
}  # fmt: skip
# Where trips begin and end: vehicles an hour out of the place, and how it draws others.
GATES = {
    "W1": (560, 6), "E1": (520, 6), "N1": (260, 3), "N3": (160, 2), "W2": (140, 2), "E2": (160, 2),
    "N2": (110, 1), "S1": (50, 1), "S2": (70, 1), "S3": (120, 2), "S4": (60, 1),
}  # fmt: skip
VEHICLES = (
    # kind, SUMO's class, length, width, gap, accel, decel, top speed
    ("car", "passenger", 5.0, 1.8, 2.5, 2.6, 4.5, 55.56),
    ("truck", "truck", 10.0, 2.4, 2.5, 1.3, 4.0, 36.11),
    ("bus", "bus", 12.0, 2.5, 2.5, 1.2, 4.0, 23.61),
    ("ambulance", "emergency", 6.5, 2.1, 2.5, 2.6, 4.5, 33.33),
)
LINES = {
    # line: (route, places before whose stop line it calls, first bus in s, headway in s)
    "1": ("W1 A1 A2 A3 P1 A4 A5 A6 E1", "A2 P1 A5", 60, 600),
    "1R": ("E1 A6 A5 A4 P1 A3 A2 A1 W1", "A5 P1 A2", 300, 600),
    "2": ("N1 C1 B2 B3 B4 A5 A6 S4", "C1 B2 B4", 120, 900),
    "2R": ("S4 A6 A5 B4 B3 B2 C1 N1", "A5 B4 B2", 480, 900),
}
WALKS = {
    # a way of people: people an hour. A2 to A3 and back at P1 takes the ferry's crossing.
    "A3 P1 A3": 90, "A4 P1 A4": 60, "B2 A3 S2": 50, "S2 A3 B2": 50, "B1 B2 B3": 60,
    "B3 B2 B1": 60, "B3 A4 S3": 40, "S3 A4 B3": 40, "C1 B2 A3 P1": 30, "P1 A4 B3": 30,
    "B1 A2 A3": 25, "B4 A5 A4": 25,
}  # fmt: skip
# The ambulances stand on Station Hill, between N1 and C1: second, and the way.
CALLS = (
    (420, "N1 C1 B2 A3 P1 A4 S3"),
    (1500, "N1 C1 K1 B3 B4 A5 A6 E1"),
    (2640, "N1 C1 B2 B1 A2 A1 W1"),
)
SIDEWALK_M = 2.0
BEGINS = datetime(2026, 3, 2, 7, tzinfo=UTC)
LAMPS_FROM = (250, 420)
SINGLES = (
    # type, name, source, place, owner
    ("WeatherObserved", "Ferry", "rain", 1450, 330, "Weather office"),
    ("OffStreetParking", "Ferry", "parking", 1380, 330, "Harbour company"),
    ("EmergencyStation", "Hill", "station", 1240, 1330, "Ambulance service"),
)


def roads() -> dict[tuple[str, str], tuple[int, float]]:
    """(from, to) → lanes and speed."""
    found = {}
    for places, lanes, speed in STREETS:
        for a, b in pairwise(places):
            found[a, b] = found[b, a] = (lanes, speed)
    return found


ROADS = roads()
NEIGHBOURS: dict[str, list[str]] = defaultdict(list)
for _a, _b in ROADS:
    NEIGHBOURS[_a].append(_b)


def side(junction: str, neighbour: str) -> str:
    """On which side of ``junction`` the road from ``neighbour`` arrives."""
    (x, y), (u, v) = PLACES[junction], PLACES[neighbour]
    return APPROACHES[round(math.atan2(u - x, v - y) / (math.pi / 2)) % 4]


def turns(start: str, junction: str) -> dict[str, str]:
    """Turn → the place it leads to."""
    here = APPROACHES.index(side(junction, start))
    found = {}
    for end in NEIGHBOURS[junction]:
        step = (APPROACHES.index(side(junction, end)) - here) % 4
        if step:
            # Sides are counted clockwise: who comes from the north has the west on the right.
            found[{1: "left", 2: "through", 3: "right"}[step]] = end
    return found


def lane_turns(start: str, junction: str) -> list[list[str]]:
    """The turns of each lane, the kerb's first."""
    there, lanes = turns(start, junction), ROADS[start, junction][0]
    out: list[list[str]] = [[] for _ in range(lanes)]
    out[0] += [turn for turn in ("right", "through") if turn in there]
    own_left = "left" in there and lanes > 1
    for lane in range(1, lanes - own_left):
        out[lane] += ["through"] if "through" in there else ["right"]
    if "left" in there:
        out[-1].append("left")
        if "through" not in there and "right" not in there:
            out[0].append("left")
    return [list(dict.fromkeys(words)) or ["left"] for words in out]


def movements() -> Iterator[tuple[object, ...]]:
    """Lane by lane: the kerb's to the kerb's, the last to the last."""
    for junction in PLANS:
        for start in sorted(
            NEIGHBOURS[junction], key=lambda p: APPROACHES.index(side(junction, p))
        ):
            there = turns(start, junction)
            words = lane_turns(start, junction)
            for turn in TURNS:
                for lane, those in enumerate(words):
                    if turn not in those:
                        continue
                    onto = ROADS[junction, there[turn]][0]
                    ends = {"right": 0, "left": onto - 1, "through": min(lane, onto - 1)}
                    yield (
                        junction, side(junction, start), turn, f"{start}-{junction}", lane,
                        f"{junction}-{there[turn]}", ends[turn],
                    )  # fmt: skip


def shortest(start: str, end: str) -> list[str]:
    """The quickest way over the streets; a gate is no way through, and a turn costs 8 s."""
    queue: list[tuple[float, list[str]]] = [(0.0, [start])]
    best: dict[tuple[str, str], float] = {}
    while queue:
        cost, way = heapq.heappop(queue)
        if way[-1] == end:
            return way
        if len(way) > 1 and (way[-1] in GATES or best.setdefault((way[-2], way[-1]), cost) < cost):
            continue
        for place in NEIGHBOURS[way[-1]]:
            if len(way) > 1 and place == way[-2]:
                continue
            turn = len(way) > 1 and turns(way[-2], way[-1]).get("through") != place
            length = math.dist(PLACES[way[-1]], PLACES[place])
            seconds = length / ROADS[way[-1], place][1] + 8.0 * turn
            heapq.heappush(queue, (cost + seconds, [*way, place]))
    raise ValueError(f"no way from {start} to {end}")


def departures(chance: random.Random) -> Iterator[tuple[str, str, str]]:
    """Poisson arrivals out of each gate, each to a gate drawn by its weight; 4 % are trucks."""
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    for start, (hourly, _) in GATES.items():
        ends = [end for end in GATES if end != start]
        weights = [GATES[end][1] for end in ends]
        second = chance.expovariate(hourly / HOUR_S)
        while second < HOUR_S:
            end = chance.choices(ends, weights)[0]
            kind = "truck" if chance.random() < 0.04 else "car"
            times[" ".join(shortest(start, end)), kind].append(second)
            second += chance.expovariate(hourly / HOUR_S)
    for second, route in CALLS:
        times[route, "ambulance"].append(float(second))
    for (route, kind), seconds in sorted(times.items()):
        yield route, kind, " ".join(f"{second:.0f}" for second in sorted(seconds))


def walks(chance: random.Random) -> Iterator[tuple[str, str]]:
    """People set out at any second of the hour."""
    for route, hourly in WALKS.items():
        seconds = sorted(chance.uniform(0, HOUR_S) for _ in range(hourly))
        yield route, " ".join(f"{second:.0f}" for second in seconds)


def bus_stops() -> Iterator[tuple[object, ...]]:
    """A stop 60 m before each stop line at which a line calls."""
    seen = set()
    for route, calls, _, _ in LINES.values():
        for a, b in pairwise(route.split()):
            if b in calls.split() and (a, b) not in seen:
                seen.add((a, b))
                length = math.dist(PLACES[a], PLACES[b])
                yield f"{b}_{a}", f"{a}-{b}", round(length - 95), 20


def bus_lines() -> Iterator[tuple[object, ...]]:
    """A bus each way every ten or fifteen minutes, 15 s at each stop."""
    for line, (route, calls, first, every) in LINES.items():
        stops = [f"{b}_{a}" for a, b in pairwise(route.split()) if b in calls.split()]
        yield line, route, " ".join(stops), 15, " ".join(map(str, range(first, HOUR_S, every)))


def devices() -> Iterator[tuple[object, ...]]:
    """Who may speak beside the twin, whose it is and where it stands."""
    for name in lamps():
        x, y = LAMPS_FROM[0] + 100 * int(name), LAMPS_FROM[1]
        yield f"urn:ngsi-ld:Streetlight:Quay-{name}", "Streetlight", "lights", *place(x, y), "Works"
    for type_, name, source, x, y, owner in SINGLES:
        yield f"urn:ngsi-ld:{type_}:{name}", type_, source, *place(x, y), owner


def lamps() -> list[str]:
    """The lamps of Quay Road, one every 100 m."""
    return [f"{number:02d}" for number in range(24)]


def place(x: float, y: float) -> tuple[str, str]:
    """Longitude and latitude, by the anchor in city.toml."""
    return f"{-30 + x / 111_195:.6f}", f"{y / 111_195:.6f}"


def moment(second: int) -> str:
    """The recordings' hour is the city's first."""
    return (BEGINS + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%SZ")


def lights() -> Iterator[tuple[object, ...]]:
    """It dawns: from 7:10 the lamps go down minute by minute, at 7:30 they go out."""
    for minute in range(60):
        level = 1.0 if minute < 10 else max(0.0, round(1.0 - (minute - 10) / 20, 2))
        for name in lamps():
            power = round(6 + 84 * level) if level else 0
            state = "on" if level == 1 else "low" if level else "off"
            id_ = f"urn:ngsi-ld:Streetlight:Quay-{name}"
            yield id_, moment(60 * minute), level, state, power


def rain(chance: random.Random) -> Iterator[tuple[object, ...]]:
    """A shower between 7:20 and 7:45, in millimetres a minute."""
    for minute in range(60):
        shower = max(0.0, 1 - abs(minute - 32) / 12)
        fallen = round(0.5 * shower * chance.uniform(0.7, 1.3), 2)
        yield "urn:ngsi-ld:WeatherObserved:Ferry", moment(60 * minute), fallen, 9.5


def parking(chance: random.Random) -> Iterator[tuple[object, ...]]:
    """The car park by the ferry fills up before work."""
    taken = 60
    for minute in range(60):
        taken = min(240, taken + chance.randint(0, 5))
        yield "urn:ngsi-ld:OffStreetParking:Ferry", moment(60 * minute), 240 - taken, taken, 240


def station() -> Iterator[tuple[object, ...]]:
    """Of two ambulances one is away for ten minutes after each call."""
    for minute in range(60):
        away = any(call <= 60 * minute < call + 600 for call, _ in CALLS)
        yield "urn:ngsi-ld:EmergencyStation:Hill", moment(60 * minute), 2 - away


def write(path: Path, header: str, rows: Iterable[Sequence[object]]) -> None:
    """One table."""
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(header.split())
        writer.writerows(rows)


def generate(out: Path) -> None:
    """Write all tables to ``out``."""
    chance = random.Random(SEED)  # noqa: S311 (a town's traffic, not a secret)
    write(
        out / "junctions.csv",
        "junction x_m y_m plan right_on_red",
        ((p, x, y, PLANS.get(p, "none"), "no") for p, (x, y) in PLACES.items()),
    )
    write(
        out / "roads.csv",
        "road from to lanes speed_mps sidewalk_m",
        ((f"{a}-{b}", a, b, n, speed, SIDEWALK_M) for (a, b), (n, speed) in ROADS.items()),
    )
    rows = [
        (f"{a}-{b}", lane, " ".join(words))
        for a, b in ROADS
        if b in PLANS
        for lane, words in enumerate(lane_turns(a, b))
    ]
    write(out / "lanes.csv", "road lane turns", rows)
    header = "junction approach turn from_road from_lane to_road to_lanes"
    write(out / "movements.csv", header, movements())
    steps = (
        (plan, number, seconds, *letters.split())
        for plan, those in STEPS.items()
        for number, (seconds, letters) in enumerate(those, 1)
    )
    write(out / "signal_phases.csv", "plan step duration_s north east south west", steps)
    crossings = ((j, leg, 4) for j, legs in CROSSED.items() for leg in legs)
    write(out / "crossings.csv", "junction approach width_m", crossings)
    header = "kind type length_m width_m min_gap_m accel_mps2 decel_mps2 max_speed_mps"
    write(out / "vehicles.csv", header, VEHICLES)
    write(out / "departures.csv", "route kind departures_s", departures(chance))
    write(out / "walks.csv", "route departures_s", walks(chance))
    write(out / "bus_stops.csv", "stop road position_m length_m", bus_stops())
    header = "id type source longitude latitude owner"
    write(out / "devices.csv", header, devices())
    record(out / "recordings", chance)
    write(out / "bus_lines.csv", "line route stops dwell_s departures_s", bus_lines())


def record(out: Path, chance: random.Random) -> None:
    """An hour of each device, to be replayed beside the twin."""
    out.mkdir(exist_ok=True)
    header = "entity observedAt illuminanceLevel powerState powerConsumption"
    write(out / "lights.csv", header, lights())
    write(out / "rain.csv", "entity observedAt rain temperature", rain(chance))
    header = "entity observedAt availableSpotNumber occupiedSpotNumber totalSpotNumber"
    write(out / "parking.csv", header, parking(chance))
    write(out / "station.csv", "entity observedAt availableVehicleNumber", station())


if __name__ == "__main__":
    generate(Path(sys.argv[1]))
