"""What the city tells: the picture of now, the map, the newest decisions."""

from typing import Annotated

import msgspec

from cityloop.city.surface import DecisionRow, LiveState, MapData, Summary
from cityloop.web.api_commands import RowNumber
from cityloop.web.port import CityReadings
from cityloop.web.route import get

MAX_ROWS = 1_000


class DecisionQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Query of ``GET /api/decisions``."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_ROWS)] = 100
    junction: str | None = None
    after: RowNumber = 0


class CityRoutes:
    """/api: readings that are answered at once from memory."""

    def __init__(self, city: CityReadings) -> None:
        self._city = city

    @get("/api/summary", "The run in one line of figures")
    async def summary(self) -> Summary:
        """The run in one line of figures."""
        return self._city.summary()

    @get("/api/map", "What does not change while the city runs", kept=True)
    async def map(self) -> MapData:
        """Junctions, roads, detectors, loops and their groups."""
        return self._city.map()

    @get("/api/state", "The city now: signals, queues, measures, counters, modes")
    async def state(self) -> LiveState:
        """The newest state."""
        return self._city.state()

    @get("/api/decisions", "The newest recorded decisions, newest first")
    async def decisions(self, query: DecisionQuery) -> list[DecisionRow]:
        """All junctions' or one's, after a number or simply the newest."""
        return self._city.decisions(query.limit, query.junction, query.after)
