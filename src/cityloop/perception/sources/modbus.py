"""Modbus TCP: registers of a controller, read at a fixed pace by a declared map.

Modbus has neither time nor names: an observation is of the moment at which the answer came, and the
map says what a register is. Needs the extra ``sources`` (pymodbus).
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from random import Random, SystemRandom
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from cityloop.kernel.clock import CityTime, Clock
from cityloop.kernel.errors import BusyError, ConfigError
from cityloop.perception.backoff import Backoff
from cityloop.perception.field_line import (
    MOST_PAUSE_S,
    LineError,
    Wait,
    keep_line,
    map_mistakes,
)
from cityloop.perception.source import Intake, Mistake, Setup, SourceSettings
from cityloop.standards.feeds.tables import entity_id
from cityloop.standards.readings import Decoded, Faults
from cityloop.standards.registers import RegisterFormat, WordOrder, read_value, words_of
from cityloop.standards.singles import Singles

if TYPE_CHECKING:
    from pymodbus.client import AsyncModbusTcpClient
    from pymodbus.pdu import ModbusPDU

Kind = Literal["holding", "input", "coil", "discrete"]
_MOST_WORDS, _MOST_BITS = 125, 2000
_BITS = ("coil", "discrete")
_ILLEGAL_ADDRESS = 2
_EXCEPTIONS = {
    1: "illegal function",
    2: "illegal address",
    3: "illegal value",
    4: "device failure",
    6: "device busy",
    11: "the gateway's target does not answer",
}


class Register(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One value of the map.

    ``address``: of its first register, counted from 0. ``type``, ``entity``, ``attribute``: what
    it says and of what. The value is raw × ``scale`` + ``offset`` in ``unit`` (symbol or code;
    empty for the declared one). ``missing``: the raw value that means "no reading".
    """

    address: Annotated[int, Meta(ge=0, le=65535)]
    type: str
    entity: str
    attribute: str
    kind: Kind = "holding"
    format: RegisterFormat = "uint16"
    word_order: WordOrder = "big"
    scale: float = 1.0
    offset: float = 0.0
    unit: str = ""
    missing: int | None = None

    @property
    def words(self) -> int:
        """Registers, or bits, that it takes."""
        return 1 if self.kind in _BITS else words_of(self.format)


class ModbusSettings(SourceSettings, frozen=True, kw_only=True, tag="modbus"):
    """``[sources.NAME] kind = "modbus"``. ``unit_id``: the device behind the address."""

    trial_may_acknowledge: ClassVar[bool] = True

    host: str
    registers: Annotated[list[Register], Meta(min_length=1)]
    port: Annotated[int, Meta(ge=1, le=65535)] = 502
    unit_id: Annotated[int, Meta(ge=0, le=255)] = 1
    every_s: Annotated[float, Meta(ge=0.05)] = 5.0
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 3.0

    def mistakes(self) -> Iterable[Mistake]:
        """What one key alone does not tell."""
        yield from map_mistakes("registers", self.registers)

    def source(self, setup: Setup) -> "Modbus":
        """The adapter; raises ConfigError where pymodbus is not installed."""
        try:
            import pymodbus  # noqa: F401 (told now, not at the first reading)
        except ImportError:
            raise ConfigError(
                "kind modbus needs the extra 'sources': pip install 'cityloop[sources]'"
            ) from None
        # What it would warn of, people read as the source's state.
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
        return Modbus(self, setup.clock)


@dataclass(frozen=True, slots=True)
class Block:
    """Registers that lie side by side and are read with one request."""

    kind: Kind
    address: int
    count: int
    registers: tuple[Register, ...]


def blocks(registers: Sequence[Register]) -> list[Block]:
    """The fewest requests for ``registers``; no address between them is touched."""
    found: list[Block] = []
    placed = sorted(registers, key=lambda r: (r.kind, r.address))
    for kind, group in groupby(placed, key=lambda r: r.kind):
        most = _MOST_BITS if kind in _BITS else _MOST_WORDS
        run: list[Register] = []
        for register in group:
            end = max((r.address + r.words for r in run), default=register.address)
            begin = run[0].address if run else register.address
            if register.address > end or register.address + register.words - begin > most:
                found.append(_block(kind, run))
                run = []
            run.append(register)
        found.append(_block(kind, run))
    return found


def _block(kind: Kind, run: Sequence[Register]) -> Block:
    begin = run[0].address
    end = max(register.address + register.words for register in run)
    return Block(kind, begin, end - begin, tuple(run))


class Modbus:
    """Reads one controller."""

    def __init__(
        self,
        settings: ModbusSettings,
        clock: Clock,
        *,
        random: Random | None = None,
        wait: Wait = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._wait = wait
        self._backoff = Backoff(1.0, MOST_PAUSE_S, random or SystemRandom())
        self._blocks = blocks(settings.registers)

    async def run(self, intake: Intake) -> None:
        """Read until cancelled; a line that breaks is made again after growing pauses."""
        await keep_line(self._serve, intake, self._backoff, self._wait)

    async def _serve(self, intake: Intake) -> None:
        """Read on one line until it breaks; raises LineError then."""
        from pymodbus.client import AsyncModbusTcpClient

        settings = self._settings
        client = AsyncModbusTcpClient(
            settings.host,
            port=settings.port,
            timeout=settings.timeout_s,
            retries=0,
            # Its own reconnecting would hide from people that the line is down.
            reconnect_delay=0,
        )
        try:
            if not await client.connect():
                raise LineError(f"nobody answers at {settings.host}:{settings.port}")
            while True:
                await self._read(client, intake)
                await self._wait(settings.every_s)
        finally:
            client.close()

    async def _read(self, client: "AsyncModbusTcpClient", intake: Intake) -> None:
        """All registers once, delivered together."""
        singles, faults = Singles(), Faults()
        for block in self._blocks:
            await self._read_block(client, block, singles, faults)
        decoded = faults.of(singles.readings(faults, "registers"))
        self._backoff.reset()
        intake.tell("ok")
        await self._deliver(intake, decoded)

    async def _deliver(self, intake: Intake, decoded: Decoded) -> None:
        try:
            await intake.deliver(decoded)
        except BusyError:
            # A controller holds no history: the next reading takes this one's place.
            intake.dropped(sum(part.observations for part in decoded.readings))
            intake.tell("waiting", "the city takes no more just now; readings are left out")

    async def _read_block(
        self, client: "AsyncModbusTcpClient", block: Block, singles: Singles, faults: Faults
    ) -> None:
        answer = await self._ask(client, block)
        if not answer.isError():
            self._take(block, answer, singles)
            return
        code = getattr(answer, "exception_code", 0)
        if code == _ILLEGAL_ADDRESS and len(block.registers) > 1:
            # Some controllers refuse a request that touches one register they lack.
            for register in block.registers:
                alone = Block(block.kind, register.address, register.words, (register,))
                await self._read_block(client, alone, singles, faults)
            return
        reason = _EXCEPTIONS.get(code, f"Modbus exception {code}")
        for register in block.registers:
            faults.add(
                f"{block.kind} {register.address}",
                reason,
                entity=entity_id(register.entity, register.type),
                attribute=register.attribute,
            )

    async def _ask(self, client: "AsyncModbusTcpClient", block: Block) -> "ModbusPDU":
        from pymodbus.exceptions import ModbusException

        read = {
            "holding": client.read_holding_registers,
            "input": client.read_input_registers,
            "coil": client.read_coils,
            "discrete": client.read_discrete_inputs,
        }[block.kind]
        try:
            return await read(block.address, count=block.count, device_id=self._settings.unit_id)
        except (ModbusException, OSError, TimeoutError) as error:
            raise LineError(f"{self._settings.host} does not answer: {error}") from None

    def _take(self, block: Block, answer: "ModbusPDU", singles: Singles) -> None:
        at = CityTime(self._clock())
        cells = answer.bits if block.kind in _BITS else answer.registers
        if len(cells) < block.count:
            raise LineError(f"{block.count} values were asked for, {len(cells)} came")
        for register in block.registers:
            begin = register.address - block.address
            value = _value(register, cells[begin : begin + register.words])
            entity = entity_id(register.entity, register.type)
            singles.add(register.type, register.attribute, register.unit, entity, at, value)


def _value(register: Register, cells: Sequence[int | bool]) -> bool | int | float | None:
    """What a register says, scaled; None where it says that it has no reading."""
    if register.kind in _BITS:
        return bool(cells[0])
    raw = read_value([int(cell) for cell in cells], register.format, register.word_order)
    if isinstance(raw, bool):
        return raw
    if raw == register.missing:
        return None
    if register.scale == 1.0 and register.offset == 0.0:
        return raw
    return raw * register.scale + register.offset
