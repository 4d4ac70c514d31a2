"""Time-of-day plans and their calendar at the centre: checked, recorded, handed to the cabinets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from cityloop.city.surface import CalendarTold, PlansTold
from cityloop.city.totals import PLAN_CALENDAR, PLAN_TABLE
from cityloop.kernel.clock import CityTime, iso
from cityloop.kernel.frame import Array, EntityIds, Frame, frame
from cityloop.safety.plan_checks import check_calendar, check_plans
from cityloop.safety.timing import Limits, Timing
from cityloop.standards.plans import Calendar, Green, JunctionPlan, Schedule, TimePlan
from cityloop.standards.signals import SignalBank

_read_plans = msgspec.json.Decoder(list[TimePlan]).decode
_read_calendar = msgspec.json.Decoder(Calendar).decode


@dataclass(frozen=True, slots=True)
class _Mark:
    """Which change of a document this is; 0 is what the settings say."""

    number: int
    at: CityTime
    by: str


class PlanDesk:
    """The plans and the calendar in force: the settings' until somebody changes them.

    A fold of the log's ``PlanTable`` and ``PlanCalendar`` frames.
    """

    def __init__(self, bank: SignalBank, limits: Limits, schedule: Schedule) -> None:
        self._timing = Timing(bank, limits)
        self._own = own_plans(bank)
        self._zone = ZoneInfo(schedule.time_zone)
        self._marks = dict.fromkeys((PLAN_TABLE, PLAN_CALENDAR), _Mark(0, CityTime(0), ""))
        self.schedule = schedule

    def change_plans(self, plans: Sequence[TimePlan], by: str, run: str, at: CityTime) -> Frame:
        """Take up another table; the record. Raises RefusedError with all that is wrong."""
        schedule = msgspec.structs.replace(self.schedule, plans=list(plans))
        check_plans(self._timing, schedule)
        return self._change(PLAN_TABLE, msgspec.json.encode(plans).decode(), by, run, at)

    def change_calendar(self, calendar: Calendar, by: str, run: str, at: CityTime) -> Frame:
        """Take up another calendar; the record. Raises RefusedError with all that is wrong."""
        check_calendar(msgspec.structs.replace(self.schedule, calendar=calendar))
        return self._change(PLAN_CALENDAR, msgspec.json.encode(calendar).decode(), by, run, at)

    def _change(self, type_: str, document: str, by: str, run: str, at: CityTime) -> Frame:
        part = frame(
            type_,
            run,
            at,
            EntityIds([f"urn:ngsi-ld:{type_}:city"]),
            document=[document],
            number=[self._marks[type_].number + 1],
            by=[by],
        )
        self.fold(part)
        return part

    def fold(self, part: Frame) -> None:
        """Take up what a frame of the log tells, if it tells of plans."""
        if part.type not in self._marks:
            return
        number, by = int(part["number"][0]), str(part["by"][0])
        self._marks[part.type] = _Mark(number, part.observed_at, by)
        self._read(part.type, str(part["document"][0]))

    def _read(self, type_: str, document: str) -> None:
        replace = msgspec.structs.replace
        if type_ == PLAN_TABLE:
            self.schedule = replace(self.schedule, plans=_read_plans(document))
        else:
            self.schedule = replace(self.schedule, calendar=_read_calendar(document))

    def in_force(self, now: CityTime) -> str | None:
        """The plan that the calendar calls at ``now``; None where it calls none."""
        return self.schedule.calendar.plan_at(datetime.fromtimestamp(now / 1000, self._zone))

    def key(self, now: CityTime) -> tuple[int, int, str | None]:
        """Changes whenever what people see of the plans does."""
        marks = self._marks
        return marks[PLAN_TABLE].number, marks[PLAN_CALENDAR].number, self.in_force(now)

    def plans(self, now: CityTime) -> PlansTold:
        """The table as people see it."""
        mark = self._marks[PLAN_TABLE]
        return PlansTold(
            number=mark.number,
            at=iso(mark.at) if mark.number else None,
            by=mark.by,
            in_force=self.in_force(now),
            default=self._own,
            plans=self.schedule.plans,
        )

    def calendar(self) -> CalendarTold:
        """The calendar as people see it."""
        mark, calendar = self._marks[PLAN_CALENDAR], self.schedule.calendar
        return CalendarTold(
            number=mark.number,
            at=iso(mark.at) if mark.number else None,
            by=mark.by,
            time_zone=self.schedule.time_zone,
            holidays=calendar.holidays,
            entries=calendar.entries,
        )

    def save(self) -> dict[str, Array]:
        """What somebody changed, as named arrays; the rest is the settings'."""
        documents = {
            PLAN_TABLE: msgspec.json.encode(self.schedule.plans),
            PLAN_CALENDAR: msgspec.json.encode(self.schedule.calendar),
        }
        state: dict[str, Array] = {}
        for type_, mark in self._marks.items():
            if mark.number:
                state[type_] = np.array(documents[type_].decode())
                state[f"{type_}/mark"] = np.array([mark.number, mark.at])
                state[f"{type_}/by"] = np.array(mark.by)
        return state

    def load(self, state: Mapping[str, Array]) -> None:
        """Take up what ``save`` gave."""
        for type_ in self._marks:
            if type_ in state:
                number, at = state[f"{type_}/mark"].tolist()
                self._marks[type_] = _Mark(number, CityTime(at), str(state[f"{type_}/by"]))
                self._read(type_, str(state[type_]))


def own_plans(bank: SignalBank) -> list[JunctionPlan]:
    """What each junction runs where no plan is called, in the form of a plan."""
    plans = []
    for junction in bank.junctions:
        named = [Green(p, phase.duration_s) for p, phase in enumerate(junction.phases)]
        greens = [green for green in named if green.green_s > 0]
        plans.append(JunctionPlan(junction.id, greens or named, None))
    return plans
