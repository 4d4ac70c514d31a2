"""The NGSI-LD API as one ASGI application: tenants, routes, errors in the standard's words.

Raw ASGI rather than Starlette's routing, which costs more than a look-up of an entity: the tables
of routes are dictionaries, a request is one small object, an answer two messages.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
import structlog
from starlette.types import Receive, Scope, Send

from cityloop.city.broker import Broker
from cityloop.kernel.errors import BusyError
from cityloop.standards.cim.asked import read_flag
from cityloop.standards.cim.problems import Problem
from cityloop.web.ngsild import (
    batch,
    contexts,
    discovery,
    entities,
    identity,
    openapi,
    purge,
    query,
    subscriptions,
    temporal,
    unsupported,
)
from cityloop.web.ngsild.negotiation import PROBLEM
from cityloop.web.ngsild.request import Answer, DisconnectedError, Request, Route, parts_of
from cityloop.web.ngsild.routing import MethodProblem, Routing, unknown_address

_log = structlog.get_logger()

PREFIX = openapi.PREFIX
_TOPICS: tuple[Route, ...] = (
    *entities.ROUTES,
    *batch.ROUTES,
    *contexts.ROUTES,
    *identity.ROUTES,
    *temporal.ROUTES,
    *unsupported.ROUTES,
    *purge.ROUTES,
    *subscriptions.ROUTES,
    *query.ROUTES,
    *discovery.ROUTES,
)
"""A topic adds its line here."""
ROUTES = (*_TOPICS, openapi.serving(_TOPICS))
"""Every operation."""


class NgsiLdApp:
    """The API of ``broker``; raises nothing but what the server itself has to see."""

    def __init__(self, broker: Broker, routes: Iterable[Route] = ROUTES) -> None:
        self._broker = broker
        self._routing = Routing(routes)

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
            raise unknown_address(raw)
        route = self._routing.find(request, slash=raw.endswith("/"))
        for name in request.params:
            if name not in route.params:
                told = ", ".join(sorted(route.params))
                raise Problem("InvalidRequest", f"no parameter {name!r} here; there are {told}")
        if "local" in request.params:
            read_flag(request.params, "local")
        _check_length(request)
        self._choose_tenant(request, route)
        if request.tenant.sighting is not None:
            await request.tenant.sighting.catch_up(_concerned(request))
        return await route.handler(request)

    def _choose_tenant(self, request: Request, route: Route) -> None:
        name = request.header(b"ngsild-tenant")
        if name:
            request.tenant = self._broker.tenant(name, create=route.creates)


_OF_NO_ENTITY = frozenset({"jsonldContexts", "info", "openapi.json"})


def _concerned(request: Request) -> tuple[str, ...] | None:
    """Of which entities a request has to see what sources said by now; None: it may be any."""
    first, *rest = request.path
    if first in _OF_NO_ENTITY or (request.path, request.method) == (("entities",), "POST"):
        return ()
    alone = first == "entities" and rest and "join" not in request.params
    return (rest[0],) if alone else None


def _check_length(request: Request) -> None:
    """Raise Problem (411) for a body whose length is not told, chunked ones among them (6.3.4)."""
    if request.method in ("POST", "PATCH", "PUT") and not request.header(b"content-length"):
        raise Problem("InvalidRequest", "the request has no Content-Length", status=411)


async def told(problem: Problem, send: Send) -> None:
    """Answer a request that no broker sees."""
    status, body, headers = _told(problem)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _told(problem: Problem) -> Answer:
    if problem.status == 411:
        return Answer(411)  # without a body, as 6.3.2 wants it
    body: dict[str, Any] = problem.body()
    headers = [(b"content-type", PROBLEM.encode())]
    if isinstance(problem, MethodProblem):
        headers.append((b"allow", problem.allow.encode()))
    return Answer(problem.status, msgspec.json.encode(body), headers)


async def _send(send: Send, request: Request, answer: Answer) -> None:
    status, body, headers = answer
    tenant = request.header(b"ngsild-tenant")
    headers = list(headers)
    if status != 204:
        headers.append((b"content-length", b"%d" % len(body)))
    if tenant:
        headers.append((b"ngsild-tenant", tenant.encode("latin-1")))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
