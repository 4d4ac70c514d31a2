"""The stream of events."""

import asyncio

import msgspec
from starlette.requests import Request

from cityloop.web.port import CityPort
from cityloop.web.route import get
from cityloop.web.stream import EventStream, SharedEvents, start_number


class StreamQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Query of ``GET /api/stream``; ``vehicles`` asks for their events, too."""

    vehicles: bool = False


class StreamRoutes:
    """/api/stream: one response for as long as the client stays; ends when ``closing`` is set."""

    def __init__(self, city: CityPort, closing: asyncio.Event) -> None:
        self._city = city
        self._shared = SharedEvents(city)
        self._closing = closing

    @get("/api/stream", "The city as server-sent events", media="text/event-stream")
    async def stream(self, request: Request, query: StreamQuery) -> EventStream:
        """Goes on after the header Last-Event-ID where there is one."""
        after = start_number(self._city, request.headers.get("last-event-id", ""))
        city, shared, vehicles = self._city, self._shared, query.vehicles
        return EventStream(city, shared, self._closing, after, vehicles=vehicles)
