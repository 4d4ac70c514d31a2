"""The operators' desk: alarms, the shift log, how the sensors do."""

import asyncio
from datetime import datetime
from typing import Annotated, Literal

import msgspec

from cityloop.city.surface_alarms import (
    MOST_SHELVED_MIN,
    AlarmRow,
    NoteKind,
    SensorRow,
    ShiftRow,
    ShiftSummary,
)
from cityloop.web.api_commands import By, RowNumber
from cityloop.web.port import CityPort
from cityloop.web.route import get, post

Words = Annotated[str, msgspec.Meta(max_length=2000)]
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=2000, pattern=r"\S")]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class AlarmQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Query of ``GET /api/alarms``."""

    state: Literal["open", "all"] = "all"


class Acknowledge(msgspec.Struct, forbid_unknown_fields=True):
    """Body of ``POST /api/alarms/{id}/acknowledge``."""

    by: By
    note: Words = ""


class Shelve(msgspec.Struct, forbid_unknown_fields=True):
    """Body of ``POST /api/alarms/{id}/shelve``; ``minutes`` of wall time."""

    by: By
    reason: Reason
    minutes: Annotated[float, msgspec.Meta(gt=0, le=MOST_SHELVED_MIN)]


class Unshelve(msgspec.Struct, forbid_unknown_fields=True):
    """Body of ``POST /api/alarms/{id}/unshelve``."""

    by: By


class Escalate(msgspec.Struct, forbid_unknown_fields=True):
    """Body of ``POST /api/alarms/{id}/escalate``; ``to``: who is called."""

    by: By
    to: By
    note: Words = ""


class Note(msgspec.Struct, forbid_unknown_fields=True):
    """Body of ``POST /api/shift-log``."""

    by: By
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=4000, pattern=r"\S")]
    kind: NoteKind = "note"


class ShiftQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Query of ``GET /api/shift-log``; entries with ``after < number < before``."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    after: RowNumber = 0
    before: Annotated[int, msgspec.Meta(ge=1, lt=2**53)] | None = None


class SummaryQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Query of ``GET /api/shift-log/summary``: city times, ISO 8601 with offset."""

    since: Moment
    until: Moment


class AlarmRoutes:
    """/api: alarms, shift log and sensors; commands are answered 204."""

    def __init__(self, city: CityPort) -> None:
        self._city = city

    @get("/api/alarms", "The alarms: what needs a person, and what did lately")
    async def alarms(self, query: AlarmQuery) -> list[AlarmRow]:
        """The newest row of each; all, or those that are not closed."""
        rows = self._city.desk.alarms()
        return rows if query.state == "all" else [row for row in rows if row.state != "closed"]

    @post("/api/alarms/{id:path}/acknowledge", "Say that somebody has seen an alarm")
    async def acknowledge_alarm(self, id: str, body: Acknowledge) -> None:  # noqa: A002
        """One that has cleared is closed by it."""
        await self._city.desk.attend("acknowledge", body.by, id=id, note=body.note)

    @post("/api/alarms/{id:path}/shelve", "Put an alarm aside for some minutes of wall time")
    async def shelve_alarm(self, id: str, body: Shelve) -> None:  # noqa: A002
        """It comes back by itself: at the end, or when it grows."""
        await self._city.desk.attend(
            "shelve", body.by, id=id, minutes=body.minutes, reason=body.reason
        )

    @post("/api/alarms/{id:path}/unshelve", "Take an alarm back before its time")
    async def unshelve_alarm(self, id: str, body: Unshelve) -> None:  # noqa: A002
        """It waits to be acknowledged again while its cause is there."""
        await self._city.desk.attend("unshelve", body.by, id=id)

    @post("/api/alarms/{id:path}/escalate", "Say who was called about an alarm")
    async def escalate_alarm(self, id: str, body: Escalate) -> None:  # noqa: A002
        """It stays as it is; the record says who was called."""
        await self._city.desk.attend("escalate", body.by, id=id, to=body.to, note=body.note)

    @get("/api/shift-log", "What people noted and did, newest first")
    async def shift_log(self, query: ShiftQuery) -> list[ShiftRow]:
        """A page of it, by number."""
        rows = self._city.desk.shift_log(query.limit, query.after, query.before)
        end = query.before or self._city.desk.shift_ends
        first = max(query.after + 1, end - query.limit)
        if first < end and (not rows or rows[-1].number > first):
            recorded = await self._city.past.entries_after(first - 1, end - first)
            rows = [row for row in reversed(recorded) if row.number < end]
        return rows

    @post("/api/shift-log", "Note something down for those who come next")
    async def note(self, body: Note) -> None:
        """It cannot be changed afterwards; write another."""
        await self._city.desk.attend("note", body.by, kind=body.kind, text=body.text)

    @get("/api/shift-log/summary", "A shift in figures, for the hand-over")
    async def shift_summary(self, query: SummaryQuery) -> ShiftSummary:
        """Counts of the span; open alarms and holds as they are now."""
        return self._city.desk.summary(query.since, query.until)

    @get("/api/sensors", "How every sensor does: last seen, available, rejected")
    async def sensors(self) -> list[SensorRow]:
        """Told anew every five seconds."""
        return await asyncio.to_thread(self._city.desk.sensors)
