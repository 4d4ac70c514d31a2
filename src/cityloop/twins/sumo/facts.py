"""A city's streets and traffic as our CSV tables: read, checked, every mistake with file and line.

``junctions`` (junction, x_m, y_m, plan or "none", right_on_red yes/no), ``roads`` (road, from, to,
lanes, speed_mps), ``lanes`` (road, lane from 0 at the kerb, turns), ``movements`` (junction,
approach, turn, from_road, from_lane, to_road, to_lanes), ``signal_phases`` (plan, step, duration_s,
then per approach three letters for right, through, left: G protected, g permissive, y yellow, r
red, s red on which one may turn after a stop), ``departures`` (route as the junctions it passes,
departures_s) and ``vehicles`` (one row: what the vehicles are like).
"""

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

from cityloop.kernel.errors import ConfigError

APPROACHES = ("north", "east", "south", "west")
TURNS = ("right", "through", "left")
LETTERS = frozenset("Ggyrs")
TABLES = (
    "junctions.csv",
    "roads.csv",
    "lanes.csv",
    "movements.csv",
    "signal_phases.csv",
    "departures.csv",
    "vehicles.csv",
)
NO_PLAN = "none"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table; what it gives is checked, what is wrong names the place."""

    path: Path
    line: int
    cells: Mapping[str, str]

    def fail(self, what: str, mend: str) -> NoReturn:
        """Raise ConfigError: file, line, what is wrong, how to mend it."""
        raise ConfigError(f"{self.path}:{self.line}: {what}; {mend}")

    def text(self, column: str) -> str:
        """A cell that must not be empty."""
        value = self.cells[column]
        return value or self.fail(f"{column} is empty", "fill it in")

    def number(self, column: str, least: float = float("-inf")) -> float:
        """A number of at least ``least``."""
        try:
            value = float(self.text(column))
        except ValueError:
            self.fail(f"{column} is {self.cells[column]!r}", "write a number")
        # A number that is none compares as false.
        return value if value >= least else self.fail(f"{column} is {value:g}", f"at least {least}")

    def count(self, column: str, least: int = 0) -> int:
        """A whole number of at least ``least``."""
        value = self.number(column, least)
        return int(value) if value == int(value) else self.fail(f"{column} is {value}", "no part")

    def choice(self, column: str, among: Sequence[str]) -> str:
        """One of the words ``among``."""
        value = self.text(column)
        return value if value in among else self.fail(f"{column} is {value!r}", f"one of {among}")


def read_rows(path: Path, columns: Sequence[str]) -> list[Row]:
    """The lines of a table with at least ``columns``; ConfigError names what is missing."""
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream, restval="", restkey="")
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise ConfigError(f"{path}:1: no column {missing[0]}; the header needs {columns}")
            rows = [Row(path, reader.line_num, {k: v for k, v in r.items() if k}) for r in reader]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}; it is one of {TABLES}") from error
    if not rows:
        raise ConfigError(f"{path}:2: the table is empty; add at least one line")
    return rows


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
    """A directed road."""

    name: str
    start: str
    end: str
    lanes: int
    speed_mps: float


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
    """A step of a plan: seconds, and the letter of each (approach, turn)."""

    duration_s: float
    letters: Mapping[tuple[str, str], str]


@dataclass(frozen=True, slots=True)
class VehicleFact:
    """What the vehicles are like."""

    length_m: float
    width_m: float
    min_gap_m: float
    accel_mps2: float
    decel_mps2: float
    max_speed_mps: float


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """All tables. ``departures``: (second, roads) in order of time, then of the table."""

    junctions: Mapping[str, JunctionFact]
    roads: Mapping[str, RoadFact]
    movements: tuple[Movement, ...]
    plans: Mapping[str, tuple[Step, ...]]
    departures: tuple[tuple[float, tuple[str, ...]], ...]
    vehicle: VehicleFact


def read_facts(folder: Path) -> Facts:
    """The tables in ``folder``; ConfigError at the first mistake."""
    plans = _plans(folder / "signal_phases.csv")
    junctions = _junctions(folder / "junctions.csv", plans)
    roads = _roads(folder / "roads.csv", junctions)
    turns = _lanes(folder / "lanes.csv", roads)
    movements = tuple(_movements(folder / "movements.csv", junctions, roads, turns))
    return Facts(
        junctions,
        roads,
        movements,
        plans,
        _departures(folder / "departures.csv", junctions, roads, movements),
        _vehicle(folder / "vehicles.csv"),
    )


def _plans(path: Path) -> dict[str, tuple[Step, ...]]:
    plans: dict[str, list[Step]] = defaultdict(list)
    for row in read_rows(path, ("plan", "step", "duration_s", *APPROACHES)):
        steps = plans[row.text("plan")]
        if row.count("step") != len(steps) + 1:
            row.fail(f"step {row.cells['step']} follows step {len(steps)}", "number them 1, 2, 3 …")
        letters: dict[tuple[str, str], str] = {}
        for approach in APPROACHES:
            shown = row.text(approach)
            if len(shown) != len(TURNS) or not set(shown) <= LETTERS:
                row.fail(
                    f"{approach} is {shown!r}", "write three of G g y r s: right, through, left"
                )
            letters |= {(approach, turn): shown[k] for k, turn in enumerate(TURNS)}
        steps.append(Step(row.number("duration_s", 1.0), letters))
    return {name: tuple(steps) for name, steps in plans.items()}


def _junctions(path: Path, plans: Mapping[str, object]) -> dict[str, JunctionFact]:
    found: dict[str, JunctionFact] = {}
    for row in read_rows(path, ("junction", "x_m", "y_m", "plan", "right_on_red")):
        name = row.text("junction")
        if name in found:
            row.fail(f"junction {name} stands here twice", "name each once")
        plan = row.choice("plan", (NO_PLAN, *plans))
        turns_on_red = row.choice("right_on_red", ("yes", "no")) == "yes"
        found[name] = JunctionFact(
            name,
            row.number("x_m"),
            row.number("y_m"),
            "" if plan == NO_PLAN else plan,
            turns_on_red,
        )
    return found


def _roads(path: Path, junctions: Mapping[str, object]) -> dict[str, RoadFact]:
    found: dict[str, RoadFact] = {}
    for row in read_rows(path, ("road", "from", "to", "lanes", "speed_mps")):
        name = row.text("road")
        if name in found:
            row.fail(f"road {name} stands here twice", "name each once")
        for column in ("from", "to"):
            if row.text(column) not in junctions:
                row.fail(f"no junction {row.cells[column]}", "add it to junctions.csv")
        found[name] = RoadFact(
            name,
            row.cells["from"],
            row.cells["to"],
            row.count("lanes", 1),
            row.number("speed_mps", 1.0),
        )
    return found


def _lanes(path: Path, roads: Mapping[str, RoadFact]) -> dict[tuple[str, int], tuple[str, ...]]:
    found: dict[tuple[str, int], tuple[str, ...]] = {}
    for row in read_rows(path, ("road", "lane", "turns")):
        road = _road(row, "road", roads)
        lane = _lane(row, row.count("lane"), road)
        turns = tuple(row.text("turns").split())
        if not set(turns) <= set(TURNS):
            row.fail(f"turns is {row.cells['turns']!r}", f"words of {TURNS}")
        found[road.name, lane] = turns
    return found


def _road(row: Row, column: str, roads: Mapping[str, RoadFact]) -> RoadFact:
    name = row.text(column)
    return roads[name] if name in roads else row.fail(f"no road {name}", "add it to roads.csv")


def _lane(row: Row, lane: int, road: RoadFact) -> int:
    if lane < road.lanes:
        return lane
    return row.fail(f"road {road.name} has no lane {lane}", f"it has 0 to {road.lanes - 1}")


def _movements(
    path: Path,
    junctions: Mapping[str, JunctionFact],
    roads: Mapping[str, RoadFact],
    turns: Mapping[tuple[str, int], tuple[str, ...]],
) -> Iterator[Movement]:
    columns = ("junction", "approach", "turn", "from_road", "from_lane", "to_road", "to_lanes")
    for row in read_rows(path, columns):
        start, end = _road(row, "from_road", roads), _road(row, "to_road", roads)
        junction = row.text("junction")
        if not start.end == junction == end.start:
            row.fail(f"{start.name} to {end.name} does not pass {junction}", "check the roads")
        if not junctions[junction].plan:
            row.fail(f"junction {junction} has no signal plan", "give it one in junctions.csv")
        lane = _lane(row, row.count("from_lane"), start)
        turn = row.choice("turn", TURNS)
        if turn not in turns.get((start.name, lane), ()):
            row.fail(f"lane {lane} of {start.name} has no turn {turn}", "see lanes.csv")
        to_lanes = tuple(
            _lane(row, _whole(row, text), end) for text in row.text("to_lanes").split()
        )
        approach = row.choice("approach", APPROACHES)
        yield Movement(junction, approach, turn, start.name, lane, end.name, to_lanes)


def _whole(row: Row, text: str) -> int:
    return int(text) if text.isdecimal() else row.fail(f"lane {text!r}", "write 0, 1, 2 …")


def _departures(
    path: Path,
    junctions: Mapping[str, JunctionFact],
    roads: Mapping[str, RoadFact],
    movements: Sequence[Movement],
) -> tuple[tuple[float, tuple[str, ...]], ...]:
    between = {(road.start, road.end): road.name for road in roads.values()}
    onward = {(m.from_road, m.to_road) for m in movements}
    found: list[tuple[float, tuple[str, ...]]] = []
    for row in read_rows(path, ("route", "departures_s")):
        route = []
        for pair in pairwise(row.text("route").split()):
            if pair not in between:
                row.fail(f"no road leads from {pair[0]} to {pair[1]}", "mend the route")
            route.append(between[pair])
        if not route:
            row.fail("the route has no road", "name two junctions or more")
        for first, second in pairwise(route):
            if junctions[roads[first].end].plan and (first, second) not in onward:
                row.fail(f"no movement from {first} to {second}", "add it to movements.csv")
        for text in row.text("departures_s").split():
            if not text.replace(".", "", 1).isdecimal():
                row.fail(f"departure {text!r}", "write seconds")
            found.append((float(text), tuple(route)))
    return tuple(sorted(found, key=lambda departure: departure[0]))


def _vehicle(path: Path) -> VehicleFact:
    names = tuple(VehicleFact.__dataclass_fields__)
    rows = read_rows(path, names)
    if len(rows) > 1:
        rows[1].fail("a second kind of vehicle", "there is one")
    return VehicleFact(*(rows[0].number(name, 0.0) for name in names))
