"""The NGSI-LD API as an OpenAPI 3.1 document, made of the routes and of what ``described`` says.

``GET /ngsi-ld/v1/openapi.json`` serves it.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Final

import msgspec

from cityloop import __version__
from cityloop.web.ngsild.described import PARAMETERS, TOLD, Told
from cityloop.web.ngsild.negotiation import GEO_JSON, LD_JSON, PROBLEM
from cityloop.web.ngsild.request import CONTENT_JSON, Answer, Request, Route
from cityloop.web.ngsild.schemas import COUNT, NAME, SCHEMAS, Json, ref

PREFIX: Final = "/ngsi-ld/v1"
_PARTS = {
    "entities": "entityId",
    "attrs": "attrId",
    "*": "instanceId",
    "subscriptions": "subscriptionId",
    "jsonldContexts": "contextId",
    "types": "type",
    "attributes": "attrId",
    "csourceRegistrations": "registrationId",
    "csourceSubscriptions": "subscriptionId",
}
"""What stands at a ``*``, by the part before."""
_ANY_ERRORS = (400, 404, 503, 504)
_BODY_ERRORS = (411, 413, 415)
_FEATURES = {"anyOf": [ref("Feature"), ref("FeatureCollection")]}
_WITHOUT_BODY = (411,)
_TENANT = {"type": "string", "pattern": "^[!-~]{0,80}$"}
_HEADERS: dict[str, Json] = {
    "NGSILD-Tenant": {"description": "The tenant that was asked.", "schema": NAME},
    "NGSILD-Results-Count": {"description": "How many there are.", "schema": COUNT},
    "Link": {"description": "The @context; the pages before and after.", "schema": NAME},
    "Content-Range": {"description": "The time that is told.", "schema": NAME},
    "Location": {"description": "Where it lies.", "schema": NAME},
}
_OF_STATUS = {
    200: ("NGSILD-Tenant", "NGSILD-Results-Count", "Link"),
    201: ("NGSILD-Tenant", "Location"),
    206: ("NGSILD-Tenant", "NGSILD-Results-Count", "Link", "Content-Range"),
}


def document(routes: Iterable[Route]) -> Json:
    """The document that describes ``routes``; raises KeyError for one that nothing is said of."""
    paths: dict[str, Json] = {}
    for route in routes:
        operation = _operation(route, TOLD[f"{route.method} {route.path}"])
        paths.setdefault(_address(route), {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "cityloop: NGSI-LD (ETSI GS CIM 009)",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": SCHEMAS},
    }


def serving(routes: Sequence[Route]) -> Route:
    """The route that serves the document of ``routes`` and of itself."""

    @lru_cache(maxsize=1)
    def encoded() -> bytes:
        return msgspec.json.encode(document((*routes, own)))

    async def serve(_: Request) -> Answer:
        return Answer(200, encoded(), [CONTENT_JSON])

    own = Route("GET", "openapi.json", serve)
    return own


def _parts(route: Route) -> list[tuple[str, str]]:
    """Each part of the path, with the name of what stands there at a ``*``."""
    before, parts = "", []
    for part in route.path.split("/"):
        parts.append((part, _PARTS[before] if part == "*" else ""))
        before = part
    return parts


def _address(route: Route) -> str:
    told = (f"{{{name}}}" if name else part for part, name in _parts(route))
    return "/".join((PREFIX, *told))


def _operation(route: Route, told: Told) -> Json:
    path = [
        {"name": name, "in": "path", "required": True, "schema": NAME}
        for _, name in _parts(route)
        if name
    ]
    query = [
        {"name": name, "in": "query", "description": what, "schema": schema}
        for name, (schema, what) in PARAMETERS.items()
        if name in route.params
    ]
    tenant = {"name": "NGSILD-Tenant", "in": "header", "schema": _TENANT}
    operation: Json = {
        "operationId": _name(route),
        "summary": told.summary,
        "parameters": [*path, *query, tenant],
        "responses": _responses(told),
    }
    if told.body is not None:
        sent = (told.body if told.bare else _sent(told.body, media) for media in told.media)
        content = {media: {"schema": body} for media, body in zip(told.media, sent, strict=True)}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _name(route: Route) -> str:
    words = route.path.replace("*", "one").replace(".", "_").split("/")
    return "_".join((route.method.lower(), *words))


def _sent(body: Json, media: str) -> Json:
    """``body`` as it travels in ``media``: linked data brings its @context, other JSON none."""
    if body.get("type") == "array":
        return {**body, "items": _sent(body["items"], media)} if "$ref" not in body else body
    if media == LD_JSON:
        return {"allOf": [body, {"type": "object", "required": ["@context"]}]}
    return {"allOf": [body, {"not": {"required": ["@context"]}}]}


def _responses(told: Told) -> Json:
    errors = {*_ANY_ERRORS, *told.errors}
    if told.body is not None:
        errors |= {*_BODY_ERRORS}
    if any(body is not None for body in told.answers.values()):
        errors.add(406)
    answers = {str(status): _answer(status, body, told) for status, body in told.answers.items()}
    return answers | {str(status): _problem(status) for status in sorted(errors)}


def _answer(status: int, body: Json | None, told: Told) -> Json:
    headers = {name: _HEADERS[name] for name in _OF_STATUS.get(status, ("NGSILD-Tenant",))}
    answer: Json = {"description": HTTPStatus(status).phrase, "headers": headers}
    if body is not None:
        answer["content"] = {
            media: {"schema": _FEATURES if media == GEO_JSON else body} for media in told.offers
        }
    return answer


def _problem(status: int) -> Json:
    answer: Json = {"description": HTTPStatus(status).phrase}
    if status not in _WITHOUT_BODY:
        answer["content"] = {PROBLEM: {"schema": ref("ProblemDetails")}}
    return answer
