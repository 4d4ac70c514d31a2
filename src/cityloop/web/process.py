"""The web's own process: the application on the loopback, fed by the city's other processes."""

import asyncio
import signal
import socket
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from cityloop.city.city_broker import has_subscribers, open_city_broker
from cityloop.city.journal import keep_journal
from cityloop.city.live import LiveCity
from cityloop.city.site import WebSpec
from cityloop.city.wire import Line, Ready
from cityloop.web import HOST
from cityloop.web.app import Server, create_app
from cityloop.web.ngsild.of_city import CityApi

ASSETS = Path(__file__).parent / "static"


def main(spec: WebSpec, supervisor: "Connection[Any, Any]") -> None:
    """Serve until the supervisor says stop or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_journal()
    asyncio.run(_serve(spec, Line(supervisor)))


async def _serve(spec: WebSpec, supervisor: Line) -> None:
    city = LiveCity(spec.site, spec.hub, spec.truth, supervisor)
    wanted = has_subscribers(spec.site)
    broker = CityApi(partial(open_city_broker, spec.site, spec.hub), wanted=wanted)
    server = _Server(create_app(city, ASSETS, broker=broker), supervisor, spec.port)
    city.start(asyncio.get_running_loop(), server.end)
    city.parts.append(broker.health)
    city.metrics.parts.append(broker.figures)
    broker.start()
    try:
        await server.serve()
    finally:
        await broker.close()


class _Server(Server):
    """Says when it listens; ends when the supervisor does, not by signal."""

    def __init__(self, app: Starlette, supervisor: Line, port: int) -> None:
        super().__init__(app, HOST, port)
        self._supervisor = supervisor

    def end(self) -> None:
        """Finish what runs; safe from any thread."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then tell the supervisor."""
        await super().startup(sockets)
        if self.started:
            self._supervisor.send(Ready())
