"""Server-sent events: each client pulls from the city at its own pace, so none has a queue.

A slow client blocks only its own coroutine: when its socket takes bytes again it gets the newest
state, and the decisions since the last one it has, however long ago: what the city no longer holds
in memory comes from the record, a piece at a time. Only what was erased from the record is told as
a ``gap``.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext

import msgspec
from starlette.types import Message, Receive, Scope, Send

from cityloop.city.surface import Vehicles
from cityloop.web.feed import Places, event
from cityloop.web.port import CityPort

MIN_INTERVAL_S = 0.2
KEEP_ALIVE_S = 15.0
STUCK_S = 60.0

_encode = msgspec.json.encode


class EventStream:
    """ASGI response that tells one client of the city until it leaves or ``closing`` is set.

    Events: ``state`` (LiveState, at most one per 0.2 s, the newest wins), those of the feeds (rows,
    newest first), ``gap``, and where ``vehicles`` are wanted ``vehicles``
    (Vehicles, the newest wins); a comment every 15 s keeps proxies from hanging up. A client that
    takes no byte for 60 s is hung up on.
    """

    def __init__(
        self,
        city: CityPort,
        shared: "SharedEvents",
        closing: asyncio.Event,
        places: Places,
        *,
        vehicles: bool = False,
    ) -> None:
        self._city = city
        self._shared = shared
        self._closing = closing
        self._places = places
        self._vehicles = vehicles

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until the client leaves, gets stuck, or the server closes."""
        with self._city.vehicles.looking() if self._vehicles else nullcontext():
            await self._serve(receive, send)

    async def _serve(self, receive: Receive, send: Send) -> None:
        ends = [
            asyncio.create_task(work)
            for work in (self._tell(send), _gone(receive), self._closing.wait())
        ]
        done, pending = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        for task in done:
            task.result()
        if self._closing.is_set():
            await send({"type": "http.response.body"})

    async def _tell(self, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        try:
            async for part in self._parts():
                async with asyncio.timeout(STUCK_S):
                    await send({"type": "http.response.body", "body": part, "more_body": True})
        except TimeoutError:
            return

    async def _parts(self) -> AsyncIterator[bytes]:
        # An id without data is no event, but the client keeps it (WHATWG HTML, 9.2.6).
        yield f"id: {self._places.written()}\nretry: 1000\n\n".encode()
        shown = seen = b""
        while True:
            seq, state = self._shared.state()
            news, more = await self._places.advance()
            vehicles = self._shared.vehicles() if self._vehicles else b""
            fresh = [part for part, old in ((state, shown), (vehicles, seen)) if part is not old]
            yield b"".join((*fresh, news))
            shown, seen = state, vehicles
            if more:
                continue
            await asyncio.sleep(MIN_INTERVAL_S)
            while not await self._changed(seq):
                yield b": still here\n\n"

    async def _changed(self, seq: int) -> bool:
        try:
            async with asyncio.timeout(KEEP_ALIVE_S):
                await self._city.changes(seq)
        except TimeoutError:
            return False
        return True


class SharedEvents:
    """The newest state and vehicles as events, encoded once for all clients."""

    def __init__(self, city: CityPort) -> None:
        self._city = city
        self._seq = -1
        self._state = b""
        self._seen: Vehicles | None = None
        self._vehicles = b""

    def state(self) -> tuple[int, bytes]:
        """(seq, event)."""
        state = self._city.state()
        if state.seq != self._seq:
            self._seq, self._state = state.seq, event("state", _encode(state))
        return self._seq, self._state

    def vehicles(self) -> bytes:
        """The event, the same object until there is a newer one; empty where nothing is known."""
        newest = self._city.vehicles.newest()
        if newest is not self._seen:
            self._seen = newest
            self._vehicles = event("vehicles", _encode(newest)) if newest else b""
        return self._vehicles


async def _gone(receive: Receive) -> None:
    message: Message = {"type": "http.request"}
    while message["type"] != "http.disconnect":
        message = await receive()
