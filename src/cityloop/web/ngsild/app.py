"""The NGSI-LD API as one ASGI application: tenants, routes, errors in the standard's words.

Raw ASGI rather than Starlette's routing, which costs more than a look-up of an entity: the tables
of routes are dictionaries, a request is one small object, an answer two messages.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import structlog
from starlette.types import Receive, Scope, Send

from cityloop.city.broker import Broker
from cityloop.kernel.errors import BusyError
from cityloop.standards.cim.problems import Problem
from cityloop.web.ngsild import (
    batch,
    contexts,
    discovery,
    entities,
    identity,
    purge,
    query,
    subscriptions,
    temporal,
)
from cityloop.web.ngsild.negotiation import PROBLEM
from cityloop.web.ngsild.request import Answer, DisconnectedError, Request, Route, parts_of

_log = structlog.get_logger()

PREFIX = "/ngsi-ld/v1"
ROUTES: tuple[Route, ...] = (
    *entities.ROUTES,
    *batch.ROUTES,
    *contexts.ROUTES,
    *identity.ROUTES,
    *temporal.ROUTES,
    *purge.ROUTES,
    *subscriptions.ROUTES,
    *query.ROUTES,
    *discovery.ROUTES,
)
"""Every operation; a topic adds its line here."""

_Methods = dict[str, Route]
_Table = dict[int, list[tuple[tuple[str, ...], _Methods]]]


class NgsiLdApp:
    """The API of ``broker``; raises nothing but what the server itself has to see."""

    def __init__(self, broker: Broker, routes: Iterable[Route] = ROUTES) -> None:
        self._broker = broker
        self._table = _table_of(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        raw: str = scope["raw_path"].decode("latin-1")
        request = Request(scope, receive, self._broker, parts_of(raw.removeprefix(PREFIX)))
        try:
            answer = await self._answer(request, raw)
        except Problem as problem:
            answer = _told(problem)
        except DisconnectedError:
            return
        except (BusyError, OSError) as error:
            _log.error("request_failed", path=raw, error=str(error))
            answer = _told(Problem("InternalError", str(error), status=503))
        await _send(send, request, answer)

    async def _answer(self, request: Request, raw: str) -> Answer:
        if not raw.startswith(PREFIX + "/"):
            raise _unknown(raw)
        route = self._find(request, raw)
        for name in request.params:
            if name not in route.params:
                told = ", ".join(sorted(route.params))
                raise Problem("InvalidRequest", f"no parameter {name!r} here; there are {told}")
        self._choose_tenant(request, route)
        return await route.handler(request)

    def _find(self, request: Request, raw: str) -> Route:
        methods = self._methods(request, request.path)
        if request.method not in methods and raw.endswith("/") and len(request.path) == 1:
            # Nothing stands where an id should: the address is of one thing, the id is wrong.
            methods = self._methods(request, (*request.path, "")) or methods
        if not methods:
            raise _unknown(request.scope["path"])
        route = methods.get(request.method)
        if route is None:
            allowed = ", ".join(methods)
            detail = f"{request.method} is not possible here; there is {allowed}"
            raise Problem("InvalidRequest", detail, status=405)
        return route

    def _methods(self, request: Request, path: tuple[str, ...]) -> Mapping[str, Route]:
        for pattern, methods in self._table.get(len(path), ()):
            pairs = list(zip(pattern, path, strict=True))
            if all(wanted in ("*", part) for wanted, part in pairs):
                request.names = tuple(part for wanted, part in pairs if wanted == "*")
                return methods
        return {}

    def _choose_tenant(self, request: Request, route: Route) -> None:
        name = request.header(b"ngsild-tenant")
        if name:
            request.tenant = self._broker.tenant(name, create=route.creates)


def _table_of(routes: Iterable[Route]) -> _Table:
    table: _Table = {}
    for route in routes:
        pattern = tuple(route.path.split("/"))
        same_length = table.setdefault(len(pattern), [])
        methods: _Methods | None = next(
            (held for each, held in same_length if each == pattern), None
        )
        if methods is None:
            methods = {}
            same_length.append((pattern, methods))
        methods[route.method] = route
    for same_length in table.values():
        # What is named goes before what stands for anything.
        same_length.sort(key=lambda each: each[0].count("*"))
    return table


def _unknown(path: str) -> Problem:
    return Problem("ResourceNotFound", f"{path} is no address of this API")


def _told(problem: Problem) -> Answer:
    body: dict[str, Any] = problem.body()
    content = (b"content-type", PROBLEM.encode())
    return Answer(problem.status, msgspec.json.encode(body), [content])


async def _send(send: Send, request: Request, answer: Answer) -> None:
    status, body, headers = answer
    tenant = request.header(b"ngsild-tenant")
    headers = [*headers, (b"content-length", b"%d" % len(body))]
    if tenant:
        headers.append((b"ngsild-tenant", tenant.encode("latin-1")))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
