"""Modbus against a real server: the map, its gaps, what the controller refuses, and a lost line."""

import asyncio
from random import Random

import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from tests.perception.inlet import HandWall, Inlet

from cityloop.perception.sources.modbus import Modbus, ModbusSettings, Register, blocks
from cityloop.standards.registers import write_value

NOW = 1_777_900_000_000
WEATHER = {"type": "WeatherObserved", "entity": "roof"}
REGISTERS = [
    Register(address=0, attribute="temperature", format="int16", scale=0.1, **WEATHER),
    Register(address=1, attribute="rain", format="float32", **WEATHER),
    Register(
        address=3, attribute="windSpeed", format="uint32", word_order="little", unit="km/h",
        **WEATHER,
    ),
    Register(address=100, attribute="weatherCode", kind="input", missing=65535, **WEATHER),
]  # fmt: skip


async def _serving(port: int) -> ModbusTcpServer:
    words = [65536 - 53, *write_value(0.5, "float32"), *write_value(36, "uint32", "little")]
    bits = [SimData(0, values=[True] * 16, datatype=DataType.BITS)]
    device = SimDevice(
        1,
        simdata=(
            bits,
            bits,
            [SimData(0, values=words, datatype=DataType.REGISTERS)],
            [SimData(100, values=65535, datatype=DataType.REGISTERS)],
        ),
    )
    server = ModbusTcpServer(device, address=("127.0.0.1", port))
    await server.serve_forever(background=True)
    return server


def _source(port: int, registers: list[Register]) -> Modbus:
    settings = ModbusSettings(host="127.0.0.1", port=port, registers=registers, timeout_s=1.0)
    return Modbus(settings, HandWall(NOW), random=Random(1), wait=_a_moment)


async def _a_moment(_: float) -> None:
    await asyncio.sleep(0.01)


def _listened(port: int, registers: list[Register], count: int) -> Inlet:
    async def run() -> Inlet:
        server = await _serving(port)
        inlet = Inlet()
        task = asyncio.create_task(_source(port, registers).run(inlet))
        async with asyncio.timeout(20):
            await inlet.until(count)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.shutdown()
        return inlet

    return asyncio.run(run())


def test_registers_are_scaled_joined_and_converted(free_port: int) -> None:
    inlet = _listened(free_port, REGISTERS, 4)
    roof = "urn:ngsi-ld:WeatherObserved:roof"
    assert {(entity, at) for entity, at, *_ in inlet.said} == {(roof, NOW)}
    assert inlet.reasons == []
    said = {name: value for *_, name, value in inlet.said}
    assert said["temperature"] == pytest.approx(-5.3)
    assert said["rain"] == 0.5
    assert said["windSpeed"] == pytest.approx(10.0)


def test_a_coil_is_a_boolean(free_port: int) -> None:
    coil = Register(
        address=3, kind="coil", type="BikeHireDockingStation", entity="a", attribute="renting"
    )
    assert _listened(free_port, [coil], 1).said[0][3] is True


def test_the_value_that_means_no_reading_is_null(free_port: int) -> None:
    inlet = _listened(free_port, REGISTERS, 4)
    assert {value for *_, name, value in inlet.said if name == "weatherCode"} == {None}


def test_a_register_that_the_controller_lacks_is_a_fault_and_its_neighbours_are_read(
    free_port: int,
) -> None:
    absent = Register(address=5, attribute="visibility", **WEATHER)
    inlet = _listened(free_port, [*REGISTERS[:3], absent], 3)
    assert inlet.reasons[0] == "illegal address"
    assert {name for *_, name, _ in inlet.said} == {"temperature", "rain", "windSpeed"}


def test_a_line_that_breaks_is_told_and_made_again(free_port: int) -> None:
    async def run() -> tuple[str, Inlet]:
        inlet = Inlet()
        task = asyncio.create_task(_source(free_port, REGISTERS).run(inlet))
        async with asyncio.timeout(20):
            reason = await inlet.told("failing")
            server = await _serving(free_port)
            await inlet.told("ok")
            inlet.states.clear()
            await server.shutdown()
            await inlet.told("failing")
            inlet.states.clear()
            server = await _serving(free_port)
            await inlet.told("ok")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.shutdown()
        return reason, inlet

    reason, inlet = asyncio.run(run())
    assert reason == f"nobody answers at 127.0.0.1:{free_port}"
    assert inlet.said


def test_one_request_reads_what_lies_side_by_side_and_nothing_between() -> None:
    found = [(b.kind, b.address, b.count) for b in blocks(REGISTERS)]
    assert found == [("holding", 0, 5), ("input", 100, 1)]


def test_no_request_asks_for_more_than_a_controller_may_answer() -> None:
    registers = [
        Register(address=row, attribute="rain", type="WeatherObserved", entity=str(row))
        for row in range(300)
    ]
    assert [b.count for b in blocks(registers)] == [125, 125, 50]


def test_every_mistake_of_the_map_is_told() -> None:
    wrong = Register(address=0, type="WeatherObserved", entity="", attribute="mood")
    settings = ModbusSettings(host="x", registers=[wrong])
    assert [what for _, what, _ in settings.mistakes()] == [
        "WeatherObserved.mood is not declared",
        "no entity id",
    ]
