"""What reading MQTT costs: our packet reader beside paho-mqtt, both acknowledging late.

    pip install 'paho-mqtt>=2.1'
    python -m benchmarks.mqtt_clients

A mosquitto has queued messages of 300 bytes with QoS 1 for a session of MQTT 5. Each client, in a
process of its own, opens the session, collects what comes, and acknowledges ``AT_ONCE`` messages
together, as after a commit. Nothing is decoded and nothing stored: what is measured is the client.
The last figure is what is left of a core for all the rest at 8,000 messages a second.
"""

import asyncio
import multiprocessing as mp
import select
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvloop

from benchmarks.intake import MQTT_PORT, hold_session, mosquitto, observed_at, payload, publish
from benchmarks.record import Result, record
from cityloop.standards import mqtt

MESSAGES, AT_ONCE, WINDOW, TURNS = 20_000, 2_000, 20_000, 3
CLIENT, ASKED_RATE = "rival", 8_000

Told = Callable[[tuple[float, float]], None]


class _Ours(asyncio.Protocol):
    """A connection that keeps what comes, and acknowledges as the MQTT source does."""

    def __init__(self) -> None:
        self._reader = mqtt.PacketReader("5", 1_000_000)
        self._waiting: list[mqtt.Publish] = []
        self._left = MESSAGES
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        """Open the session."""
        self._transport = transport
        hello = mqtt.write_connect(
            "5",
            CLIENT,
            keep_alive_s=0,
            credentials=None,
            receive_maximum=WINDOW,
            maximum_packet=1_000_000,
            session_s=3600,
        )
        transport.write(hello)

    def data_received(self, data: bytes) -> None:
        """Collect, and acknowledge together."""
        self._waiting += [p for p in self._reader.feed(data) if isinstance(p, mqtt.Publish)]
        if len(self._waiting) >= min(AT_ONCE, self._left):
            self._transport.write(mqtt.write_pubacks(p.packet_id for p in self._waiting))
            self._left -= len(self._waiting)
            self._waiting.clear()
            if not self._left:
                self._transport.close()
                self.done.set_result(None)


def read_ours(told: Told) -> None:
    """Seconds of wall and CPU for all messages."""

    async def go() -> None:
        connect = asyncio.get_running_loop().create_connection(_Ours, "127.0.0.1", MQTT_PORT)
        _, reading = await connect
        await reading.done

    started, cpu = time.monotonic(), time.process_time()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(go())
    told((time.monotonic() - started, time.process_time() - cpu))


def read_paho(told: Told) -> None:
    """The same with paho-mqtt, driven from outside in this thread."""
    import paho.mqtt.client as rival
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    waiting: list[Any] = []
    left = MESSAGES

    def take(client: Any, _: Any, message: Any) -> None:
        nonlocal left
        waiting.append(message)
        if len(waiting) >= min(AT_ONCE, left):
            for one in waiting:
                client.ack(one.mid, 1)
            left -= len(waiting)
            waiting.clear()

    client = rival.Client(
        rival.CallbackAPIVersion.VERSION2, CLIENT, protocol=rival.MQTTv5, manual_ack=True
    )
    client.on_message = take
    asked = Properties(PacketTypes.CONNECT)
    asked.ReceiveMaximum, asked.SessionExpiryInterval = WINDOW, 3600
    started, cpu = time.monotonic(), time.process_time()
    client.connect("127.0.0.1", MQTT_PORT, clean_start=False, properties=asked)
    while left or client.want_write():
        # Its own loop reads one packet for each select; this is the faster way to drive it.
        select.select([client.socket()], [], [], 0.1)
        client.loop_read(AT_ONCE)
        client.loop_write()
    told((time.monotonic() - started, time.process_time() - cpu))
    client.disconnect()


def _alone(read: Callable[[Told], None], told: "Connection[Any, Any]") -> None:
    read(told.send)


def measured(read: Callable[[Told], None]) -> tuple[float, float]:
    """Wall and CPU seconds of a client that drains a fresh session."""
    with TemporaryDirectory() as folder, mosquitto(Path(folder)):
        time.sleep(0.5)
        asyncio.run(hold_session(CLIENT))
        now_ms = int(time.time() * 1000)
        asyncio.run(publish(payload(n, observed_at(n, now_ms)) for n in range(MESSAGES)))
        ours_, theirs = mp.Pipe()
        process = mp.get_context("spawn").Process(target=_alone, args=(read, theirs))
        process.start()
        theirs.close()
        found: tuple[float, float] = ours_.recv()
        process.join()
    return found


def main() -> None:
    if find_spec("paho") is None:
        sys.exit("paho-mqtt is not installed: pip install 'paho-mqtt>=2.1'")
    results, best = [], {}
    for name, read in (("own reader", read_ours), ("paho-mqtt", read_paho)):
        wall_s, cpu_s = min(measured(read) for _ in range(TURNS))
        best[name] = cpu_s
        results += [
            Result(f"{name}: messages a second of CPU", MESSAGES / cpu_s, "1/s"),
            Result(f"{name}: messages a second of wall time", MESSAGES / wall_s, "1/s"),
            Result(f"{name}: CPU of a message", cpu_s * 1e6 / MESSAGES, "µs"),
            Result(
                f"{name}: of a core at {ASKED_RATE} messages a second",
                cpu_s / MESSAGES * ASKED_RATE,
                "",
            ),
        ]
    ratio = best["paho-mqtt"] / best["own reader"]
    results.append(Result("paho-mqtt's CPU in terms of our reader's", ratio, "times"))
    record("mqtt_clients", *results)


if __name__ == "__main__":
    main()
