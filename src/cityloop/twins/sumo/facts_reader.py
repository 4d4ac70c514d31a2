"""Reads the tables of ``facts``: every mistake in them is told with its file and line."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from cityloop.kernel.errors import Gathered, MistakeError
from cityloop.standards.csv_rows import Row, read_rows
from cityloop.twins.sumo.facts import (
    APPROACHES,
    CAR,
    CLASSES,
    CROSSING,
    EXTRAS,
    LETTERS,
    NO_PLAN,
    TABLES,
    TURNS,
    Departure,
    Facts,
    JunctionFact,
    Movement,
    RoadFact,
    Step,
    VehicleFact,
)
from cityloop.twins.sumo.facts_extras import read_extras
from cityloop.twins.sumo.known import Known, Routes, departures_s

_LIKENESS = TABLES["vehicles.csv"]


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
    routes = Routes(junctions, roads, movements)
    vehicles = _vehicles(rows["vehicles.csv"], told)
    departures = _departures(rows["departures.csv"], routes, vehicles, told)
    extras = read_extras(rows, junctions, roads, movements, routes, vehicles, told)
    told.check()
    return Facts(
        junctions.facts,
        roads.facts,
        tuple(movements),
        plans.facts,
        departures,
        vehicles.facts,
        extras,
    )


def table_contents(folder: Path) -> Mapping[str, bytes]:
    """The content of each table that is there; raises MistakeError for each that must be and is
    not."""
    told = Gathered()
    found: dict[str, bytes] = {}
    for name in (*TABLES, *EXTRAS):
        path = folder / name
        if name in TABLES or path.exists():
            with told:
                found[name] = _content(path)
    told.check()
    return found


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        what = "is missing" if isinstance(error, FileNotFoundError) else str(error.strerror)
        mend = f"the tables are {', '.join(TABLES)}"
        raise MistakeError(path, None, f"the table {what}", mend) from error


def _all_rows(folder: Path, told: Gathered) -> Mapping[str, list[Row]]:
    columns = {**TABLES, **EXTRAS}
    found: dict[str, list[Row]] = {}
    for name, content in table_contents(folder).items():
        with told:
            found[name] = read_rows(content, str(folder / name), columns[name])
    return found


def _plans(rows: Sequence[Row], told: Gathered) -> Known[tuple[Step, ...]]:
    found: Known[tuple[Step, ...]] = Known(rows, "plan")
    before: dict[str, int] = defaultdict(int)
    for row in rows:
        with told:
            name = row.text("plan")
            before[name] += 1
            step = read_step(row, before[name] - 1)
            found.facts[name] = (*found.facts.get(name, ()), step)
    return found


def read_step(row: Row, before: int) -> Step:
    """A step of a plan, of which ``before`` steps came; raises MistakeError."""
    if row.count("step") != before + 1:
        row.fail(f"step {row.cells['step']} follows step {before}", "number them 1, 2, 3 …")
    return Step(row.number("duration_s", 1.0), _letters(row))


def _letters(row: Row) -> dict[tuple[str, str], str]:
    letters: dict[tuple[str, str], str] = {}
    for approach in APPROACHES:
        shown = row.text(approach)
        turns, crossing = shown[: len(TURNS)], shown[len(TURNS) :]
        if len(turns) != len(TURNS) or not set(turns) <= LETTERS:
            row.fail(f"{approach} is {shown!r}", "write three of G g y r s: right, through, left")
        if crossing not in ("", "G", "r"):
            row.fail(f"{approach} is {shown!r}", "the fourth letter, the crossing's, is G or r")
        letters |= {(approach, turn): turns[k] for k, turn in enumerate(TURNS)}
        letters[approach, CROSSING] = crossing or "r"
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
            fact = RoadFact(
                name,
                start,
                end,
                row.count("lanes", 1),
                row.number("speed_mps", 1.0),
                row.number("sidewalk_m", 0.0) if row.cells.get("sidewalk_m") else 0.0,
            )
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


def _departures(
    rows: Sequence[Row], routes: Routes, vehicles: Known[VehicleFact], told: Gathered
) -> tuple[Departure, ...]:
    found: list[Departure] = []
    for row in rows:
        with told:
            kind = row.cells.get("kind") or CAR
            vehicles.find(row, kind, "kind of vehicle", "vehicles.csv")
            route = routes.read(row)
            found += [Departure(second, route, kind) for second in departures_s(row)]
    return tuple(sorted(found, key=lambda departure: departure.second))


def _vehicles(rows: Sequence[Row], told: Gathered) -> Known[VehicleFact]:
    rows = [replace(row, cells={"kind": CAR, **row.cells}) for row in rows]
    found: Known[VehicleFact] = Known(rows, "kind")
    for row in rows:
        with told:
            likeness = [row.number(name, 0.0) for name in _LIKENESS]
            type_ = row.choice("type", CLASSES) if row.cells.get("type") else CLASSES[0]
            found.add(row, row.text("kind"), "kind", VehicleFact(*likeness, type=type_))
    return found
