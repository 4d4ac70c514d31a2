"""Notifications over MQTT 3.1.1 and 5, with TLS (GS CIM 009, clause 7): one connection per broker
and user.

The packets are our own (``standards.mqtt``), as those of the intake are: a client library would
bring a loop, a queue and an acknowledgement policy of its own, and here a PUBLISH is one write.
"""

import asyncio
import secrets
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import msgspec

from cityloop.interconnection.broker.dial import Dial
from cityloop.interconnection.broker.notifier import RefusedError
from cityloop.interconnection.broker.parcels import Target
from cityloop.interconnection.broker.targets import PORTS
from cityloop.kernel.errors import InputError
from cityloop.standards import mqtt

_KEEP_ALIVE_S = 60
_GOODBYE_S = 1.0
_LARGEST_ANSWER = 65_536
_ACKS = frozenset({mqtt.PUBACK, mqtt.PUBREC, mqtt.PUBCOMP})


class MqttCarrier:
    """``notifier.Carrier`` for mqtt and mqtts."""

    def __init__(self, dial: Dial) -> None:
        self._dial = dial
        self._lines: dict[tuple[str, str], asyncio.Task[_Line]] = {}

    async def carry(self, target: Target, body: bytes) -> None:
        """Publish; taken when the broker has acknowledged it as QoS asks. Raises RefusedError."""
        metadata = msgspec.json.encode(target.headers)
        payload = b'{"metadata":%b,"body":%b}' % (metadata, body)
        topic = unquote(urlsplit(target.uri).path.removeprefix("/"))
        try:
            async with asyncio.timeout(target.timeout_s):
                line = await self._line(target)
                await line.publish(topic, payload, target.qos)
        except TimeoutError:
            raise RefusedError(
                f"the MQTT broker does not answer within {target.timeout_s:g} s"
            ) from None
        except (OSError, InputError) as error:
            raise RefusedError(str(error)) from error

    async def _line(self, target: Target) -> "_Line":
        url = urlsplit(target.uri)
        key = (f"{url.scheme}://{url.netloc}", target.mqtt_version)
        task = self._lines.get(key)
        if task is None or (task.done() and not _usable(task)):
            task = asyncio.get_running_loop().create_task(_connected(self._dial, target))
            self._lines[key] = task
        # Who gives up does not take the connection from the others who wait for it.
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Take leave of all brokers."""
        lines = [task.result() for task in self._lines.values() if task.done() and _usable(task)]
        for task in self._lines.values():
            task.cancel()
        await asyncio.gather(*(line.leave() for line in lines))


def _usable(task: "asyncio.Task[_Line]") -> bool:
    return not task.cancelled() and task.exception() is None and not task.result().lost.done()


async def _connected(dial: Dial, target: Target) -> "_Line":
    url = urlsplit(target.uri)
    line = await dial.connect(
        lambda: _Line(target.mqtt_version),
        url.hostname or "",
        url.port or PORTS[url.scheme],
        tls=url.scheme == "mqtts",
    )
    user, password = unquote(url.username or ""), unquote(url.password or "")
    hello = mqtt.write_connect(
        target.mqtt_version,
        f"cityloop-{secrets.token_hex(6)}",
        keep_alive_s=_KEEP_ALIVE_S,
        credentials=(user, password) if user else None,
        receive_maximum=1,
        maximum_packet=_LARGEST_ANSWER,
        session_s=0,
    )
    await line.begin(hello)
    return line


class _Line(asyncio.Protocol):
    """One connection. Several messages may be under way, as many as the broker allows."""

    def __init__(self, version: mqtt.Version) -> None:
        self._version = version
        self._reader = mqtt.PacketReader(version, _LARGEST_ANSWER)
        self._transport: asyncio.Transport | None = None
        self._begun: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._gone = asyncio.Event()
        self._waiting: dict[tuple[int, int], asyncio.Future[str]] = {}
        self._room = asyncio.Semaphore(1)
        self._packet_id = 0
        self._ping: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        # Not an instance of it under uvloop, though it does all that one does.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answers go to who waits for them."""
        try:
            for packet in self._reader.feed(data):
                if isinstance(packet, mqtt.Other):
                    self._answered(packet)
        except InputError as error:
            self._lose(error)

    def _answered(self, packet: mqtt.Other) -> None:
        if packet.kind == mqtt.CONNACK and not self._begun.done():
            self._begun.set_result(packet.body)
        elif packet.kind in _ACKS:
            packet_id, refused = mqtt.read_ack(packet.body)
            answer = self._waiting.get((packet.kind, packet_id))
            if answer is not None and not answer.done():
                answer.set_result(refused)
        elif packet.kind == mqtt.DISCONNECT and packet.body:
            self._lose(ConnectionResetError(f"the broker says: {mqtt.refusal(packet.body[0])}"))

    def connection_lost(self, error: Exception | None) -> None:
        """Whoever waits is told."""
        self._gone.set()
        self._lose(error or ConnectionResetError("the MQTT broker closed the connection"))

    def _lose(self, error: Exception) -> None:
        if not self.lost.done():
            self.lost.set_result(None)
        waiting: list[asyncio.Future[Any]] = [self._begun, *self._waiting.values()]
        for answer in waiting:
            if not answer.done():
                answer.set_exception(ConnectionResetError(str(error)))
                # Taken note of: nobody may be waiting any more.
                answer.exception()
        self.close()

    async def leave(self) -> None:
        """Take leave and see the connection end, even where the other side has stopped answering
        (TLS waits for it)."""
        self.close()
        try:
            async with asyncio.timeout(_GOODBYE_S):
                await self._gone.wait()
        except TimeoutError:
            if self._transport is not None:
                self._transport.abort()

    def close(self) -> None:
        """Take leave."""
        if self._ping is not None:
            self._ping.cancel()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(mqtt.write_disconnect())
            self._transport.close()

    async def begin(self, hello: bytes) -> None:
        """Introduce ourselves; raises OSError when the broker refuses."""
        self._write(hello)
        connected = mqtt.read_connack(await self._begun, self._version)
        if connected.refused:
            self.close()
            raise ConnectionRefusedError(f"the MQTT broker refuses: {connected.refused}")
        self._room = asyncio.Semaphore(min(connected.receive_maximum, 1_000))
        self._keep_alive()

    def _keep_alive(self) -> None:
        self._write(mqtt.write_pingreq())
        later = asyncio.get_running_loop().call_later
        self._ping = later(_KEEP_ALIVE_S / 2, self._keep_alive)

    def _write(self, packet: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(packet)

    async def publish(self, topic: str, payload: bytes, qos: int) -> None:
        """Publish and wait until the broker has it; raises OSError when it refuses or is lost."""
        if not qos:
            self._write(mqtt.write_publish(self._version, topic, payload, 0, 0))
            return
        async with self._room:
            self._packet_id = self._packet_id % 65_535 + 1
            packet_id = self._packet_id
            packet = mqtt.write_publish(self._version, topic, payload, packet_id, qos)
            if qos == 1:
                await self._ask(packet, mqtt.PUBACK, packet_id)
            else:
                await self._ask(packet, mqtt.PUBREC, packet_id)
                await self._ask(mqtt.write_pubrel(packet_id), mqtt.PUBCOMP, packet_id)

    async def _ask(self, packet: bytes, kind: int, packet_id: int) -> None:
        if self.lost.done():
            raise ConnectionResetError("the MQTT broker closed the connection")
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting[kind, packet_id] = answer
        self._write(packet)
        try:
            refused = await answer
        finally:
            del self._waiting[kind, packet_id]
        if refused:
            raise ConnectionRefusedError(f"the MQTT broker refuses the message: {refused}")
