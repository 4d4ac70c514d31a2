"""The stream of events."""

import asyncio

import msgspec
from starlette.requests import Request

from cityloop.city.surface import DecisionRow, LiveState, Vehicles
from cityloop.city.surface_alarms import AlarmRow
from cityloop.web.feed import Feed, Gap, Places
from cityloop.web.port import CityPort
from cityloop.web.route import get
from cityloop.web.stream import EventStream, SharedEvents

_HELD = 1_000
"""At least as many decisions as a city holds in memory."""
_ALARMS_HELD = 5_000


EVENTS = {
    "state": LiveState,
    "vehicles": Vehicles,
    "decisions": list[DecisionRow],
    "alarms": list[AlarmRow],
    "gap": Gap,
}
"""What a client may be told, by the name of the event."""


class StreamQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Query of ``GET /api/stream``.

    ``vehicles`` asks for their events, too; ``after`` stands for the header Last-Event-ID, which a
    page cannot set when it opens a stream anew.
    """

    vehicles: bool = False
    after: str = ""


class StreamRoutes:
    """/api/stream: one response for as long as the client stays; ends when ``closing`` is set."""

    def __init__(self, city: CityPort, closing: asyncio.Event) -> None:
        self._city = city
        self._shared = SharedEvents(city)
        self._closing = closing
        self._feeds = decision_feed(city), alarm_feed(city)

    @get(
        "/api/stream",
        "The city as server-sent events",
        media=("text/event-stream",),
        events=EVENTS,
    )
    async def stream(self, request: Request, query: StreamQuery) -> EventStream:
        """Goes on after the header Last-Event-ID where there is one."""
        last = request.headers.get("last-event-id", query.after)
        city, shared, places = self._city, self._shared, Places(self._feeds, last)
        return EventStream(city, shared, self._closing, places, vehicles=query.vehicles)


def decision_feed(city: CityPort) -> Feed:
    """The decisions of a city."""

    def newest() -> int:
        rows = city.decisions(1)
        return rows[0].number if rows else 0

    def held(after: int) -> list[DecisionRow]:
        return city.decisions(_HELD, after=after)[::-1]

    async def recorded(after: int, limit: int) -> list[DecisionRow]:
        return await city.past.decisions_after(after, limit)

    return Feed("decisions", newest, held, recorded)


def alarm_feed(city: CityPort) -> Feed:
    """The alarms of a city: each as it was after each of its events."""

    def newest() -> int:
        return city.desk.newest_alarm()

    def held(after: int) -> list[AlarmRow]:
        return city.desk.alarms_after(after, _ALARMS_HELD)

    async def recorded(after: int, limit: int) -> list[AlarmRow]:
        return await city.past.alarms_after(after, limit)

    return Feed("alarms", newest, held, recorded)
