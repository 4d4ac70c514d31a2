"""A city's streets and traffic as our CSV tables: read, checked, every mistake with file and line.

``junctions`` (junction, x_m, y_m, plan or "none", right_on_red yes/no), ``roads`` (road, from, to,
lanes, speed_mps), ``lanes`` (road, lane from 0 at the kerb, turns), ``movements`` (junction,
approach, turn, from_road, from_lane, to_road, to_lanes), ``signal_phases`` (plan, step, duration_s,
then per approach three letters for right, through, left: G protected, g permissive, y yellow, r
red, s red on which one may turn after a stop), ``departures`` (route as the junctions it passes,
departures_s) and ``vehicles`` (one row: what the vehicles are like).
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Generic, NoReturn, TypeVar

from cityloop.kernel.errors import ConsequenceError, Gathered, MistakeError
from cityloop.standards.csv_rows import Row, read_rows

T = TypeVar("T")

APPROACHES = ("north", "east", "south", "west")
TURNS = ("right", "through", "left")
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
NO_PLAN = "none"


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
    """The tables in ``folder``; raises every mistake in them, of one line the first.

    What follows from a mistake that is told already (a road to a junction whose line is wrong) is
    not told again.
    """
    told = Gathered()
    rows = _all_rows(folder, told)
    told.check()
    plans = _plans(rows["signal_phases.csv"], told)
    junctions = _junctions(rows["junctions.csv"], plans, told)
    roads = _roads(rows["roads.csv"], junctions, told)
    turns = _lanes(rows["lanes.csv"], roads, told)
    movements = _movements(rows["movements.csv"], junctions, roads, turns, told)
    departures = _departures(rows["departures.csv"], junctions, roads, movements, told)
    vehicle = _vehicle(rows["vehicles.csv"], told)
    told.check()
    return Facts(junctions.facts, roads.facts, tuple(movements), plans.facts, departures, vehicle)


def _all_rows(folder: Path, told: Gathered) -> Mapping[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for name, columns in TABLES.items():
        with told:
            found[name] = read_rows(read_table(folder / name), str(folder / name), columns)
    return found


def read_table(path: Path) -> bytes:
    """The content of a table; raises MistakeError when it is not there."""
    try:
        return path.read_bytes()
    except OSError as error:
        what = "is missing" if isinstance(error, FileNotFoundError) else str(error.strerror)
        mend = f"the tables are {', '.join(TABLES)}"
        raise MistakeError(path, None, f"the table {what}", mend) from error


class Known(Generic[T]):
    """Things of a table by name, and the names of those too whose line is wrong."""

    def __init__(self, rows: Sequence[Row], column: str) -> None:
        self.facts: dict[str, T] = {}
        self._rows = {row.cells[column]: row for row in rows}

    @property
    def names(self) -> Collection[str]:
        """All names of the table."""
        return self._rows.keys()

    def wrong(self) -> Iterator[Row]:
        """The lines that could not be used."""
        return (row for name, row in self._rows.items() if name not in self.facts)

    def find(self, row: Row, name: str, what: str, table: str) -> T:
        """The thing called ``name`` that ``row`` speaks of."""
        if name in self.facts:
            return self.facts[name]
        if name in self._rows:
            raise ConsequenceError(name)
        return row.fail(f"no {what} {name}", f"add it to {table}")

    def add(self, row: Row, name: str, what: str, fact: T) -> None:
        """Take in a thing once."""
        if name in self.facts:
            row.fail(f"{what} {name} stands here twice", "name each once")
        self.facts[name] = fact


def _plans(rows: Sequence[Row], told: Gathered) -> Known[tuple[Step, ...]]:
    found: Known[tuple[Step, ...]] = Known(rows, "plan")
    numbers: dict[str, int] = defaultdict(int)
    for row in rows:
        with told:
            name = row.text("plan")
            numbers[name] += 1
            if row.count("step") != numbers[name]:
                row.fail(
                    f"step {row.cells['step']} follows step {numbers[name] - 1}",
                    "number them 1, 2, 3 …",
                )
            step = Step(row.number("duration_s", 1.0), _letters(row))
            found.facts[name] = (*found.facts.get(name, ()), step)
    return found


def _letters(row: Row) -> dict[tuple[str, str], str]:
    letters: dict[tuple[str, str], str] = {}
    for approach in APPROACHES:
        shown = row.text(approach)
        if len(shown) != len(TURNS) or not set(shown) <= LETTERS:
            row.fail(f"{approach} is {shown!r}", "write three of G g y r s: right, through, left")
        letters |= {(approach, turn): shown[k] for k, turn in enumerate(TURNS)}
    return letters


def _junctions(
    rows: Sequence[Row], plans: Known[tuple[Step, ...]], told: Gathered
) -> Known[JunctionFact]:
    found: Known[JunctionFact] = Known(rows, "junction")
    for row in rows:
        with told:
            name = row.text("junction")
            plan = row.choice("plan", (NO_PLAN, *sorted(plans.names)))
            turns_on_red = row.choice("right_on_red", ("yes", "no")) == "yes"
            fact = JunctionFact(
                name,
                row.number("x_m"),
                row.number("y_m"),
                "" if plan == NO_PLAN else plan,
                turns_on_red,
            )
            found.add(row, name, "junction", fact)
    return found


def _roads(rows: Sequence[Row], junctions: Known[JunctionFact], told: Gathered) -> Known[RoadFact]:
    found: Known[RoadFact] = Known(rows, "road")
    for row in rows:
        with told:
            name = row.text("road")
            start, end = row.text("from"), row.text("to")
            for junction in (start, end):
                if junction not in junctions.names:
                    row.fail(f"no junction {junction}", "add it to junctions.csv")
            fact = RoadFact(name, start, end, row.count("lanes", 1), row.number("speed_mps", 1.0))
            found.add(row, name, "road", fact)
    return found


_Turns = Mapping[tuple[str, int], tuple[str, ...]]


def _lanes(rows: Sequence[Row], roads: Known[RoadFact], told: Gathered) -> _Turns:
    found: dict[tuple[str, int], tuple[str, ...]] = {}
    for row in rows:
        with told:
            road = _road(row, "road", roads)
            lane = _lane(row, row.count("lane"), road)
            # Whatever is wrong with its turns: the lane is there.
            found[road.name, lane] = TURNS
            turns = tuple(row.text("turns").split())
            if not set(turns) <= set(TURNS):
                row.fail(f"turns is {row.cells['turns']!r}", f"words of {TURNS}")
            found[road.name, lane] = turns
    return found


def _road(row: Row, column: str, roads: Known[RoadFact]) -> RoadFact:
    return roads.find(row, row.text(column), "road", "roads.csv")


def _lane(row: Row, lane: int, road: RoadFact) -> int:
    if lane < road.lanes:
        return lane
    return row.fail(f"road {road.name} has no lane {lane}", f"it has 0 to {road.lanes - 1}")


def _movements(
    rows: Sequence[Row],
    junctions: Known[JunctionFact],
    roads: Known[RoadFact],
    turns: _Turns,
    told: Gathered,
) -> list[Movement]:
    found: list[Movement] = []
    for row in rows:
        with told:
            found.append(_movement(row, junctions, roads, turns))
    return found


def _movement(
    row: Row, junctions: Known[JunctionFact], roads: Known[RoadFact], turns: _Turns
) -> Movement:
    start, end = _road(row, "from_road", roads), _road(row, "to_road", roads)
    junction = row.text("junction")
    if not start.end == junction == end.start:
        row.fail(f"{start.name} to {end.name} does not pass {junction}", "check the roads")
    if not junctions.find(row, junction, "junction", "junctions.csv").plan:
        row.fail(f"junction {junction} has no signal plan", "give it one in junctions.csv")
    lane = _lane(row, row.count("from_lane"), start)
    turn = row.choice("turn", TURNS)
    if turn not in turns.get((start.name, lane), ()):
        row.fail(f"lane {lane} of {start.name} has no turn {turn}", "see lanes.csv")
    to_lanes = tuple(_lane(row, _whole(row, text), end) for text in row.text("to_lanes").split())
    approach = row.choice("approach", APPROACHES)
    return Movement(junction, approach, turn, start.name, lane, end.name, to_lanes)


def _whole(row: Row, text: str) -> int:
    return int(text) if text.isdecimal() else row.fail(f"lane {text!r}", "write 0, 1, 2 …")


_Departures = tuple[tuple[float, tuple[str, ...]], ...]


def _departures(
    rows: Sequence[Row],
    junctions: Known[JunctionFact],
    roads: Known[RoadFact],
    movements: Sequence[Movement],
    told: Gathered,
) -> _Departures:
    routes = Routes(junctions, roads, movements)
    found: list[tuple[float, tuple[str, ...]]] = []
    for row in rows:
        with told:
            route = routes.read(row)
            found += [(_second(row, text), route) for text in row.text("departures_s").split()]
    return tuple(sorted(found, key=lambda departure: departure[0]))


def _second(row: Row, text: str) -> float:
    if not text.replace(".", "", 1).isdecimal():
        row.fail(f"departure {text!r}", "write seconds")
    return float(text)


class Routes:
    """Turns junctions on the way into the roads between them."""

    def __init__(
        self,
        junctions: Known[JunctionFact],
        roads: Known[RoadFact],
        movements: Sequence[Movement],
    ) -> None:
        self._junctions, self._roads = junctions, roads
        self._between = {(road.start, road.end): road.name for road in roads.facts.values()}
        self._onward = {(m.from_road, m.to_road) for m in movements}
        self._wrong = {(row.cells["from"], row.cells["to"]) for row in roads.wrong()}

    def read(self, row: Row, column: str = "route") -> tuple[str, ...]:
        """The roads of the route in ``column``; raises MistakeError where none leads on."""
        route = []
        for pair in pairwise(row.text(column).split()):
            if pair not in self._between:
                self._no_road(row, pair)
            route.append(self._between[pair])
        if not route:
            row.fail("the route has no road", "name two junctions or more")
        for first, second in pairwise(route):
            junction = self._junctions.facts.get(self._roads.facts[first].end)
            if junction and junction.plan and (first, second) not in self._onward:
                row.fail(f"no movement from {first} to {second}", "add it to movements.csv")
        return tuple(route)

    def _no_road(self, row: Row, pair: tuple[str, str]) -> NoReturn:
        if pair in self._wrong:
            raise ConsequenceError
        row.fail(f"no road leads from {pair[0]} to {pair[1]}", "mend the route")


def _vehicle(rows: Sequence[Row], told: Gathered) -> VehicleFact:
    numbers = [0.0] * len(VehicleFact.__dataclass_fields__)
    with told:
        if len(rows) > 1:
            rows[1].fail("a second kind of vehicle", "there is one")
        numbers = [rows[0].number(name, 0.0) for name in VehicleFact.__dataclass_fields__]
    return VehicleFact(*numbers)
