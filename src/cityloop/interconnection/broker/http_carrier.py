"""Notifications over HTTP/1.1: POST (GS CIM 009, 6.3.8 and 6.4.17), connections kept.

The client is our own, over the parser in C that the server uses too: of an answer nothing but its
status matters, and a general client (aiohttp) took three times the CPU of a notification.
"""

import asyncio
from base64 import b64encode
from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple, cast
from urllib.parse import quote, unquote, urlsplit

import httptools

from cityloop.interconnection.broker.dial import Dial
from cityloop.interconnection.broker.notifier import RefusedError
from cityloop.interconnection.broker.parcels import Target
from cityloop.interconnection.broker.targets import PORTS

_TRY_AGAIN = frozenset({408, 421, 425, 429})
_MOST_CONNECTIONS = 4_000
_IDLE_S = 15.0
_LARGEST_ANSWER = 65_536
_AS_IT_IS = "%/:=&?~+!$,;'@()*[]|"
"""Characters of a path and query that are sent as they were given."""


class _Place(NamedTuple):
    """What an address means. ``head``: of every request to it, but for a target's headers."""

    host: str
    port: int
    tls: bool
    head: bytes


@lru_cache(maxsize=4_096)
def _place(uri: str) -> _Place:
    url = urlsplit(uri)
    path = quote(url.path or "/", safe=_AS_IT_IS)
    query = f"?{quote(url.query, safe=_AS_IT_IS)}" if url.query else ""
    host = url.hostname or ""
    named = host if host.isascii() else host.encode("idna").decode()
    site = f"[{named}]" if ":" in named else named
    usual = PORTS[url.scheme]
    port = url.port or usual
    lines = [
        f"POST {path}{query} HTTP/1.1",
        f"Host: {site}" if port == usual else f"Host: {site}:{port}",
        "User-Agent: cityloop",
        "Accept: */*",
    ]
    if url.username:
        user = f"{unquote(url.username)}:{unquote(url.password or '')}"
        lines.append(f"Authorization: Basic {b64encode(user.encode()).decode()}")
    return _Place(named, port, url.scheme == "https", "\r\n".join(lines).encode("latin-1"))


_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "user-agent"})


def _request(place: _Place, headers: Mapping[str, str], body: bytes) -> bytes:
    given = "".join(
        f"\r\n{name}: {value}" for name, value in headers.items() if name.lower() not in _OURS
    )
    return b"%b%b\r\nContent-Length: %d\r\n\r\n%b" % (
        place.head,
        given.encode("utf-8"),
        len(body),
        body,
    )


class HttpCarrier:
    """``notifier.Carrier`` for http and https. Certificates are checked; redirects are refused."""

    def __init__(self, dial: Dial) -> None:
        self._dial = dial
        self._idle: defaultdict[tuple[str, int, bool], list[_Line]] = defaultdict(list)
        self._room = asyncio.Semaphore(_MOST_CONNECTIONS)
        self._sweeper: asyncio.TimerHandle | None = None

    async def carry(self, target: Target, body: bytes) -> None:
        """POST ``body``; taken when the answer is a 2xx. Raises RefusedError."""
        try:
            place = _place(target.uri)
        except UnicodeError as error:
            raise RefusedError(f"{target.uri} is no address: {error}", final=True) from error
        request = _request(place, target.headers, body)
        try:
            async with asyncio.timeout(target.timeout_s), self._room:
                status = await self._ask(place, request)
        except TimeoutError:
            raise RefusedError(f"no answer within {target.timeout_s:g} s") from None
        except OSError as error:
            raise RefusedError(f"no answer: {error}") from error
        if not 200 <= status < 300:
            final = 300 <= status < 500 and status not in _TRY_AGAIN
            raise RefusedError(f"the answer was {status}", final=final)

    async def _ask(self, place: _Place, request: bytes) -> int:
        """The status of the answer. A kept connection may have ended meanwhile: then a new one is
        asked, once."""
        idle = self._idle[place[:3]]
        while idle:
            line = idle.pop()
            if line.usable:
                try:
                    return await self._exchange(line, place, request)
                except ConnectionResetError:
                    if line.answering:
                        raise
                    break
        line = await self._dial.connect(_Line, place.host, place.port, tls=place.tls)
        return await self._exchange(line, place, request)

    async def _exchange(self, line: "_Line", place: _Place, request: bytes) -> int:
        try:
            return await line.ask(request)
        finally:
            if line.usable:
                self._idle[place[:3]].append(line)
                if self._sweeper is None:
                    self._sweep()
            else:
                line.close()

    def _sweep(self) -> None:
        """Close what has been idle for so long."""
        now = asyncio.get_running_loop().time()
        for key, lines in list(self._idle.items()):
            kept = [line for line in lines if line.usable and now - line.used < _IDLE_S]
            for line in lines:
                if line not in kept:
                    line.close()
            if kept:
                self._idle[key] = kept
            else:
                del self._idle[key]
        later = asyncio.get_running_loop().call_later
        self._sweeper = later(_IDLE_S / 3, self._sweep) if self._idle else None

    async def close(self) -> None:
        """Close all connections that are idle."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        for lines in self._idle.values():
            for line in lines:
                line.abort()


class _Line(asyncio.Protocol):
    """One connection, one request at a time.

    ``usable``: another request may follow; ``answering``: an answer has begun to come; ``used``:
    when the last one ended, in the loop's time.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[int] | None = None
        self._status = 0
        self._size = 0
        self.usable = False
        self.answering = False
        self.used = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        # Not an instance of it under uvloop, though it does all that one does.
        self._transport = cast(asyncio.Transport, transport)

    def ask(self, request: bytes) -> "asyncio.Future[int]":
        """The status of the answer to come; raises OSError."""
        answer = self._answer = self._loop.create_future()
        self.answering = self.usable = False
        self._size = self._status = 0
        if self._transport is None or self._transport.is_closing():
            self._lose(ConnectionResetError("the connection was closed"))
        else:
            self._transport.write(request)
        return answer

    def data_received(self, data: bytes) -> None:
        """Part of an answer; what nobody asked for ends the connection."""
        self.answering = True
        self._size += len(data)
        if self._answer is None or self._size > _LARGEST_ANSWER:
            self._lose(ConnectionAbortedError(f"it has more than {_LARGEST_ANSWER} bytes"))
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._lose(ConnectionAbortedError(f"it is not HTTP: {error}"))

    def on_headers_complete(self) -> None:
        """The status is known; an interim one (1xx) is followed by another."""
        status = self._parser.get_status_code()
        self._status = status if status >= 200 else 0

    def on_message_complete(self) -> None:
        """The answer is whole."""
        if self._status and self._answer is not None:
            self.usable = self._parser.should_keep_alive()
            self.used = self._loop.time()
            if not self._answer.done():
                self._answer.set_result(self._status)
            self._answer = None

    def connection_lost(self, error: Exception | None) -> None:
        """Whoever waits is told."""
        self._lose(ConnectionResetError(str(error) if error else "the connection was closed"))

    def _lose(self, error: OSError) -> None:
        """Where the status came, that is the answer: the rest says nothing that matters."""
        if self._answer is not None and not self._answer.done():
            if self._status:
                self._answer.set_result(self._status)
            else:
                self._answer.set_exception(error)
        self._answer = None
        self.close()

    def abort(self) -> None:
        """End the connection without waiting for the other side, as the end of TLS does."""
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """End the connection."""
        self.usable = False
        if self._transport is not None and not self._transport.is_closing():
            self._transport.close()
