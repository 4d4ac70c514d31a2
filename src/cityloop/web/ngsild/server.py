"""The NGSI-LD API on a port of its own."""

import gc
import signal
import socket
from collections.abc import Callable

import uvicorn

from cityloop.city.broker import Broker
from cityloop.web import HOST
from cityloop.web.ngsild.app import NgsiLdApp
from cityloop.web.ngsild.watched import Watched

_MOST_CONNECTIONS = 2_000
_COLLECT = (20_000, 20, 20)


async def serve(broker: Broker, port: int, announce: Callable[[], None]) -> None:
    """Serve ``broker`` on the loopback until SIGINT or SIGTERM, then close it.

    ``announce`` is called once it listens.
    """
    config = uvicorn.Config(
        Watched(NgsiLdApp(broker), broker),
        host=HOST,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        ws="none",
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=5,
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn ends on it, then raises it once more: by then it has been heeded.
        signal.signal(number, lambda *_: None)
    # What is loaded stays; most of the rest is the entities of one request, gone with its answer.
    gc.freeze()
    gc.set_threshold(*_COLLECT)
    broker.start()
    try:
        await _Server(config, announce).serve()
    finally:
        await broker.close()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        if self.started:
            self._announce()
