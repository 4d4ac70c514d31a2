"""The calendar of plans: by the city's clock, through midnight and both changes of the clock."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from cityloop.kernel.errors import MistakeError
from cityloop.standards.plans import (
    Calendar,
    CalendarEntry,
    Day,
    Green,
    JunctionPlan,
    read_calendar,
    read_plans,
)

BERLIN, SHANGHAI = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Shanghai")
WEEK: list[Day] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun", "holiday"]


def entry(begins: str, ends: str, *days: Day, plan: str = "peak", **dates: date) -> CalendarEntry:
    return CalendarEntry(plan, list(days) or WEEK, begins, ends, **dates)


def minutes_called(calendar: Calendar, zone: ZoneInfo, day: date) -> list[str]:
    """UTC minutes of the local day, 23 to 25 hours, at which a plan is called, as HH:MM."""
    begin = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    moments = [begin + timedelta(minutes=minute) for minute in range(25 * 60)]
    local = {m: m.astimezone(zone) for m in moments}
    return [f"{m:%H:%M}" for m in moments if local[m].date() == day and calendar.plan_at(local[m])]


def test_the_first_entry_that_holds_is_called() -> None:
    calendar = Calendar([entry("07:00", "09:00"), entry("08:00", "10:00", plan="late")])
    assert calendar.plan_at(datetime(2026, 3, 2, 8, 30, tzinfo=SHANGHAI)) == "peak"
    assert calendar.plan_at(datetime(2026, 3, 2, 9, 0, tzinfo=SHANGHAI)) == "late"
    assert calendar.plan_at(datetime(2026, 3, 2, 10, 0, tzinfo=SHANGHAI)) is None


def test_a_holiday_is_no_weekday() -> None:
    days = [entry("07:00", "09:00", "thu"), entry("07:00", "09:00", "holiday", plan="quiet")]
    at = datetime(2026, 10, 1, 8, 0, tzinfo=SHANGHAI)
    assert at.weekday() == 3
    assert Calendar(days).plan_at(at) == "peak"
    assert Calendar(days, [date(2026, 10, 1)]).plan_at(at) == "quiet"


def test_an_entry_past_midnight_belongs_to_the_day_on_which_it_began() -> None:
    calendar = Calendar([entry("22:00", "06:00", "fri", last=date(2026, 3, 6))])
    assert calendar.plan_at(datetime(2026, 3, 6, 23, 0, tzinfo=SHANGHAI)) == "peak"
    assert calendar.plan_at(datetime(2026, 3, 7, 5, 59, tzinfo=SHANGHAI)) == "peak"
    assert calendar.plan_at(datetime(2026, 3, 7, 6, 0, tzinfo=SHANGHAI)) is None
    assert calendar.plan_at(datetime(2026, 3, 6, 5, 0, tzinfo=SHANGHAI)) is None


def test_the_hour_that_is_skipped_calls_nothing() -> None:
    spring = date(2026, 3, 29)
    assert minutes_called(Calendar([entry("02:15", "02:45")]), BERLIN, spring) == []
    assert minutes_called(Calendar([entry("02:30", "03:30")]), BERLIN, spring) == [
        f"01:{minute:02}" for minute in range(30)
    ]


def test_the_hour_that_comes_twice_calls_its_plan_twice() -> None:
    autumn = date(2026, 10, 25)
    called = minutes_called(Calendar([entry("02:15", "02:45")]), BERLIN, autumn)
    assert called == [f"{hour:02}:{minute}" for hour in (0, 1) for minute in range(15, 45)]


def test_a_city_that_keeps_its_clock_has_no_such_hours() -> None:
    for day in (date(2026, 3, 29), date(2026, 10, 25)):
        called = minutes_called(Calendar([entry("02:15", "02:45")]), SHANGHAI, day)
        assert called == [f"18:{minute}" for minute in range(15, 45)]


def test_plans_are_read_from_a_table() -> None:
    table = b"plan,junction,phase,green_s,offset_s\nam,J1,0,30,5\nam,J1,2,20,5\nam,J2,1,40,\n"
    (plan,) = read_plans(table, "plans.csv")
    assert plan.junctions == [
        JunctionPlan("J1", [Green(0, 30), Green(2, 20)], 5),
        JunctionPlan("J2", [Green(1, 40)], None),
    ]


def test_a_calendar_is_read_from_a_table() -> None:
    table = b"plan,days,first,last,from,until\nam,mon-fri holiday,2026-01-05,,07:00,09:30\n"
    (read,) = read_calendar(table, "calendar.csv", []).entries
    assert read.days == ["mon", "tue", "wed", "thu", "fri", "holiday"]
    assert (read.first, read.last, read.begins) == (date(2026, 1, 5), None, "07:00")


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("am,mon-fry,,,07:00,09:00", r"calendar\.csv:2: days has 'mon-fry'"),
        ("am,mon,,,7:00,09:00", "from is '7:00'"),
        ("am,mon,1.1.2026,,07:00,09:00", "first is '1.1.2026'"),
        ("am,fri-mon,,,07:00,09:00", "runs backwards"),
    ],
)
def test_a_mistake_in_a_table_is_told_with_its_line(row: str, why: str) -> None:
    with pytest.raises(MistakeError, match=why):
        read_calendar(f"plan,days,first,last,from,until\n{row}\n".encode(), "calendar.csv", [])
