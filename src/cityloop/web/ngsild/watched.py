"""A broker of its own, as monitors see it: /metrics and /health beside the API."""

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from cityloop.city.broker import Broker
from cityloop.city.metrics_broker import standalone_figures
from cityloop.web.metrics_text import MEDIA, metrics_text

_HEALTH = ("/health/live", "/health/ready")


class Watched:
    """ASGI application: answers monitors, hands all else to ``app``.

    An answer at all says that the process lives and its loop turns; a broker takes requests only
    once its state has been brought up to its log, so it is ready then, too.
    """

    def __init__(self, app: ASGIApp, broker: Broker) -> None:
        self._app = app
        self._broker = broker

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope.get("path")
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
        elif path == "/metrics":
            await _tell(send, metrics_text(await standalone_figures(self._broker)), MEDIA)
        elif path in _HEALTH:
            await _tell(send, msgspec.json.encode({"ok": True, "parts": []}), "application/json")
        else:
            await self._app(scope, receive, send)


async def _tell(send: Send, body: bytes, media: str) -> None:
    headers = [(b"content-type", media.encode()), (b"content-length", b"%d" % len(body))]
    headers.append((b"cache-control", b"no-store"))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
