"""What MQTT carries, durable, through the gate; HTTP push is measured in ``benchmarks.push``.

    python -m benchmarks.intake

A real mosquitto, hub and intake process, and messages of 300 bytes of one entity each. ``rate`` is
wall time, beside it what the two processes took of CPU: on a busy machine only the latter tells.
Acknowledgements are timed at half the rate that is asked for, and at half of the highest rate of
this run.
"""

import asyncio
import json
import multiprocessing as mp
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
import psutil

from benchmarks.record import Result, record
from cityloop.city import hub_process, intake_process
from cityloop.city.build import build_site
from cityloop.city.wire import Reader, Told, call
from cityloop.kernel.clock import WallTime, iso
from cityloop.perception.devices import Declared
from cityloop.perception.sources import AnySource
from cityloop.perception.sources.mqtt import MqttSettings
from cityloop.standards import mqtt
from cityloop.standards.attributes import declared

HANGZHOU = Path(__file__).parent.parent / "examples" / "hangzhou"
MQTT_PORT = 18931
MESSAGES = 150_000
DEVICES = 5_000
TYPE = "TrafficFlowObserved"
LATENCY_S, ASKED_RATE = 5.0, 8_000
_PACE_S, _PACKET_IDS, _PUBACK = 0.005, 60_000, 0x4002
MANY, TYPES = 50_000, 20


def payload(number: int, at_ms: int) -> bytes:
    """A message of 300 bytes, as Smart Data Models write one."""
    entity = {
        "id": f"urn:ngsi-ld:{TYPE}:d{number % DEVICES:05d}",
        "type": TYPE,
        "dateObserved": iso(WallTime(at_ms)),
        "intensity": number % 200,
        "occupancy": round(number % 97 / 100, 2),
        "averageVehicleSpeed": round(20 + number % 331 / 10, 1),
        "averageHeadwayTime": round(1 + number % 53 / 10, 1),
        "congested": False,
        "laneId": 1,
    }
    body = json.dumps(entity, separators=(",", ":"))
    return (body[:-1] + ',"description":"' + "x" * (282 - len(body)) + '"}').encode()


def observed_at(number: int, now_ms: int) -> int:
    """When message ``number`` was observed: each device speaks once a second or less."""
    return now_ms - 200_000 + number // DEVICES * 1000 + number % DEVICES % 1000


class Doors:
    """A hub and an intake in processes of their own, without twins."""

    def __init__(self, folder: Path, **sources: AnySource) -> None:
        spawn = mp.get_context("spawn")
        site = build_site(HANGZHOU, folder)
        registered = {name: Declared({}, source.devices) for name, source in sources.items()}
        settings = msgspec.structs.replace(site.settings, sources=sources)
        site = replace(site, settings=settings, registered=registered)
        self._hub = folder / "hub"
        self.log = site.folder / "log.db"
        specs: tuple[tuple[Any, object], ...] = (
            (hub_process.main, hub_process.HubSpec(site, self._hub, 1)),
            (
                intake_process.main,
                intake_process.IntakeSpec(HANGZHOU, self._hub, sources, registered, site.place),
            ),
        )
        self.processes, self._lines = [], []
        for main, spec in specs:
            ours, theirs = spawn.Pipe()
            process = spawn.Process(target=main, args=(spec, theirs))
            process.start()
            ours.recv_bytes()
            self.processes.append(psutil.Process(process.pid))
            self._lines.append((ours, process))

    def cpu_s(self) -> list[float]:
        """CPU seconds of hub and intake so far."""
        return [sum(process.cpu_times()[:2]) for process in self.processes]

    def sources(self) -> dict[str, Any]:
        """The hub's row of each source."""
        line = call(self._hub)
        line.send(Reader())
        while True:
            told = line.receive()
            if isinstance(told, Told) and told.topic == "sources":
                line.close()
                return {row["name"]: row for row in json.loads(told.body)}

    def wait_rows(self, source: str, count: int) -> float:
        """When (monotonic) so many rows of a source were accepted; within half a second."""
        while self.sources()[source]["accepted_total"] < count:
            time.sleep(0.1)
        return time.monotonic()

    def stop(self) -> None:
        """End both, the intake first."""
        for line, process in reversed(self._lines):
            line.close()
            process.join(20)


@contextmanager
def doors(**sources: AnySource) -> Iterator[Doors]:
    with TemporaryDirectory() as folder:
        running = Doors(Path(folder), **sources)
        try:
            yield running
        finally:
            running.stop()


@contextmanager
def mosquitto(folder: Path) -> Iterator[None]:
    """A real broker with a wide window."""
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {MQTT_PORT} 127.0.0.1\nallow_anonymous true\npersistence false\n"
        "max_inflight_messages 20000\nmax_queued_messages 0\nlog_type none\n"
    )
    program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    process = subprocess.Popen([program, "-c", str(config)])
    try:
        yield
    finally:
        process.terminate()
        process.wait()


async def publish(messages: Iterable[bytes]) -> None:
    """Publish with QoS 1, as fast as the broker takes it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", MQTT_PORT)
    writer.write(
        mqtt.write_connect(
            "3.1.1",
            "load",
            keep_alive_s=0,
            credentials=None,
            receive_maximum=1,
            maximum_packet=1,
            session_s=0,
        )
    )
    await reader.readexactly(4)
    acknowledged, count = 0, 0
    for body in messages:
        writer.write(mqtt.write_publish("3.1.1", "city/load", body, 1 + count % 60_000))
        count += 1
        while count - acknowledged // 4 > 5_000:
            acknowledged += len(await reader.read(65536))
    while acknowledged < 4 * count:
        acknowledged += len(await reader.read(65536))
    writer.close()


async def hold_session(client: str) -> None:
    """Make the session whose messages the broker is to queue."""
    reader, writer = await asyncio.open_connection("127.0.0.1", MQTT_PORT)
    hello = mqtt.write_connect(
        "5",
        client,
        keep_alive_s=0,
        credentials=None,
        receive_maximum=100,
        maximum_packet=2_000_000,
        session_s=3600,
    )
    writer.write(hello + mqtt.write_subscribe("5", 1, [("city/#", 1)]))
    await reader.read(64)
    await asyncio.sleep(0.3)
    writer.write(mqtt.write_disconnect())
    await writer.drain()
    writer.close()


def street() -> MqttSettings:
    return MqttSettings(
        url=f"mqtt://127.0.0.1:{MQTT_PORT}",
        topics=["city/#"],
        devices={TYPE: f"urn:ngsi-ld:{TYPE}:*"},
        probe="",
        in_flight=20_000,
    )


def mqtt_rate() -> list[Result]:
    """Drain what a broker has queued."""
    with TemporaryDirectory() as folder, mosquitto(Path(folder)):
        time.sleep(0.5)
        now_ms = int(time.time() * 1000)
        asyncio.run(hold_session("cityloop-street"))
        asyncio.run(publish(payload(n, observed_at(n, now_ms)) for n in range(MESSAGES)))
        with TemporaryDirectory() as data:
            running = Doors(Path(data), street=street())
            cpu, started = running.cpu_s(), time.monotonic()
            ended = running.wait_rows("street", MESSAGES)
            used = [after - before for after, before in zip(running.cpu_s(), cpu, strict=True)]
            row = running.sources()["street"]
            running.stop()
    assert row["accepted_total"] == MESSAGES, row
    rate = MESSAGES / (ended - started)
    return [
        Result("MQTT 5, QoS 1, 300 bytes: durable messages a second", rate, "1/s"),
        Result("the same by CPU of the intake", MESSAGES / used[1], "1/s"),
        Result("the same by CPU of intake and hub", MESSAGES / sum(used), "1/s"),
    ]


class StandIn(asyncio.Protocol):
    """A broker's place: sends packets made before, at a steady pace, and times each PUBACK."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._packets = list(self._made())
        self._sent = np.zeros(_PACKET_IDS + 1)
        self._rest = b""
        self._asked = 0
        self._under_way = False
        self.times: list[Any] = []
        self.late_s = 0.0
        """How far the sender itself fell behind its pace at worst."""
        self.done = asyncio.Event()

    def _made(self) -> Iterator[bytes]:
        """What a device says in a message each, in the pieces that are sent at once."""
        now_ms, each = int(time.time() * 1000), int(self._rate * _PACE_S)
        for first in range(0, int(self._rate * LATENCY_S), each):
            yield b"".join(
                mqtt.write_publish(
                    "5", "city/load", payload(n, observed_at(n, now_ms)), 1 + n % _PACKET_IDS
                )
                for n in range(first, first + each)
            )

    def connection_made(self, transport: Any) -> None:
        """Wait for the client's packets."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """CONNECT and SUBSCRIBE are answered; then there is nothing but PUBACK."""
        if self._under_way:
            now, data = time.monotonic(), self._rest + data
            whole = len(data) // 4 * 4
            ids = np.frombuffer(data[:whole], ">u2").reshape(-1, 2)
            # Another packet among them is no PUBACK: the client's ping, of two bytes.
            assert (ids[:, 0] == _PUBACK).all(), "something else than PUBACK came"
            self.times.append(now - self._sent[ids[:, 1]])
            self._rest = data[whole:]
            return
        for packet in mqtt.PacketReader("5", 100_000).feed(data):
            assert isinstance(packet, mqtt.Other)
            if packet.kind == 1:
                self._transport.write(b"\x20\x03\x00\x00\x00")
            elif packet.kind == 8:
                self._transport.write(b"\x90\x04" + packet.body[:2] + b"\x00\x01")
                self._subscribed()

    def _subscribed(self) -> None:
        """The second subscription, to what the broker dropped, is the last word before."""
        self._asked += 1
        if self._asked == 2:
            asyncio.get_running_loop().call_later(1.0, self._begin)

    def _begin(self) -> None:
        self._under_way = True
        self._task = asyncio.ensure_future(self._send())

    async def _send(self) -> None:
        each, started = int(self._rate * _PACE_S), time.monotonic()
        for turn, packets in enumerate(self._packets):
            behind = time.monotonic() - started - turn * _PACE_S
            self.late_s = max(self.late_s, behind)
            await asyncio.sleep(max(0.0, -behind))
            ids = 1 + np.arange(turn * each, (turn + 1) * each) % _PACKET_IDS
            self._sent[ids] = time.monotonic()
            self._transport.write(packets)
        await asyncio.sleep(2.0)
        self.done.set()


def mqtt_latency(rate: float) -> list[Result]:
    """Acknowledgements at a rate, as a broker sees them."""

    async def go() -> StandIn:
        broker = StandIn(rate)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: broker, "127.0.0.1", MQTT_PORT)
        with TemporaryDirectory() as data:
            running = await asyncio.to_thread(Doors, Path(data), street=street())
            await broker.done.wait()
            await asyncio.to_thread(running.stop)
        server.close()
        return broker

    broker = asyncio.run(go())
    times = np.concatenate(broker.times)
    sent = int(rate * _PACE_S) * len(range(0, int(rate * LATENCY_S), int(rate * _PACE_S)))
    assert len(times) == sent, f"{len(times)} of {sent} messages were acknowledged"
    name = f"MQTT: acknowledgements at {rate:.0f} messages a second"
    return [
        Result(f"{name}: p99", float(np.percentile(times, 99)) * 1000, "ms"),
        Result(f"{name}: median", float(np.percentile(times, 50)) * 1000, "ms"),
        Result("the sender's own lateness at worst", broker.late_s * 1000, "ms"),
    ]


def memory() -> list[Result]:
    """The hub with many devices of many types through one broker, each of which spoke twice."""
    types = list(number_of())[:TYPES]
    devices = {type_: f"urn:ngsi-ld:{type_}:*" for type_ in types}
    many = msgspec.structs.replace(street(), devices=devices)
    with TemporaryDirectory() as folder, mosquitto(Path(folder)):
        time.sleep(0.5)
        asyncio.run(hold_session("cityloop-street"))
        asyncio.run(publish_many(types))
        with TemporaryDirectory() as data:
            running = Doors(Path(data), street=many)
            running.wait_rows("street", 2 * MANY)
            hub = running.processes[0].memory_info().rss / 2**20
            row = running.sources()["street"]
            running.stop()
    assert row["entities"] == MANY, row
    return [Result(f"hub with {MANY} devices of {len(types)} types", hub, "MiB")]


def number_of() -> dict[str, str]:
    """Type → one of its numbers."""
    return {
        type_: next(a.name for a in kinds.values() if a.kind in ("number", "integer"))
        for type_, kinds in declared().items()
        if any(a.kind in ("number", "integer") for a in kinds.values())
    }


async def publish_many(types: list[str]) -> None:
    """Two messages of each device."""
    now_ms, numbers = int(time.time() * 1000), number_of()

    def bodies_of_all() -> Iterator[bytes]:
        for turn in range(2):
            for device in range(MANY):
                type_ = types[device % len(types)]
                told = {
                    "id": f"urn:ngsi-ld:{type_}:d{device:05d}",
                    "type": type_,
                    "dateObserved": iso(WallTime(now_ms - 5000 + turn * 1000)),
                    numbers[type_]: 1,
                }
                yield json.dumps(told).encode()

    await publish(bodies_of_all())


def main() -> None:
    rates = mqtt_rate()
    half = [mqtt_latency(rate / 2) for rate in (ASKED_RATE, rates[0].value)]
    record("intake", *rates, *half[0], *half[1], *memory())


if __name__ == "__main__":
    main()
