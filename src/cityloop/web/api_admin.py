"""How the city is run: time-of-day plans, their calendar, retention."""

from datetime import date
from typing import Annotated

import msgspec

from cityloop.city.surface import CalendarTold, PlansTold, RetentionRow
from cityloop.standards.plans import Calendar, CalendarEntry, TimePlan
from cityloop.standards.retention import Keep
from cityloop.web.api_loops import By
from cityloop.web.port import BoardPort
from cityloop.web.route import get, put

_Entries = Annotated[list[CalendarEntry], msgspec.Meta(max_length=1000)]


class PlanTable(msgspec.Struct, forbid_unknown_fields=True):
    """Body of ``PUT /api/plans``: the whole table."""

    plans: Annotated[list[TimePlan], msgspec.Meta(max_length=100)]
    by: By


class PlanCalendar(msgspec.Struct, forbid_unknown_fields=True):
    """Body of ``PUT /api/calendar``: the whole calendar."""

    entries: _Entries
    holidays: Annotated[list[date], msgspec.Meta(max_length=1000)]
    by: By


class RetentionRules(msgspec.Struct, forbid_unknown_fields=True):
    """Body of ``PUT /api/retention``: the rules of the types that change."""

    rows: Annotated[list[Keep], msgspec.Meta(min_length=1, max_length=1000)]
    by: By


class AdminRoutes:
    """/api/plans, /api/calendar: what cabinets run where the centre orders nothing; and
    /api/retention: how long what they and the sensors say is kept."""

    def __init__(self, city: BoardPort) -> None:
        self._city = city

    @get("/api/plans", "The table of time-of-day plans, and which is called now")
    async def plans(self) -> PlansTold:
        """With what each junction runs where no plan is called."""
        return self._city.board.plans()

    @put("/api/plans", "Replace the table of time-of-day plans")
    async def set_plans(self, body: PlanTable) -> None:
        """A plan against a limit of the guard is refused, with junction, phase and limit."""
        await self._city.board.set_plans(body.plans, body.by)

    @get("/api/calendar", "When which plan is called, in the city's own time")
    async def calendar(self) -> CalendarTold:
        """The first entry that holds is called; where none does, the default plans run."""
        return self._city.board.calendar()

    @put("/api/calendar", "Replace the calendar of plans")
    async def set_calendar(self, body: PlanCalendar) -> None:
        """An entry that calls a plan which is not there is refused."""
        await self._city.board.set_calendar(Calendar(body.entries, body.holidays), body.by)

    @get("/api/retention", "How long each entity type is kept")
    async def retention(self) -> list[RetentionRow]:
        """The rule in force beside the one that is declared."""
        return self._city.board.retention()

    @put("/api/retention", "Change how long entity types are kept")
    async def set_retention(self, body: RetentionRules) -> None:
        """Types that are not named stay as they are; a record is never let go of early."""
        await self._city.board.set_retention(body.rows, body.by)
