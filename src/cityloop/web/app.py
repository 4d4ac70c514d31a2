"""The HTTP face of a city: its API, its stream and the page, on one Starlette application."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from cityloop.city.surface import DriveAction, HealthPart, ModeName, Operation
from cityloop.kernel.errors import ConfigError
from cityloop.web.port import CityPort
from cityloop.web.problems import HANDLERS
from cityloop.web.security import LOOPBACK, Doorkeeper
from cityloop.web.stream import EventStream, SharedStates, start_number
from cityloop.web.trend import TrendKeeper

ASSETS = Path(__file__).parent / "static"
MAX_ROWS = 1_000


class ModeChange(msgspec.Struct, forbid_unknown_fields=True):
    """Body of ``POST /api/loops/{name}/mode``."""

    group: str
    mode: ModeName
    shadow_result: str | None = None


class Advice(msgspec.Struct, forbid_unknown_fields=True):
    """Body of ``POST /api/advice/{id}``."""

    confirm: bool


class Operate(msgspec.Struct, forbid_unknown_fields=True):
    """Body of ``POST /api/junctions/{id}/operate``; ``minutes`` of city time, at most 240."""

    action: Operation
    phase: int | None = None
    minutes: float = 15.0

    def __post_init__(self) -> None:
        if not 0 < self.minutes <= 240:
            raise ValueError("minutes must be above 0 and at most 240")


class Drive(msgspec.Struct, forbid_unknown_fields=True):
    """Body of ``POST /api/drive``; ``speed`` (0 = as fast as it goes) belongs to action speed."""

    action: DriveAction
    speed: float | None = None

    def __post_init__(self) -> None:
        if (self.action == "speed") != (self.speed is not None):
            raise ValueError("action speed needs a speed, and no other action takes one")
        if self.speed is not None and not 0 <= self.speed <= 1000:
            raise ValueError("speed must be from 0 (as fast as it goes) to 1000")


class HealthAnswer(msgspec.Struct, frozen=True):
    """``ok`` is what the status code says: 200 or 503."""

    ok: bool
    parts: list[HealthPart]


class DecisionQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Query of ``GET /api/decisions``."""

    limit: int = 100
    junction: str | None = None
    after: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MAX_ROWS:
            raise ValueError(f"limit must be from 1 to {MAX_ROWS}")


class _Api:
    """One method per address; each reads its request, asks the city once and writes the answer."""

    def __init__(self, city: CityPort, closing: asyncio.Event) -> None:
        self._city = city
        self._closing = closing
        self._states = SharedStates(city)
        self.keeper = TrendKeeper(city)

    def routes(self) -> list[BaseRoute]:
        """Every address under /health and /api."""
        return [
            _get("/health/live", self.live),
            _get("/health/ready", self.ready),
            _get("/api/summary", self.summary),
            _get("/api/map", self.map),
            _get("/api/state", self.state),
            _get("/api/trend", self.trend),
            _get("/api/decisions", self.decisions),
            _get("/api/stream", self.stream),
            _post("/api/loops/{name:path}/mode", self.set_mode),
            _post("/api/advice/{id:path}", self.advise),
            _post("/api/junctions/{id:path}/operate", self.operate),
            _post("/api/drive", self.drive),
        ]

    async def live(self, _request: Request) -> Response:
        parts = self._city.health().parts
        return _health(parts, all(part.live for part in parts))

    async def ready(self, _request: Request) -> Response:
        parts = self._city.health().parts
        return _health(parts, all(part.live and part.ready for part in parts))

    async def summary(self, _request: Request) -> Response:
        return _json(self._city.summary())

    async def map(self, _request: Request) -> Response:
        return _json(self._city.map())

    async def state(self, _request: Request) -> Response:
        return _json(self._city.state())

    async def trend(self, _request: Request) -> Response:
        return _json(self.keeper.trend)

    async def decisions(self, request: Request) -> Response:
        query = msgspec.convert(dict(request.query_params), DecisionQuery, strict=False)
        return _json(self._city.decisions(query.limit, query.junction, query.after))

    async def stream(self, request: Request) -> EventStream:
        after = start_number(self._city, request.headers.get("last-event-id", ""))
        return EventStream(self._city, self._states, self._closing, after)

    async def set_mode(self, request: Request) -> Response:
        body = msgspec.json.decode(await request.body(), type=ModeChange)
        name = request.path_params["name"]
        await self._city.set_mode(name, body.group, body.mode, body.shadow_result)
        return Response(status_code=204)

    async def advise(self, request: Request) -> Response:
        body = msgspec.json.decode(await request.body(), type=Advice)
        await self._city.advise(request.path_params["id"], body.confirm)
        return Response(status_code=204)

    async def operate(self, request: Request) -> Response:
        body = msgspec.json.decode(await request.body(), type=Operate)
        junction = request.path_params["id"]
        await self._city.operate(junction, body.action, body.phase, body.minutes)
        return Response(status_code=204)

    async def drive(self, request: Request) -> Response:
        body = msgspec.json.decode(await request.body(), type=Drive)
        await self._city.drive(body.action, body.speed)
        return Response(status_code=204)


class _Assets(StaticFiles):
    """The built page. Vite names files by content hash, so all but the page itself may be kept."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        kept = path.startswith("assets/")
        response.headers["cache-control"] = "max-age=31536000, immutable" if kept else "no-cache"
        return response


def create_app(
    city: CityPort, assets: Path = ASSETS, hosts: frozenset[str] = LOOPBACK
) -> Starlette:
    """The application for one city.

    ``assets``: folder of the built front end. ``hosts``: names, without port, by which clients may
    address this server. Raises ConfigError when the front end was not built. Setting the
    ``asyncio.Event`` ``app.state.closing`` ends every stream.
    """
    if not (assets / "index.html").is_file():
        raise ConfigError(f"{assets} holds no index.html: build the front end with `make setup`")
    closing = asyncio.Event()
    api = _Api(city, closing)
    app = Starlette(
        routes=[*api.routes(), Mount("/", _Assets(directory=assets, html=True))],
        middleware=[Middleware(Doorkeeper, hosts=hosts)],
        exception_handlers=HANDLERS,
        lifespan=lambda _app: _following(api.keeper),
    )
    app.state.closing = closing
    return app


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
            timeout_graceful_shutdown=1,
        )
        super().__init__(config)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, then as uvicorn does."""
        self._closing.set()
        await super().shutdown(sockets)


@asynccontextmanager
async def _following(keeper: TrendKeeper) -> AsyncIterator[None]:
    task = asyncio.create_task(keeper.follow())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _get(path: str, answer: Callable[[Request], Awaitable[Any]]) -> Route:
    return Route(path, answer, methods=["GET"])


def _post(path: str, answer: Callable[[Request], Awaitable[Any]]) -> Route:
    return Route(path, answer, methods=["POST"])


def _json(value: object) -> Response:
    headers = {"cache-control": "no-store"}
    return Response(msgspec.json.encode(value), headers=headers, media_type="application/json")


def _health(parts: list[HealthPart], ok: bool) -> Response:
    response = _json(HealthAnswer(ok, parts))
    response.status_code = 200 if ok else 503
    return response
