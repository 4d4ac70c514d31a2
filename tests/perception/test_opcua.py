"""OPC UA against a real server: changes, times and quality as it says them, and a lost line."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
from asyncua import Server, ua
from tests.perception.inlet import HandWall, Inlet

from cityloop.kernel.clock import city_time
from cityloop.perception.sources.opcua import Node, OpcUa, OpcUaSettings

NINE = datetime(2026, 5, 4, 9, tzinfo=UTC)
NODES = [
    Node(node="ns=2;s=roof.temperature", type="WeatherObserved", entity="roof",
         attribute="temperature", unit="FAH"),
    Node(node="ns=2;s=roof.code", type="WeatherObserved", entity="roof", attribute="weatherCode"),
]  # fmt: skip
SERVER_STARTS_S = 60


class Works:
    """A server with two nodes, in a thread of its own; it is slow to start, so all share it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._server = self._do(self._serve())

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(SERVER_STARTS_S)

    async def _serve(self) -> Server:
        server = Server()
        await server.init()
        server.set_endpoint(f"opc.tcp://127.0.0.1:{self.port}/city")
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        index = await server.register_namespace("urn:city:test")
        for node in NODES:
            name = node.node.rpartition("=")[2]
            value = 50.0 if "temperature" in name else ua.Int64(3)
            await server.nodes.objects.add_variable(ua.NodeId(name, index), name, value)
        await server.start()
        return server

    def write(self, node: Node, value: object, status: int = ua.StatusCodes.Good) -> None:
        told = ua.DataValue(ua.Variant(value), StatusCode=ua.StatusCode(status),
                            SourceTimestamp=NINE)  # fmt: skip
        written = self._server.write_attribute_value(ua.NodeId.from_string(node.node), told)
        self._do(written)

    async def _stop(self) -> None:
        await self._server.stop()
        # The library leaves the loops of lost sessions behind.
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def close(self) -> None:
        self._do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture(scope="module")
def works(unused_port: int) -> Iterator[Works]:
    found = Works(unused_port)
    yield found
    found.close()


@pytest.fixture(autouse=True)
def _as_at_the_start(works: Works) -> None:
    works.write(NODES[0], 50.0)
    works.write(NODES[1], ua.Int64(3))


async def _a_moment(_: float) -> None:
    await asyncio.sleep(0.01)


def _source(port: int, nodes: list[Node], **more: Any) -> OpcUa:
    url = f"opc.tcp://127.0.0.1:{port}/city"
    settings = OpcUaSettings(url=url, nodes=nodes, every_s=0.05, timeout_s=2.0, **more)
    return OpcUa(settings, "", HandWall(0), random=Random(1), wait=_a_moment)


def _listened(
    port: int, act: Callable[[Inlet], Awaitable[None]], nodes: list[Node] = NODES, **more: Any
) -> Inlet:
    """What a source delivered while ``act`` went on."""

    async def run() -> Inlet:
        inlet = Inlet()
        task = asyncio.create_task(_source(port, nodes, **more).run(inlet))
        try:
            async with asyncio.timeout(20):
                await act(inlet)
        finally:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        return inlet

    return asyncio.run(run())


def test_values_come_with_their_source_time_in_the_declared_unit(works: Works) -> None:
    inlet = _listened(works.port, lambda inlet: inlet.until(2))
    assert {(at, name) for _, at, name, _ in inlet.said} == {
        (city_time(NINE), "temperature"),
        (city_time(NINE), "weatherCode"),
    }
    assert inlet.said[0][3] == pytest.approx(10.0)


def test_a_change_is_delivered(works: Works) -> None:
    async def act(inlet: Inlet) -> None:
        await inlet.until(2)
        works.write(NODES[0], 68.0)
        await inlet.until(3)

    assert _listened(works.port, act).said[-1][3] == pytest.approx(20.0)


def test_a_value_of_bad_quality_is_a_fault(works: Works) -> None:
    async def act(inlet: Inlet) -> None:
        await inlet.until(2)
        works.write(NODES[0], 68.0, ua.StatusCodes.BadSensorFailure)
        while not inlet.reasons:
            await _a_moment(0)

    inlet = _listened(works.port, act)
    assert inlet.reasons == ["bad quality: BadSensorFailure"]
    assert len(inlet.said) == 2


@pytest.mark.parametrize(("uncertain", "taken"), [("take", 3), ("refuse", 2)])
def test_a_value_of_uncertain_quality_is_taken_as_declared(
    works: Works, uncertain: str, taken: int
) -> None:
    async def act(inlet: Inlet) -> None:
        await inlet.until(2)
        works.write(NODES[0], 68.0, ua.StatusCodes.UncertainLastUsableValue)
        while len(inlet.said) + len(inlet.reasons) < 3:
            await _a_moment(0)

    assert len(_listened(works.port, act, uncertain=uncertain).said) == taken


def test_a_node_that_the_server_lacks_is_a_fault_and_the_others_speak(works: Works) -> None:
    absent = Node(node="ns=2;s=nobody", type="WeatherObserved", entity="x", attribute="rain")
    inlet = _listened(works.port, lambda inlet: inlet.until(1), [NODES[0], absent])
    assert inlet.reasons == ["the server refuses it: BadNodeIdUnknown"]


class Wire:
    """A port that leads to another until it is cut."""

    def __init__(self, port: int, to: int) -> None:
        self._port, self._to = port, to
        self._ends: list[asyncio.StreamWriter] = []
        self._pumps: set[asyncio.Task[None]] = set()

    async def lay(self) -> None:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", self._port)

    async def cut(self) -> None:
        self._server.close()
        for end in self._ends:
            end.transport.abort()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        self._ends.clear()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to)
        self._ends += [writer, far_writer]
        for source, target in ((reader, far_writer), (far_reader, writer)):
            pump = asyncio.create_task(self._pump(source, target))
            self._pumps.add(pump)

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                target.write(data)
        target.close()


def test_a_line_that_breaks_is_told_and_made_again(works: Works, free_port: int) -> None:
    async def act(inlet: Inlet) -> None:
        wire = Wire(free_port, works.port)
        assert "127.0.0.1" in await inlet.told("failing")
        await wire.lay()
        await inlet.until(2)
        inlet.states.clear()
        await wire.cut()
        await inlet.told("failing")
        await wire.lay()
        await inlet.until(4)
        await wire.cut()

    _listened(free_port, act)


def test_every_mistake_of_the_nodes_is_told() -> None:
    wrong = Node(node="i=1", type="Wether", entity="x", attribute="rain")
    settings = OpcUaSettings(url="opc.tcp://x", nodes=[wrong], user="me")
    assert [what for _, what, _ in settings.mistakes()] == [
        "user and password belong together",
        "Wether.rain is not declared",
    ]
