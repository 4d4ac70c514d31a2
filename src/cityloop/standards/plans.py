"""Time-of-day plans of signals and the calendar that calls them, as data.

A *plan* says of some junctions which phases get how much green in which order, and how their
cycles stand to one another. A calendar entry calls a plan on some days from one time of the city's
clock to another. What neither names runs the local plan that the junction was built with.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct, field

from cityloop.standards.csv_rows import Row, read_rows

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun", "holiday"]
Clock = Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$|^24:00$")]
Name = Annotated[str, Meta(min_length=1, max_length=80)]
DAYS: tuple[Day, ...] = get_args(Day)

PLAN_COLUMNS = ("plan", "junction", "phase", "green_s", "offset_s")
CALENDAR_COLUMNS = ("plan", "days", "first", "last", "from", "until")


class Green(Struct, frozen=True, forbid_unknown_fields=True):
    """One phase of a plan and its green."""

    phase: Annotated[int, Meta(ge=0)]
    green_s: Annotated[float, Meta(gt=0, le=3600)]


class JunctionPlan(Struct, frozen=True, forbid_unknown_fields=True):
    """A junction's part of a plan: ``phases`` in their order.

    ``offset_s``: the first phase starts so long after every whole multiple of the cycle since
    1970-01-01T00:00Z, which neither midnight nor a change of the clock disturbs; None: whenever the
    cycle before it ends.
    """

    junction: Name
    phases: Annotated[list[Green], Meta(min_length=1, max_length=64)]
    offset_s: Annotated[float, Meta(ge=0, le=3600)] | None = None


class TimePlan(Struct, frozen=True, forbid_unknown_fields=True):
    """A plan of the city; junctions that it leaves out run their own local plan meanwhile."""

    id: Name
    junctions: list[JunctionPlan]
    name: Annotated[str, Meta(max_length=200)] = ""


class CalendarEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """When a plan is called: on ``days``, from ``first`` to ``last`` where they are given.

    ``begins``, ``ends``: of the city's clock; an entry that ends no later than it begins runs past
    midnight, and belongs to the day on which it began.
    """

    plan: Name
    days: Annotated[list[Day], Meta(min_length=1)]
    begins: Clock = field(name="from")
    ends: Clock = field(name="until")
    first: date | None = None
    last: date | None = None

    def holds(self, day: date, minute: int, holidays: frozenset[date]) -> bool:
        """Whether it holds at ``minute`` of ``day``, both of the city's clock."""
        begins, ends = _minutes(self.begins), _minutes(self.ends)
        if begins < ends:
            return begins <= minute < ends and self._on(day, holidays)
        before = day - timedelta(days=1)
        late = minute >= begins and self._on(day, holidays)
        return late or (minute < ends and self._on(before, holidays))

    def _on(self, day: date, holidays: frozenset[date]) -> bool:
        name = "holiday" if day in holidays else DAYS[day.weekday()]
        early = self.first is not None and day < self.first
        late = self.last is not None and day > self.last
        return name in self.days and not early and not late


class Calendar(Struct, frozen=True, forbid_unknown_fields=True):
    """Which plan is called when. A holiday is no weekday."""

    entries: list[CalendarEntry] = []
    holidays: list[date] = []

    def plan_at(self, moment: datetime) -> str | None:
        """The plan of the first entry that holds at a local ``moment``; None where none does.

        By the clock on the wall: the hour that is skipped in spring calls nothing, the one that
        comes twice in autumn calls its plan twice.
        """
        holidays = frozenset(self.holidays)
        day, minute = moment.date(), moment.hour * 60 + moment.minute
        return next((e.plan for e in self.entries if e.holds(day, minute, holidays)), None)


def _minutes(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])


class Schedule(Struct, frozen=True):
    """All that a cabinet needs to change its plan by itself. ``time_zone``: IANA name."""

    time_zone: str
    plans: list[TimePlan] = []
    calendar: Calendar = Calendar()


def read_plans(content: bytes, table: str) -> list[TimePlan]:
    """Plans from a CSV table, one row per phase of a junction in a plan, in order.

    Raises MistakeError with ``table``, line and remedy.
    """
    plans: dict[str, dict[str, tuple[float | None, list[Green]]]] = {}
    for row in read_rows(content, table, PLAN_COLUMNS):
        junctions = plans.setdefault(row.text("plan"), {})
        offset_s = row.number("offset_s", 0, 3600) if row.cells["offset_s"] else None
        offset, greens = junctions.setdefault(row.text("junction"), (offset_s, []))
        if offset != offset_s:
            row.fail(f"offset_s is {offset_s}, a line above says {offset}", "write one offset")
        greens.append(Green(row.count("phase"), row.number("green_s", 1, 3600)))
    return [
        TimePlan(name, [JunctionPlan(j, greens, off) for j, (off, greens) in junctions.items()])
        for name, junctions in plans.items()
    ]


def read_calendar(content: bytes, table: str, holidays: Sequence[date]) -> Calendar:
    """A calendar from a CSV table, one row per entry, in order.

    ``days`` are words apart by spaces, with "mon-fri" for a span; ``first`` and ``last`` may be
    empty. Raises MistakeError with ``table``, line and remedy.
    """
    rows = read_rows(content, table, CALENDAR_COLUMNS)
    return Calendar([_entry(row) for row in rows], list(holidays))


def _entry(row: Row) -> CalendarEntry:
    return CalendarEntry(
        plan=row.text("plan"),
        days=list(_days(row)),
        begins=_clock(row, "from"),
        ends=_clock(row, "until"),
        first=_date(row, "first"),
        last=_date(row, "last"),
    )


def _days(row: Row) -> Iterable[Day]:
    for word in row.text("days").split():
        first, _, last = word.partition("-")
        if first not in DAYS or (last and last not in DAYS):
            row.fail(f"days has {word!r}", f"words of {' '.join(DAYS)}, or a span as mon-fri")
        start = DAYS.index(first)
        end = DAYS.index(last) if last else start
        if end < start:
            row.fail(f"days has {word!r}, which runs backwards", "write two spans")
        yield from DAYS[start : end + 1]


def _clock(row: Row, column: str) -> str:
    value = row.text(column)
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d|24:00", value):
        row.fail(f"{column} is {value!r}", "write hours and minutes as 07:30; 24:00 ends a day")
    return value


def _date(row: Row, column: str) -> date | None:
    try:
        return date.fromisoformat(row.cells[column]) if row.cells[column] else None
    except ValueError:
        row.fail(f"{column} is {row.cells[column]!r}", "write a date as 2026-10-01")
