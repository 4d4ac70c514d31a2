"""Things of the tables by name, and routes over them: what other tables may speak of."""

from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from typing import Generic, NoReturn, TypeVar

from cityloop.kernel.errors import ConsequenceError
from cityloop.standards.csv_rows import Row
from cityloop.twins.sumo.facts import JunctionFact, Movement, RoadFact

T = TypeVar("T")


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

    def roads(self, row: Row) -> tuple[str, ...]:
        """The roads of the ``route`` of junctions; raises MistakeError where there is none."""
        route = []
        for pair in pairwise(row.text("route").split()):
            if pair not in self._between:
                self._no_road(row, pair)
            route.append(self._between[pair])
        if not route:
            row.fail("the route has no road", "name two junctions or more")
        return tuple(route)

    def read(self, row: Row) -> tuple[str, ...]:
        """The same for a vehicle, which needs a movement at each signal."""
        route = self.roads(row)
        for first, second in pairwise(route):
            junction = self._junctions.facts.get(self._roads.facts[first].end)
            if junction and junction.plan and (first, second) not in self._onward:
                row.fail(f"no movement from {first} to {second}", "add it to movements.csv")
        return route

    def _no_road(self, row: Row, pair: tuple[str, str]) -> NoReturn:
        if pair in self._wrong:
            raise ConsequenceError
        row.fail(f"no road leads from {pair[0]} to {pair[1]}", "mend the route")


def departures_s(row: Row) -> list[float]:
    """The seconds in ``departures_s``; raises MistakeError for what is no second."""
    return [_second(row, text) for text in row.text("departures_s").split()]


def _second(row: Row, text: str) -> float:
    if not text.replace(".", "", 1).isdecimal():
        row.fail(f"departure {text!r}", "write seconds")
    return float(text)
