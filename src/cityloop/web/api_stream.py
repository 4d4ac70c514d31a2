"""The stream of events."""

import asyncio

from starlette.requests import Request

from cityloop.web.port import CityReadings
from cityloop.web.route import get
from cityloop.web.stream import EventStream, SharedStates, start_number


class StreamRoutes:
    """/api/stream: one response for as long as the client stays; ends when ``closing`` is set."""

    def __init__(self, city: CityReadings, closing: asyncio.Event) -> None:
        self._city = city
        self._states = SharedStates(city)
        self._closing = closing

    @get("/api/stream", "The city as server-sent events", media="text/event-stream")
    async def stream(self, request: Request) -> EventStream:
        """Goes on after the header Last-Event-ID where there is one."""
        after = start_number(self._city, request.headers.get("last-event-id", ""))
        return EventStream(self._city, self._states, self._closing, after)
