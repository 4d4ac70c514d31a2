"""The HTTP face of a city: its API, its stream and the page, on one Starlette application."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Scope

from cityloop.kernel.errors import ConfigError
from cityloop.web.api_admin import AdminRoutes
from cityloop.web.api_alarms import AlarmRoutes
from cityloop.web.api_city import CityRoutes
from cityloop.web.api_commands import CommandRoutes
from cityloop.web.api_export import ExportRoutes
from cityloop.web.api_health import HealthRoutes
from cityloop.web.api_loops import LoopRoutes
from cityloop.web.api_metrics import MetricsRoutes
from cityloop.web.api_past import PastRoutes
from cityloop.web.api_sources import SourceRoutes
from cityloop.web.api_stream import StreamRoutes
from cityloop.web.export import XLSX
from cityloop.web.openapi import document
from cityloop.web.port import CityPort
from cityloop.web.problems import HANDLERS
from cityloop.web.route import Endpoint, endpoints, get, routes
from cityloop.web.security import API_PATH, LOOPBACK, Doorkeeper

_GZIP: dict[str, Any] = {
    "minimum_size": 1_000,
    "compresslevel": 5,
    # A workbook is compressed already.
    "exclude_content_types": (*DEFAULT_EXCLUDED_CONTENT_TYPES, XLSX),
}
ASSETS = Path(__file__).parent / "static"


class _Manual:
    """The API's description of itself."""

    def __init__(self) -> None:
        self.described: dict[str, Any] = {}

    @get("/api/openapi.json", "This API as an OpenAPI 3.1 document")
    async def openapi(self) -> dict[str, Any]:
        """All addresses with their types."""
        return self.described


def route_table(city: CityPort, closing: asyncio.Event) -> list[Endpoint]:
    """Every address under /health and /api; a topic adds its line here."""
    manual = _Manual()
    topics = (
        HealthRoutes(city),
        MetricsRoutes(city),
        manual,
        CityRoutes(city),
        StreamRoutes(city, closing),
        PastRoutes(city),
        ExportRoutes(city),
        CommandRoutes(city),
        AlarmRoutes(city),
        LoopRoutes(city),
        SourceRoutes(city),
        AdminRoutes(city),
    )
    table = [one for topic in topics for one in endpoints(topic)]
    manual.described = document(table)
    return table


class _Assets(StaticFiles):
    """The built page. Vite names files by content hash, so all but the page itself may be kept."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        kept = path.startswith("assets/")
        response.headers["cache-control"] = "max-age=31536000, immutable" if kept else "no-cache"
        return response


def create_app(
    city: CityPort,
    assets: Path = ASSETS,
    hosts: frozenset[str] = LOOPBACK,
    broker: ASGIApp | None = None,
) -> Starlette:
    """The application for one city.

    ``assets``: folder of the built front end. ``hosts``: names, without port, by which clients may
    address this server. ``broker``: answers all below /ngsi-ld. Raises ConfigError when the front
    end was not built. Setting the ``asyncio.Event`` ``app.state.closing`` ends every stream;
    ``app.state.table`` is the table of endpoints.
    """
    if not (assets / "index.html").is_file():
        raise ConfigError(f"{assets} holds no index.html: build the front end with `make setup`")
    closing = asyncio.Event()
    table = route_table(city, closing)
    api = [Mount(API_PATH, broker)] if broker is not None else []
    app = Starlette(
        routes=[*routes(table), *api, Mount("/", _Assets(directory=assets, html=True))],
        middleware=[Middleware(Doorkeeper, hosts=hosts), Middleware(GZipMiddleware, **_GZIP)],
        exception_handlers=HANDLERS,
    )
    app.state.closing = closing
    app.state.table = table
    return app


_MOST_CONNECTIONS = 1_000
"""Further ones are answered 503 at once; each costs a file and, on the stream, a turn."""


class Server(uvicorn.Server):
    """uvicorn that hangs up on stream clients when it is to exit, so stopping takes no time.

    ``await serve()`` runs until SIGINT, SIGTERM or ``should_exit``.
    """

    def __init__(self, app: Starlette, host: str = "127.0.0.1", port: int = 8000) -> None:
        self._closing: asyncio.Event = app.state.closing
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            log_level="warning",
            access_log=False,
            server_header=False,
            ws="none",
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_graceful_shutdown=1,
        )
        super().__init__(config)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, then as uvicorn does."""
        self._closing.set()
        await super().shutdown(sockets)
