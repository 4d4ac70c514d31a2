"""Errors as a person and a program read them: problem details (RFC 9457), and what to do next."""

import http
from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from cityloop.city.surface import Why
from cityloop.kernel.errors import BusyError, MissingError, RefusedError


class Problem(msgspec.Struct, frozen=True):
    """RFC 9457 members, and ``advice``: what to do about it.

    ``why``: the reasons of a refusal for programs, where it has them.

    ``type`` stays "about:blank" (section 4.2.1): title and status say the same as HTTP does.
    """

    title: str
    status: int
    detail: str
    instance: str
    advice: str = ""
    type: str = "about:blank"
    why: Sequence[Why] = ()


def problem(
    status: int, detail: str, instance: str, advice: str = "", headers: dict[str, str] | None = None
) -> Response:
    """The response for ``detail`` (what went wrong) at ``instance`` (where)."""
    return _told(Problem(_phrase(status), status, detail, instance, advice), headers)


def _told(body: Problem, headers: dict[str, str] | None = None) -> Response:
    content = msgspec.json.encode(body)
    return Response(content, body.status, headers, media_type="application/problem+json")


def _phrase(status: int) -> str:
    return http.HTTPStatus(status).phrase


async def refused(request: Request, error: RefusedError) -> Response:
    """A command that is not permitted here and now."""
    why = [Why(one.code, dict(one.numbers)) for one in error.why]
    advice = "Nothing was changed."
    return _told(Problem(_phrase(409), 409, str(error), request.url.path, advice, why=why))


async def missing(request: Request, error: MissingError) -> Response:
    """The address exists, but not what it names."""
    return problem(404, str(error), request.url.path, "/api/map and the lists name what exists.")


async def busy(request: Request, error: BusyError) -> Response:
    """The part of the city that would answer is away."""
    advice = "Nothing was changed. Try again in a second; /health/ready names the part."
    return problem(503, str(error), request.url.path, advice, {"Retry-After": "1"})


async def unreadable(request: Request, error: msgspec.MsgspecError) -> Response:
    """A body or a query that does not say what this address needs."""
    return problem(422, str(error), request.url.path, "Send the fields this address documents.")


async def http_error(request: Request, error: HTTPException) -> Response:
    """What routing refuses: no such address, no such method."""
    headers = dict(error.headers) if error.headers else None
    return problem(error.status_code, error.detail, request.url.path, headers=headers)


async def broken(request: Request, _error: Exception) -> Response:
    """A fault of ours; the server logs it with its trace."""
    advice = "This is a fault in cityloop: report it with the lines the server logged."
    return problem(500, "The server failed on this request.", request.url.path, advice)


HANDLERS: dict[Any, Any] = {
    RefusedError: refused,
    BusyError: busy,
    MissingError: missing,
    msgspec.MsgspecError: unreadable,
    HTTPException: http_error,
    500: broken,
}
