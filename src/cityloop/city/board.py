"""What the hub tells of how the city is run, and the commands that change it, for the web."""

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from cityloop.city.surface import (
    CalendarTold,
    Gain,
    LoopRow,
    Measures,
    PlansTold,
    RetentionRow,
)
from cityloop.kernel.errors import BusyError
from cityloop.standards.plans import Calendar, TimePlan
from cityloop.standards.retention import Keep

Ask = Callable[..., Awaitable[None]]


class Board:
    """The newest of each topic, as the hub told it; ``ask`` carries a command to the hub,
    ``measures`` tells how the city does beside its baseline.

    Every command raises RefusedError with what is wrong, and BusyError while the hub is away.
    """

    def __init__(self, ask: Ask, measures: Callable[[], Measures | None] = lambda: None) -> None:
        self._ask = ask
        self._measures = measures
        self._loops: list[LoopRow] = []
        self._plans: PlansTold | None = None
        self._calendar: CalendarTold | None = None
        self._retention: list[RetentionRow] = []

    def hear(self, topic: str, body: bytes) -> bool:
        """Take in what the hub tells; whether the topic is one of ours."""
        match topic:
            case "loops":
                self._loops = msgspec.json.decode(body, type=list[LoopRow])
            case "plans":
                self._plans = msgspec.json.decode(body, type=PlansTold)
            case "calendar":
                self._calendar = msgspec.json.decode(body, type=CalendarTold)
            case "retention":
                self._retention = msgspec.json.decode(body, type=list[RetentionRow])
            case _:
                return False
        return True

    def loops(self) -> list[LoopRow]:
        """The loops at work; empty before the hub has told of them."""
        measures = self._measures()
        return [msgspec.structs.replace(row, gain=_gain(row, measures)) for row in self._loops]

    async def set_version(self, loop: str, version: str, reason: str, by: str) -> None:
        """Put another installed version of a loop to work."""
        await self._ask("set_version", loop=loop, version=version, reason=reason, by=by)

    def plans(self) -> PlansTold:
        """The table of time-of-day plans; raises BusyError before the hub has told of it."""
        if self._plans is None:
            raise BusyError("The hub has not told its plans yet.")
        return self._plans

    async def set_plans(self, plans: Sequence[TimePlan], by: str) -> None:
        """Put another table of plans in force, at every junction from the end of its cycle on."""
        await self._ask("set_plans", plans=msgspec.to_builtins(plans), by=by)

    def calendar(self) -> CalendarTold:
        """The calendar of plans; raises BusyError before the hub has told of it."""
        if self._calendar is None:
            raise BusyError("The hub has not told its calendar yet.")
        return self._calendar

    async def set_calendar(self, calendar: Calendar, by: str) -> None:
        """Put another calendar in force."""
        await self._ask("set_calendar", calendar=msgspec.to_builtins(calendar), by=by)

    def retention(self) -> list[RetentionRow]:
        """How long each type is kept; empty before the hub has told of it."""
        return self._retention

    async def set_retention(self, keeps: Sequence[Keep], by: str) -> None:
        """Put rules of retention in force for the types they name."""
        await self._ask("set_retention", keeps=msgspec.to_builtins(keeps), by=by)


def _gain(row: LoopRow, measures: Measures | None) -> Gain | None:
    """What the loop gains; only where it alone moves the signals does the difference tell that."""
    if measures is None or measures.difference_s is None:
        return None
    if any(group.mode != "act" for group in row.groups):
        return None
    return Gain(measures.difference_s, measures.interval_low_s, measures.interval_high_s)
