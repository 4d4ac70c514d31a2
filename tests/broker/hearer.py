"""A subscriber: a real HTTP server that keeps what it hears."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiohttp import web


class Hearer:
    """``answers``: statuses for the next posts, then 200. ``heard``: the bodies taken."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answers: list[int] = []
        self.refused = asyncio.Event()
        self.url = ""
        self._news = asyncio.Event()

    async def take(self, request: web.Request) -> web.Response:
        """One notification."""
        body = await request.json()
        status = self.answers.pop(0) if self.answers else 200
        if status == 200:
            self.heard.append(body)
            self.headers.append(dict(request.headers))
            self._news.set()
        else:
            self.refused.set()
        return web.Response(status=status)

    async def until(self, count: int) -> list[dict[str, Any]]:
        """Wait until so many notifications were taken."""
        while len(self.heard) < count:
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), 20)
        return self.heard


@asynccontextmanager
async def hearing(port: int = 0, tls: ssl.SSLContext | None = None) -> AsyncIterator[Hearer]:
    """A subscriber on a port of its own."""
    hearer = Hearer()
    app = web.Application()
    app.router.add_post("/{path:.*}", hearer.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls)
    await site.start()
    hearer.url = f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}/notify"
    try:
        yield hearer
    finally:
        await runner.cleanup()


@asynccontextmanager
async def answering(
    handle: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    """A subscriber that need not speak HTTP; its port. Its connections end when it does."""
    ends: list[asyncio.StreamWriter] = []

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends.append(writer)
        with suppress(asyncio.IncompleteReadError):
            await handle(reader, writer)

    server = await asyncio.start_server(join, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for end in ends:
            end.transport.abort()
            with suppress(OSError):
                await end.wait_closed()
