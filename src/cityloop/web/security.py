"""What a request must pass before it meets a route: whom it names, whence it comes, its size.

The page can take junctions by hand, so a foreign web site that a user has open must not be able to
speak through their browser: the Host check stops DNS rebinding, the Origin and content type checks
stop forged posts, and no CORS header is ever sent.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cityloop.web.problems import problem

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
MAX_BODY_BYTES, MAX_TABLE_BYTES = 16_384, 2_097_152
"""Of a command, and of a table that is put in the place of another."""

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

API_PATH = "/ngsi-ld"
"""Below it the context broker answers, which has limits and words of its own."""


class Doorkeeper:
    """ASGI middleware: refuses foreign hosts, foreign or untyped posts and large bodies, and sets
    the security headers on every answer.

    ``hosts``: the host names, without port, by which this server may be addressed.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may pass."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = problem(*refusal) if (refusal := self._refusal(scope)) else self._app
        await answer(scope, receive, _secured(send))

    def _refusal(self, scope: Scope) -> tuple[int, str, str, str] | None:
        """(status, what, where, what to do) for a request that may not pass."""
        headers, where = Headers(scope=scope), scope["path"]
        host = headers.get("host", "")
        if _host_name(host) not in self._hosts:
            names = ", ".join(sorted(self._hosts))
            return 421, f"This server is not {host!r}.", where, f"Address it as one of: {names}."
        if scope["method"] in {"GET", "HEAD"}:
            return None
        origin = headers.get("origin", "")
        if where.startswith(API_PATH + "/") and not origin:
            return None  # not from a browser's page: those say whence they come
        if origin.partition("://")[2] != host:
            what = f"Commands are taken from this server's own page, not from origin {origin!r}."
            return 403, what, where, f"Send the header Origin: {scope['scheme']}://{host}."
        if where.startswith(API_PATH + "/"):
            return None
        if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            what = "Commands are taken as JSON only."
            return 415, what, where, "Send the header Content-Type: application/json."
        length = headers.get("content-length", "")
        if not length.isdecimal():  # without it, nothing would bound a chunked body
            return 411, "The body's length is not given.", where, "Send the header Content-Length."
        most = MAX_TABLE_BYTES if scope["method"] == "PUT" else MAX_BODY_BYTES
        if int(length) > most:
            what = f"The body is larger than {most} bytes."
            return 413, what, where, "A command is a few short fields; send only those."
        return None


def _host_name(authority: str) -> str | None:
    """The name in ``name:port`` or ``[address]:port``; None for what is neither."""
    try:
        return urlsplit(f"//{authority}").hostname
    except ValueError:
        return None


def _secured(send: Send) -> Send:
    async def secured(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(HEADERS)
        await send(message)

    return secured
