"""A subscriber on the loopback, for as long as a person listens: hands on what a broker posts."""

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cityloop.kernel.errors import ConfigError
from cityloop.web import HOST

_WAITING = 1_000
_MOST_BYTES = 64 << 20
_LET_GO_S = 5.0


class Receiver(ThreadingHTTPServer):
    """``url``: where to post to. Answers 204 once a body is queued, so that whoever stops reading
    makes the broker wait, and the broker keeps what it could not hand over."""

    daemon_threads = True
    # A thread of a kept connection ends with the broker's; nobody waits for it at the end.
    block_on_close = False

    def __init__(self, port: int) -> None:
        self.news: queue.Queue[Any] = queue.Queue(_WAITING)
        try:
            super().__init__((HOST, port), _Post)
        except OSError as error:
            raise ConfigError(f"--port {port} cannot be used ({error.strerror})") from None
        self.url = f"http://{HOST}:{self.server_address[1]}/"


class _Post(BaseHTTPRequestHandler):
    server: Receiver
    # Connections are kept: the broker sends a message for every commit.
    protocol_version = "HTTP/1.1"
    # Head and body of the answer go out at once, not 40 ms apart.
    wbufsize = -1

    def do_POST(self) -> None:
        """One notification."""
        length = int(self.headers.get("Content-Length", "0"))
        if length > _MOST_BYTES:
            self._answer(413)
            return
        try:
            body = json.loads(self.rfile.read(length))
        except ValueError:
            self._answer(400)
            return
        try:
            self.server.news.put(body, timeout=_LET_GO_S)
        except queue.Full:
            self._answer(503)
            return
        self._answer(204)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing: what is told is what was heard."""


@contextmanager
def receiving(port: int) -> Iterator[Receiver]:
    """A receiver that listens within the block; port 0 is any that is free."""
    with Receiver(port) as receiver:
        thread = threading.Thread(target=receiver.serve_forever, name="receiver")
        thread.start()
        try:
            yield receiver
        finally:
            receiver.shutdown()
            thread.join()
