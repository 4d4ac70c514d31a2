"""The route table: an address is declared once, above the method that answers it.

The method's annotations are the contract. ``query`` and ``body`` name the types that a request
must fit, every other parameter is a piece of the path, ``request`` is the request itself, and the
answer's type is what the API promises: None is 204, an ASGI application answers by itself, all
else goes out as JSON. Routing, checking and the OpenAPI document (``web.openapi``) all follow from
it. FastAPI and Litestar do the same and much more; this is one file over msgspec, which the city
speaks anyway.
"""

import hashlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from cityloop.kernel.errors import MissingError

Verb = Literal["GET", "POST", "PUT", "DELETE"]
Answerer = Callable[..., Awaitable[Any]]
_Method = TypeVar("_Method", bound=Answerer)
_Value = TypeVar("_Value")
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a decorator says of a method.

    ``also``: further statuses and the types they carry. ``kept``: a client may keep the answer, and
    asks by its ETag whether it still holds (RFC 9110, 13.1.2). ``events``: of an event stream, the
    names of its events and the types of their data.
    """

    verb: Verb
    path: str
    summary: str
    media: tuple[str, ...] = (_JSON,)
    also: Mapping[int, Any] = field(default_factory=dict)
    kept: bool = False
    events: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One verb of one address, with the types of all that goes in and comes out."""

    declared: Declaration
    call: Answerer
    parts: Mapping[str, Any]
    query: type[msgspec.Struct] | None
    body: Any
    answer: Any
    wants_request: bool

    @property
    def plain_path(self) -> str:
        """The path as documents write it: ``/api/loops/{name}/mode``."""
        return self.declared.path.replace(":path}", "}")


@dataclass(frozen=True, slots=True)
class Answer(Generic[_Value]):
    """``value`` as JSON, with a status or headers of its own."""

    value: _Value
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def get(
    path: str,
    summary: str,
    *,
    media: tuple[str, ...] = (_JSON,),
    also: Mapping[int, Any] | None = None,
    kept: bool = False,
    events: Mapping[str, Any] | None = None,
) -> Callable[[_Method], _Method]:
    """Declare that a method answers ``GET path``. ``{name:path}`` takes names with slashes."""
    return _declare(Declaration("GET", path, summary, media, also or {}, kept, events or {}))


def post(path: str, summary: str) -> Callable[[_Method], _Method]:
    """Declare that a method carries out ``POST path``."""
    return _declare(Declaration("POST", path, summary))


def put(path: str, summary: str) -> Callable[[_Method], _Method]:
    """Declare that a method carries out ``PUT path``."""
    return _declare(Declaration("PUT", path, summary))


def _declare(declared: Declaration) -> Callable[[_Method], _Method]:
    def decorate(method: _Method) -> _Method:
        method.declared = declared  # type: ignore[attr-defined]  # read by endpoints() alone
        return method

    return decorate


def endpoints(topic: object) -> list[Endpoint]:
    """The declared methods of a topic, in the order they are written."""
    names = [name for name, value in vars(type(topic)).items() if hasattr(value, "declared")]
    return [_endpoint(getattr(topic, name)) for name in names]


def _endpoint(call: Any) -> Endpoint:
    kinds = get_type_hints(call, include_extras=True)
    answer = kinds.pop("return")
    if get_origin(answer) is Answer:
        (answer,) = get_args(answer)
    wants_request = kinds.pop("request", None) is not None
    query, body = kinds.pop("query", None), kinds.pop("body", None)
    for part in kinds:
        if f"{{{part}" not in call.declared.path:
            raise TypeError(f"{call.__qualname__} takes {part}, which is not in its path")
    return Endpoint(call.declared, call, kinds, query, body, answer, wants_request)


def routes(table: Iterable[Endpoint]) -> list[BaseRoute]:
    """Starlette's routes for the table: one per path, with all its verbs."""
    by_path: dict[str, dict[str, Endpoint]] = defaultdict(dict)
    for one in table:
        if by_path[one.declared.path].setdefault(one.declared.verb, one) is not one:
            raise TypeError(f"{one.declared.verb} {one.declared.path} is declared twice")
    return [Route(path, _Address(verbs)) for path, verbs in by_path.items()]


class _Address:
    """ASGI application of one path: picks the verb, reads, asks, writes."""

    def __init__(self, verbs: Mapping[str, Endpoint]) -> None:
        self._verbs = verbs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        verb = "GET" if request.method == "HEAD" else request.method
        if verb not in self._verbs:
            raise HTTPException(405, headers={"Allow": ", ".join(sorted(self._verbs))})
        answer = await _answered(self._verbs[verb], request)
        await answer(scope, receive, send)


async def _answered(one: Endpoint, request: Request) -> ASGIApp:
    arguments = {name: _part(request, name, kind) for name, kind in one.parts.items()}
    if one.query is not None:
        arguments["query"] = _query(request, one.query)
    if one.body is not None:
        arguments["body"] = msgspec.json.decode(await request.body(), type=one.body)
    if one.wants_request:
        arguments["request"] = request
    answer = _written(await one.call(**arguments))
    return _revalidated(answer, request) if one.declared.kept else answer


def _query(request: Request, kind: type[msgspec.Struct]) -> msgspec.Struct:
    """Raises ValidationError also for what is said twice, and for null, which is no word here."""
    said = request.query_params.multi_items()
    given = dict(said)
    if len(given) < len(said):
        raise msgspec.ValidationError("a field of the query is given twice")
    query = msgspec.convert(given, kind, strict=False)
    for name in given:
        if getattr(query, name) is None:
            raise msgspec.ValidationError(f"{name} cannot be null: leave it out instead")
    return query


def _revalidated(answer: ASGIApp, request: Request) -> ASGIApp:
    """The answer with its ETag, or 304 for who has it already."""
    if not isinstance(answer, Response):
        return answer
    tag = f'"{hashlib.blake2b(bytes(answer.body), digest_size=12).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    answer.headers.update(headers)
    return answer


def _part(request: Request, name: str, kind: Any) -> Any:
    text = request.path_params[name]
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError as error:
        raise MissingError(f"{name} {text!r}: {error}") from None


def _written(given: Any) -> ASGIApp:
    if given is None:
        return Response(status_code=204)
    if isinstance(given, Answer):
        return _json(given)
    if callable(given):
        app: ASGIApp = given
        return app
    return _json(Answer(given))


def _json(answer: Answer[Any]) -> Response:
    headers = {"cache-control": "no-store"} | dict(answer.headers)
    return Response(msgspec.json.encode(answer.value), answer.status, headers, media_type=_JSON)
