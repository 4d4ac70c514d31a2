"""A city behind a real server on a real port."""

import asyncio
import socket
import threading
from collections.abc import Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.web.replay import ReplayCity

from cityloop.city.broker import Broker
from cityloop.city.broker_stores import BrokerStores
from cityloop.city.clock import wall_time
from cityloop.web.app import Server, create_app
from cityloop.web.ngsild.of_city import CityApi


class Served:
    """A replayed city, the address it is served at, and the thread that serves it.

    ``entities``: folder of the broker beside it; without one, nobody answers for entities.
    """

    def __init__(
        self, city: ReplayCity, assets: Path, port: int = 0, entities: Path | None = None
    ) -> None:
        self.city = city
        self._broker = (
            None if entities is None else CityApi(partial(_broker, entities), wanted=False)
        )
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port = int(self._socket.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._server = Server(create_app(city, assets, broker=self._broker))
        self._loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        await self._server.serve([self._socket])
        if self._broker is not None:
            await self._broker.close()

    def do(self, work: Coroutine[Any, Any, None]) -> None:
        """Let the city do something in the thread where it lives."""
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def advance(self, seconds: int = 1) -> None:
        """Let the city go on."""
        self.do(self.city.advance(seconds))

    def close(self) -> None:
        """Stop serving and wait for it."""
        self._server.should_exit = True
        self.thread.join(10)
        self._socket.close()


def _broker(folder: Path) -> Broker:
    return Broker(BrokerStores(folder, wall_time), wall_time, fetch=False)


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text("<!doctype html><title>page</title>")
    return tmp_path


@pytest.fixture
def served(assets: Path) -> Iterator[Served]:
    one = Served(ReplayCity(), assets)
    yield one
    one.close()


@pytest.fixture
def client(served: Served) -> Iterator[httpx.Client]:
    """A client that speaks as the page of this server does."""
    with httpx.Client(base_url=served.url, headers={"Origin": served.url}, timeout=10) as one:
        yield one
