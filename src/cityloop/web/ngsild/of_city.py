"""The NGSI-LD API of a running city: opened when it is first asked for, or has subscribers."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress

import structlog
from starlette.types import Receive, Scope, Send

from cityloop.city.broker import Broker
from cityloop.city.metrics_broker import broker_figures
from cityloop.city.surface import HealthPart
from cityloop.kernel.errors import BusyError, CorruptError
from cityloop.kernel.figures import Told
from cityloop.standards.cim.problems import Problem
from cityloop.web.ngsild.app import NgsiLdApp, told

_log = structlog.get_logger()
_RETRY_S = 0.5


class CityApi:
    """ASGI application. ``open_broker`` gives the broker of the city; it raises OSError while the
    city has no log yet. ``wanted``: whether somebody waits for it though nobody asks.
    """

    def __init__(self, open_broker: Callable[[], Broker], *, wanted: bool) -> None:
        self._open_broker = open_broker
        self._wanted = wanted
        self._broker: Broker | None = None
        self._app: NgsiLdApp | None = None
        self._opener: asyncio.Task[None] | None = None
        self._failing = ""

    def health(self) -> HealthPart:
        """Whether it can answer; one that nobody asked yet can."""
        return HealthPart("broker", True, not self._failing, self._failing)

    def figures(self) -> Iterable[Told]:
        """The broker's; none before it was opened."""
        return broker_figures(self._broker) if self._broker is not None else ()

    def start(self) -> None:
        """Open where subscribers wait; needs a running event loop."""
        if self._wanted:
            self._opener = asyncio.get_running_loop().create_task(self._keep_opening())

    async def _keep_opening(self) -> None:
        while self._app is None:
            try:
                self._opened()
            except (OSError, BusyError, CorruptError) as error:
                self._failing = f"subscribers are not told: {error}"
                _log.info("subscribers wait for the city's log", why=str(error))
                await asyncio.sleep(_RETRY_S)

    def _opened(self) -> NgsiLdApp:
        if self._app is None:
            self._broker = self._open_broker()
            self._broker.start()
            self._app = NgsiLdApp(self._broker)
            self._failing = ""
        return self._app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            app = self._opened()
        except (OSError, BusyError, CorruptError) as error:
            self._failing = f"the city's log cannot be read: {error}; try again in a second"
            await told(Problem("InternalError", self._failing, status=503), send)
            return
        await app(scope, receive, send)

    async def close(self) -> None:
        """Let what is queued be written, then let go of all files."""
        if self._opener is not None:
            self._opener.cancel()
            with suppress(asyncio.CancelledError):
                await self._opener
        if self._broker is not None:
            await self._broker.close()
