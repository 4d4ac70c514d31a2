"""Messages between the processes of one city, over Unix sockets in a folder only we can enter.

A broken connection is a fact at once (unlike with a broker): the cabinets rest on that.
"""

import asyncio
import os
import select
import socket
import struct
from collections.abc import Iterable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, TypeAlias, cast

import msgspec

from cityloop.kernel.reasons import Reason

TWIN_SOURCE = "twin"
"""What the loop's twin is called in the log."""


class Message(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Whatever one process tells another; tagged by its class name."""


class Hello(Message, frozen=True):
    """A twin, or a source of the intake, introduces its run. ``source`` names it in the log."""

    source: str
    run: str


class Welcome(Message, frozen=True):
    """The hub's answer: the highest sequence of this run that is already committed, and that it
    has taken (the log may not have it yet).
    """

    committed: int
    taken: int = 0


class Names(Message, frozen=True):
    """Entity ids that later batches refer to by digest (``standards.arrow.write_ids``)."""

    body: bytes


class Sensed(Message, frozen=True):
    """A batch as bytes. ``late``: it was kept back while the hub was away. ``faults``: what of its
    payloads could not be read, as msgpack of ``standards.readings.Fault``. ``again``: a person lets
    in once more what was rejected.
    """

    sequence: int
    body: bytes
    late: bool = False
    faults: bytes = b""
    again: bool = False


class Again(Message, frozen=True):
    """The hub hands rejects of a source back to be read again (``standards.kept``)."""

    numbers: tuple[int, ...]
    contents: tuple[bytes, ...]


class Tried(Message, frozen=True):
    """The source has delivered these rejects again, and the log holds what was accepted."""

    numbers: tuple[int, ...]


class Committed(Message, frozen=True):
    """The log holds all batches of this line up to ``sequence``."""

    sequence: int


class CityMoved(Message, frozen=True):
    """City time, for sources that follow it."""

    run: str
    now: int


class SourceTold(Message, frozen=True):
    """How a source's line to the outside world is; ``dropped`` since the intake started."""

    state: str
    reason: str
    dropped: int
    devices: int


class Plans(Message, frozen=True):
    """Time-of-day plans for the cabinets, from now on: ``standards.plans.Schedule`` as JSON."""

    body: bytes


class OrderColumns(Message, frozen=True):
    """``kernel.loop.Orders`` on the wire; ``rows`` and ``actions`` as little-endian int64."""

    issued_at: int
    expires_at: int
    epoch: int
    priority: int
    rows: bytes
    actions: bytes


class Reply(Message, frozen=True):
    """The hub's answer to ``Sensed``: what to do now, and what it has durably kept."""

    sequence: int
    committed: int
    orders: tuple[OrderColumns, ...] = ()


class Reader(Message, frozen=True):
    """A reader (the web) asks to be told of the city's state."""


class Told(Message, frozen=True):
    """Something for readers: ``topic`` "state", "decisions" or "static", JSON ``body``."""

    topic: str
    body: bytes


class Ask(Message, frozen=True):
    """A person's command by way of the web; answered by ``Answer`` with the same number."""

    number: int
    verb: str
    arguments: dict[str, Any]


class Answer(Message, frozen=True):
    """``refused`` is a sentence when the command was not carried out, else empty; ``why``: the same
    for programs."""

    number: int
    refused: str = ""
    why: tuple[Reason, ...] = ()


class Stop(Message, frozen=True):
    """The supervisor ends a process; it has two seconds."""


class Ready(Message, frozen=True):
    """A process has started and does its work."""


class Behind(Message, frozen=True):
    """A process cannot do its work for now, and why; empty: it can again."""

    why: str


class BusTold(Message, frozen=True):
    """How the bus follows the log: ``interconnection.bus.publisher.BusHealth``."""

    state: str
    reason: str
    behind: int
    age_s: float


class Roll(Message, frozen=True):
    """Who lives, for hub and web: process → "live", "starting" or why it does not live.

    ``troubles``: processes that ended and do not live steadily yet, as ``city.troubles`` says.
    ``bus``: how it last was, where the city has a server for it.
    ``behind``: those that cannot do their work, and why.
    """

    processes: dict[str, str]
    speed: float
    paused: bool
    troubles: dict[str, tuple[int, int]] = {}
    bus: BusTold | None = None
    behind: dict[str, str] = {}


class Measured(Message, frozen=True):
    """A process tells its figures: ``kernel.figures`` as JSON. The supervisor hands it to the web,
    with ``process``, the name that it knows the process by.
    """

    body: bytes
    process: str = ""


class Traced(Message, frozen=True):
    """The hub to the tracer: what it sent as ``sequence`` has passed ``stage``; with the stage
    "log" the position that covers it, and what the guard let pass.
    """

    sequence: int
    stage: str
    position: int = 0
    orders: tuple[OrderColumns, ...] = ()


class TraceLost(Message, frozen=True):
    """The tracer to the hub: a trace did not come back, as ``alarm_rules.LostTrace``; with nothing
    missing it did after all.
    """

    passed: str
    missing: str
    waited_s: float
    since: int


class Grant(Message, frozen=True):
    """The conductor lets a twin run up to and including second ``until`` of its run."""

    until: int


class Progress(Message, frozen=True):
    """A twin has reached second ``at``; ``done`` when its hour is over."""

    at: int
    done: bool = False


class Drive(Message, frozen=True):
    """How fast the twins go: ``speed`` in city seconds a second, 0 for as fast as they can."""

    speed: float
    paused: bool
    step: int = 0


class Demand(Message, frozen=True):
    """A twin's ground truth at the start, one row per planned vehicle, as float64: the planned
    departure in seconds of the run, and the seconds its route takes on an empty road. ``begins``:
    the city time of the run's second 0.
    """

    twin: str
    run: str
    begins: int
    planned: bytes
    free: bytes


class Truth(Message, frozen=True):
    """Ground truth for display and evaluation; no loop input can reach it.

    ``arrived``: int64 indices into the planned departures, ``arrival_s``: float64, since the last.
    """

    twin: str
    run: str
    at: int
    vehicles: int
    waiting: int
    arrived: bytes
    arrival_s: bytes


class Look(Message, frozen=True):
    """The reader of ground truth says whether somebody looks at vehicles."""

    wanted: bool


class Positions(Message, frozen=True):
    """Where every vehicle is at city time ``at``: int32 ids (rows of the planned departures;
    others get higher numbers), float32 metres of the network's plane, degrees from north, m/s.
    """

    twin: str
    run: str
    at: int
    ids: bytes
    x: bytes
    y: bytes
    angle: bytes
    speed: bytes


class WorkersHere(Message, frozen=True):
    """The process that runs parts of loops introduces itself to the hub."""


class Fed(Message, frozen=True):
    """A batch that loops watch. ``number`` counts up from 1 within the hub's life; parts need
    nothing before ``first`` any more.
    """

    number: int
    first: int
    body: bytes


class LeaseAsked(Message, frozen=True):
    """Somebody is ready to run part ``part`` of ``loop``."""

    loop: str
    part: int


class Leased(Message, frozen=True):
    """It may, from ``state`` on (empty: from the start), after the commits with ``after < position
    <= until`` and then the batches from number ``then``. Whoever held the part before holds it no
    longer.
    """

    loop: str
    version: str
    part: int
    epoch: int
    state: bytes
    after: int
    until: int
    then: int


class Found(Message, frozen=True):
    """What a part saw at batch ``number``: columns of findings, or why there are none."""

    loop: str
    part: int
    epoch: int
    number: int
    body: bytes
    failure: str


class Remembered(Message, frozen=True):
    """The memory of a part as of batch ``number``."""

    loop: str
    part: int
    epoch: int
    number: int
    state: bytes


class LoopChanged(Message, frozen=True):
    """Another version of a loop runs from now on: its parts begin anew."""

    loop: str


_KINDS = (
    Fed | Found | LeaseAsked | Leased | LoopChanged | Remembered | WorkersHere |
    Answer | Ask | Behind | Demand | Drive | Grant | Hello | Look | Names | Plans | Positions
    | Progress | Reader | Ready | Reply | Roll | Sensed | Stop | Told | Truth | Welcome
    | Again | BusTold | CityMoved | Committed | Measured | SourceTold | Traced | TraceLost | Tried
)  # fmt: skip
# How multiprocessing.connection.Connection marks what is shorter than 2 GiB.
_LENGTH = struct.Struct("!i")
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_KINDS)


class Line:
    """One end of a connection that carries messages whole."""

    def __init__(self, connection: "Connection[Any, Any]") -> None:
        self._connection = connection

    def fileno(self) -> int:
        """So that ``ready_among`` can wait for it."""
        return self._connection.fileno()

    def send(self, message: Message) -> None:
        """Raises OSError when the other end is gone."""
        self._connection.send_bytes(_encoder.encode(message))

    def receive(self) -> Message:
        """Waits for the next message; raises EOFError or OSError when the other end is gone."""
        message: Message = _decoder.decode(self._connection.recv_bytes())
        return message

    def ready(self, timeout_s: float = 0.0) -> bool:
        """Whether a message (or the end) can be received within ``timeout_s``."""
        return self._connection.poll(timeout_s)

    def writable(self) -> bool:
        """Whether a short message can be sent without waiting for the other end."""
        return bool(select.select((), (self,), (), 0)[1])

    def hang_up(self) -> None:
        """Ends the conversation for both ends at once; whoever waits in a call is woken."""
        with socket.socket(fileno=os.dup(self.fileno())) as end, suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Ends the connection; closing twice is fine."""
        self._connection.close()


class AsyncLine:
    """The calling end of a ``Line`` within asyncio; both put the same bytes on the wire."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def call(cls, path: Path) -> "AsyncLine":
        """Connects to ``path``; raises OSError when nobody listens."""
        return cls(*await asyncio.open_unix_connection(path))

    async def send(self, message: Message) -> None:
        """Raises OSError when the other end is gone."""
        body = _encoder.encode(message)
        self._writer.write(_LENGTH.pack(len(body)))
        self._writer.write(body)
        await self._writer.drain()

    async def receive(self) -> Message:
        """Waits for the next message; raises EOFError or OSError when the other end is gone."""
        (length,) = _LENGTH.unpack(await self._reader.readexactly(_LENGTH.size))
        message: Message = _decoder.decode(await self._reader.readexactly(length))
        return message

    def close(self) -> None:
        """Ends the connection; closing twice is fine."""
        self._writer.close()


Waitable: TypeAlias = "Line | socket.socket | Connection[Any, Any]"


def ready_among(sources: Iterable[Waitable], timeout_s: float | None = None) -> list[Waitable]:
    """Those that have something to receive (or a caller, or an end); waits for the first."""
    waiting: Any = sources
    return cast("list[Waitable]", wait(waiting, timeout_s))


def listen(path: Path) -> socket.socket:
    """A listening socket at ``path``, taking the place of one left behind."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(16)
    return listener


def accept(listener: socket.socket) -> Line:
    """The next caller; the listener must be readable."""
    caller, _ = listener.accept()
    caller.setblocking(True)
    return Line(Connection(caller.detach()))


def limit_sending(line: Line, patience_s: float) -> None:
    """From now on ``send`` raises OSError after waiting that long for the other end."""
    span = struct.pack("ll", int(patience_s), int(patience_s % 1 * 1e6))
    with socket.socket(fileno=os.dup(line.fileno())) as end:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, span)


def call(path: Path, patience_s: float | None = None) -> Line:
    """Connects to ``path``; raises OSError when nobody listens.

    With ``patience_s``, ``receive`` and ``send`` raise OSError after waiting that long.
    """
    caller = socket.socket(socket.AF_UNIX)
    if patience_s is not None:
        span = struct.pack("ll", int(patience_s), int(patience_s % 1 * 1e6))
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, span)
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, span)
    try:
        caller.connect(str(path))
    except OSError:
        caller.close()
        raise
    return Line(Connection(caller.detach()))
