"""The stream of events."""

import asyncio

import msgspec
from starlette.requests import Request

from cityloop.city.surface import DecisionRow
from cityloop.web.feed import Feed, Places
from cityloop.web.port import CityPort
from cityloop.web.route import get
from cityloop.web.stream import EventStream, SharedEvents


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
        self._feeds = (_decisions(city),)

    @get("/api/stream", "The city as server-sent events", media=("text/event-stream",))
    async def stream(self, request: Request, query: StreamQuery) -> EventStream:
        """Goes on after the header Last-Event-ID where there is one."""
        last = request.headers.get("last-event-id", query.after)
        city, shared, places = self._city, self._shared, Places(self._feeds, last)
        return EventStream(city, shared, self._closing, places, vehicles=query.vehicles)


def _decisions(city: CityPort) -> Feed:
    def held(after: int, limit: int) -> list[DecisionRow]:
        return city.decisions(limit, after=after)

    async def recorded(after: int, limit: int) -> list[DecisionRow]:
        return await city.past.decisions_after(after, limit)

    return Feed("decisions", held, recorded)
