"""What was: runs, moments, timelines and trends from the record."""

from datetime import datetime
from typing import Annotated

import msgspec

from cityloop.city.surface_past import Moment, RunRow, Timeline, Trend
from cityloop.web.port import CityPort
from cityloop.web.route import get

Time = Annotated[datetime, msgspec.Meta(tz=True)]


class MomentQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Query of ``GET /api/history/moment``; the newest run and its end where nothing is said."""

    run: str | None = None
    at: Time | None = None


class TimelineQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Query of ``GET /api/junctions/{id}/timeline``; it ends at ``at``."""

    minutes: Annotated[float, msgspec.Meta(gt=0, le=120)] = 5.0
    run: str | None = None
    at: Time | None = None


class TrendQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Query of ``GET /api/trend``; the newest run where none is said."""

    run: str | None = None


class PastRoutes:
    """/api: the record, read away from what acts."""

    def __init__(self, city: CityPort) -> None:
        self._city = city

    @get("/api/history/runs", "The runs on record, the newest last")
    async def runs(self) -> list[RunRow]:
        """Each with its first and its last second."""
        return await self._city.past.runs()

    @get("/api/history/moment", "The city as it was at any second on record")
    async def moment(self, query: MomentQuery) -> Moment:
        """Signals, queues, modes, measures and the decisions up to then."""
        return await self._city.past.moment(query.run, query.at)

    @get("/api/junctions/{id:path}/timeline", "Some minutes of a junction: stages and detectors")
    async def timeline(self, id: str, query: TimelineQuery) -> Timeline:  # noqa: A002
        """Changes of what the cabinet showed, and detector counts every few seconds."""
        return await self._city.past.timeline(id, query.minutes, query.run, query.at)

    @get("/api/trend", "The measures of a run over its time, for charts")
    async def trend(self, query: TrendQuery) -> Trend:
        """One row per 20 s of city time, at most 1,000."""
        return await self._city.past.trend(query.run)
