"""A city's streets and traffic as our CSV tables.

``junctions`` (junction, x_m, y_m, plan or "none", right_on_red yes/no), ``roads`` (road, from, to,
lanes, speed_mps, and where people walk sidewalk_m), ``lanes`` (road, lane from 0 at the kerb,
turns), ``movements`` (junction, approach, turn, from_road, from_lane, to_road, to_lanes),
``signal_phases`` (plan, step, duration_s, then per approach three letters for right, through, left:
G protected, g permissive, y yellow, r red, s red on which one may turn after a stop; and a fourth,
G or r, for the crossing of that leg), ``departures`` (route as the junctions it passes,
departures_s, and a kind) and ``vehicles`` (a line for each kind).

A city may leave out ``crossings`` (junction, approach, width_m), ``walks`` (route, departures_s),
``bus_stops`` (stop, road, position_m, length_m) and ``bus_lines`` (line, route, stops, dwell_s,
departures_s).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

APPROACHES = ("north", "east", "south", "west")
TURNS = ("right", "through", "left")
CROSSING = "crossing"
"""What stands beside the turns in a step's letters."""
LETTERS = frozenset("Ggyrs")
TABLES: Mapping[str, Sequence[str]] = {
    "junctions.csv": ("junction", "x_m", "y_m", "plan", "right_on_red"),
    "roads.csv": ("road", "from", "to", "lanes", "speed_mps"),
    "lanes.csv": ("road", "lane", "turns"),
    "movements.csv": (
        *("junction", "approach", "turn"),
        *("from_road", "from_lane", "to_road", "to_lanes"),
    ),
    "signal_phases.csv": ("plan", "step", "duration_s", *APPROACHES),
    "departures.csv": ("route", "departures_s"),
    "vehicles.csv": (
        *("length_m", "width_m", "min_gap_m"),
        *("accel_mps2", "decel_mps2", "max_speed_mps"),
    ),
}
"""The tables and the columns of each."""
EXTRAS: Mapping[str, Sequence[str]] = {
    "crossings.csv": ("junction", "approach", "width_m"),
    "walks.csv": ("route", "departures_s"),
    "bus_stops.csv": ("stop", "road", "position_m", "length_m"),
    "bus_lines.csv": ("line", "route", "stops", "dwell_s", "departures_s"),
}
"""The tables that a city may leave out."""
NO_PLAN = "none"
CAR, BUS = "car", "bus"
CLASSES = ("passenger", "bus", "truck", "delivery", "emergency")
"""Kinds of vehicles that SUMO tells apart: https://sumo.dlr.de/docs/Vehicle_Type_Parameter_Defaults.html"""


@dataclass(frozen=True, slots=True)
class JunctionFact:
    """Where a junction is and which plan it runs (empty without a signal)."""

    name: str
    x_m: float
    y_m: float
    plan: str
    right_on_red: bool


@dataclass(frozen=True, slots=True)
class RoadFact:
    """A directed road; ``sidewalk_m`` wide beside it people walk, 0 where they do not."""

    name: str
    start: str
    end: str
    lanes: int
    speed_mps: float
    sidewalk_m: float = 0.0


@dataclass(frozen=True, slots=True)
class Movement:
    """One turn from one lane of a signalised junction; onto each of ``to_lanes``."""

    junction: str
    approach: str
    turn: str
    from_road: str
    from_lane: int
    to_road: str
    to_lanes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a plan: seconds, and the letter of each (approach, turn or CROSSING)."""

    duration_s: float
    letters: Mapping[tuple[str, str], str]


@dataclass(frozen=True, slots=True)
class VehicleFact:
    """What the vehicles of a kind are like; ``type`` is one of CLASSES."""

    length_m: float
    width_m: float
    min_gap_m: float
    accel_mps2: float
    decel_mps2: float
    max_speed_mps: float
    type: str = field(default="passenger", kw_only=True)


@dataclass(frozen=True, slots=True)
class Departure:
    """A vehicle: second, roads, kind."""

    second: float
    roads: tuple[str, ...]
    kind: str = CAR


@dataclass(frozen=True, slots=True)
class CrossingFact:
    """A signalised crossing over the leg of a junction that ``roads`` (in and out) make up."""

    junction: str
    approach: str
    roads: tuple[str, ...]
    width_m: float


@dataclass(frozen=True, slots=True)
class BusStop:
    """A stop beside a road, from ``position_m`` along it."""

    name: str
    road: str
    position_m: float
    length_m: float


@dataclass(frozen=True, slots=True)
class BusLine:
    """A line: its roads, the stops it serves in that order, and when its buses set out (s)."""

    name: str
    roads: tuple[str, ...]
    stops: tuple[str, ...]
    dwell_s: float
    departures_s: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Extras:
    """What of a city's life the optional tables tell. ``walks``: (second, roads), by second."""

    crossings: tuple[CrossingFact, ...] = ()
    walks: tuple[tuple[float, tuple[str, ...]], ...] = ()
    bus_stops: Mapping[str, BusStop] | None = None
    bus_lines: tuple[BusLine, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """All tables. ``departures``: in order of time, then of the table. ``vehicles``: by kind."""

    junctions: Mapping[str, JunctionFact]
    roads: Mapping[str, RoadFact]
    movements: tuple[Movement, ...]
    plans: Mapping[str, tuple[Step, ...]]
    departures: tuple[Departure, ...]
    vehicles: Mapping[str, VehicleFact]
    extras: Extras
