"""A request of the NGSI-LD API as its handlers see it, and the answer they give."""

from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import parse_qsl, unquote

import msgspec
from starlette.types import Receive, Scope

from cityloop.city.broker import Broker, BrokerTenant
from cityloop.standards.cim.core import CORE_URL
from cityloop.standards.cim.iris import checked_id
from cityloop.standards.cim.problems import Problem, bad_request
from cityloop.standards.cim.terms import Terms
from cityloop.web.ngsild.negotiation import (
    DOCUMENTS,
    JSON,
    LD_JSON,
    MERGE_PATCH,
    accepted,
    linked_context,
    media_type,
)

MOST_BYTES = 64 << 20
"""Of a body; a larger one is answered 413."""

Headers: TypeAlias = list[tuple[bytes, bytes]]
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Answer(NamedTuple):
    """Status, body and headers; ``Content-Length`` and ``NGSILD-Tenant`` are added by the app."""

    status: int
    body: bytes = b""
    headers: Headers = []  # noqa: RUF012 - never changed: a handler makes its own


class DisconnectedError(Exception):
    """The client hung up before its body was whole."""


LONG_QUERY = 1_024
"""Bytes of a query that is not remembered; machines ask the shorter ones again and again."""
_NO_PARAMS: Mapping[str, str] = MappingProxyType({})


def params_of(query: bytes) -> Mapping[str, str]:
    """The parameters of a query, decoded; of several of one name the last."""
    return _decoded(query) if len(query) > LONG_QUERY else _remembered(query)


def _decoded(query: bytes) -> Mapping[str, str]:
    return MappingProxyType(dict(parse_qsl(query.decode(), True))) if query else _NO_PARAMS


_remembered = lru_cache(maxsize=1_024)(_decoded)


class Request:
    """One request. ``names``: what stands in the path at the ``*`` of its route, decoded."""

    __slots__ = ("_headers", "_params", "_receive", "broker", "names", "path", "scope", "tenant")

    def __init__(self, scope: Scope, receive: Receive, broker: Broker, path: tuple[str, ...]):
        self.scope = scope
        self.broker = broker
        self.path = path
        self.names: tuple[str, ...] = ()
        self.tenant: BrokerTenant = broker.default
        self._receive = receive
        self._headers: dict[bytes, bytes] = dict(scope["headers"])
        self._params: Mapping[str, str] | None = None

    @property
    def method(self) -> str:
        """GET, POST …"""
        method: str = self.scope["method"]
        return method

    def header(self, name: bytes) -> str:
        """A header by its name in lower case; empty when it is not there."""
        return self._headers.get(name, b"").decode("latin-1")

    @property
    def params(self) -> Mapping[str, str]:
        """What ``params_of`` finds in the query."""
        if self._params is None:
            self._params = params_of(self.scope["query_string"])
        return self._params

    def listed(self, name: str) -> list[str]:
        """The items of a parameter that is a list with commas."""
        return [item.strip() for item in self.params.get(name, "").split(",") if item.strip()]

    @property
    def options(self) -> frozenset[str]:
        """The items of ``options`` and of ``format``."""
        params = self.params
        if "options" not in params and "format" not in params:
            return _NOTHING
        return frozenset(self.listed("options") + self.listed("format"))

    def entity_id(self) -> str:
        """The first name in the path, which has to be an IRI; raises Problem."""
        return checked_id(self.names[0], "the id in the path")

    def accept(self, offers: tuple[str, ...] = DOCUMENTS) -> str:
        """The media type to answer in; raises Problem (406)."""
        return accepted(self.header(b"accept"), offers)

    @property
    def link(self) -> str | None:
        """The URL of the @context that the Link header names."""
        header = self._headers.get(b"link")
        return linked_context(header.decode("latin-1")) if header else None

    async def terms(self, context: Any = None) -> Terms:
        """The Terms of ``context``, by default of what the Link header names, else of the core."""
        named = self.link if context is None else context
        contexts = self.broker.contexts
        return contexts.known(named) or await contexts.terms(named)

    async def body(self) -> bytes:
        """The body; raises Problem when it is too large."""
        message = await self._receive()
        body: bytes = message.get("body", b"")
        if message["type"] == "http.request" and not message.get("more_body"):
            return body
        chunks, size = [body], len(body)
        while message["type"] == "http.request" and message.get("more_body"):
            message = await self._receive()
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if size > MOST_BYTES:
                detail = f"the body has more than {MOST_BYTES >> 20} MiB; send it in parts"
                raise Problem("InvalidRequest", detail, status=413)
        if message["type"] != "http.request":
            raise DisconnectedError
        return b"".join(chunks)

    async def payload(self, allowed: tuple[str, ...] = DOCUMENTS) -> tuple[bytes, str]:
        """The body and its media type; raises Problem."""
        media = media_type(self.header(b"content-type"), allowed)
        if media == LD_JSON and self.link is not None:
            raise bad_request(f"a body of {LD_JSON} brings its own @context; send no Link header")
        return await self.body(), media

    async def json(self, allowed: tuple[str, ...] = DOCUMENTS) -> tuple[Any, str]:
        """The body decoded, and its media type; raises Problem."""
        body, media = await self.payload(allowed)
        try:
            return _decode(body), media
        except DECODE_ERRORS as error:
            raise no_json(error) from error

    async def document(self, allowed: tuple[str, ...] = DOCUMENTS) -> tuple[Any, Terms]:
        """The body, a JSON object, and the Terms in force for it (6.3.5); raises Problem."""
        body, media = await self.json(allowed)
        if not isinstance(body, dict):
            raise Problem("InvalidRequest", "the body is no JSON object")
        if not body:
            raise bad_request("the body is an object without members; write what is to be done")
        return body, await self.terms_of(body, media)

    async def terms_of(self, item: Any, media: str) -> Terms:
        """The Terms in force for one object of a body of type ``media``; raises Problem."""
        inline = isinstance(item, dict) and "@context" in item
        if media == JSON and inline:
            raise bad_request(f"a body of {JSON} has no @context; send {LD_JSON} or a Link header")
        if media == LD_JSON and not inline:
            raise bad_request(f"a body of {LD_JSON} has a member @context; send it, or {JSON}")
        return await self.terms(item["@context"] if inline else None)


DECODE_ERRORS = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
"""What decoding a body may raise."""


def no_json(error: Exception) -> Problem:
    """The error of a body that is no JSON."""
    return Problem("InvalidRequest", f"the body is no JSON: {error}")


_NOTHING: frozenset[str] = frozenset()
WITH_MERGE_PATCH = (JSON, LD_JSON, MERGE_PATCH)
"""What a PATCH may be sent as."""


class Route(NamedTuple):
    """What answers a method on a path; ``*`` stands for any one part of it.

    ``params``: what the query may name; anything else is refused (6.3.20). ``creates``: the
    operation makes a tenant that does not exist yet (5.5.10).
    """

    method: str
    path: str
    handler: Callable[[Request], Awaitable[Answer]]
    params: frozenset[str] = frozenset()
    creates: bool = False


def named(*names: str) -> frozenset[str]:
    """The parameters of a Route, with those that every operation takes."""
    return frozenset({*names, "local"})


def parts_of(path: str) -> tuple[str, ...]:
    """The parts of a raw path, decoded; the empty last one of a trailing slash is left out."""
    parts = path.strip("/").split("/") if not path.endswith("//") else path[1:-1].split("/")
    return tuple(map(unquote, parts)) if "%" in path else tuple(parts)


def answer_json(
    request: Request,
    terms: Terms,
    body: Any,
    offers: tuple[str, ...] = DOCUMENTS,
) -> Answer:
    """``body`` (an object or a list of objects) with its @context where the media type has it."""
    media = request.accept(offers)
    if media == JSON:
        return Answer(200, _encode(body), [CONTENT_JSON, link_header(terms)])
    if isinstance(body, list):
        body = [{**each, "@context": terms.context} for each in body]
    else:
        body = {**body, "@context": terms.context}
    return Answer(200, _encode(body), [(b"content-type", media.encode())])


CONTENT_JSON = (b"content-type", JSON.encode())


def link_header(terms: Terms) -> tuple[bytes, bytes]:
    """The Link header that names the @context of an answer in plain JSON."""
    url = terms.link or CORE_URL
    rel = 'rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'
    return b"link", f"<{url}>; {rel}".encode()


def answer_plain(body: Any, status: int = 200, headers: Headers | None = None) -> Answer:
    """A body without any @context."""
    return Answer(status, _encode(body), [CONTENT_JSON, *(headers or [])])
