"""MQTT 3.1.1 and 5: what devices publish, acknowledged after the commit and not before."""

import asyncio
import os
import ssl
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, ClassVar, Literal, cast
from urllib.parse import urlsplit

import structlog
from msgspec import Meta

from cityloop.kernel.errors import BusyError, ConfigError, InputError
from cityloop.perception.payload import AnyPayload, NgsiLdPayload
from cityloop.perception.source import Intake, Mistake, Secret, Setup, Source, SourceSettings
from cityloop.perception.sources.mqtt_window import STEP, WANTED, Probe, narrow
from cityloop.perception.together import together
from cityloop.standards import mqtt
from cityloop.standards.payloads import Message
from cityloop.standards.readings import Decoded, Fault

_log = structlog.get_logger()
_ANSWER_S = 10.0
_GOODBYE_S = 1.0
_KEEP_ALIVE_S = 30
_FIRST_PAUSE_S, _LAST_PAUSE_S = 1.0, 60.0
_SESSION_S = 86_400
_AT_ONCE = 2_000
_DELIVERIES = 4
_DROPPED = "$SYS/broker/publish/messages/dropped"
_PORTS = {"mqtt": 1883, "mqtts": 8883}


class MqttSettings(SourceSettings, frozen=True, tag="mqtt"):
    """``kind = "mqtt"``. ``url``: ``mqtt://host:1883`` or, with TLS, ``mqtts://host:8883``.

    ``topics``: filters, ``+`` and ``#`` allowed; ``share``: a group that takes turns. ``authority``
    (PEM): who signed the broker's certificate, where the machine does not know; ``certificate``
    and ``key``: our own. ``in_flight``: messages that may wait for their commit. ``probe``: topic
    on which the broker's own limit is found out at the start; empty to do without.
    """

    trial_may_acknowledge: ClassVar[bool] = True

    url: str
    topics: Annotated[list[str], Meta(min_length=1)]
    version: Literal["3.1.1", "5"] = "5"
    client: str = ""
    user: str = ""
    password: Secret | None = None
    share: str = ""
    qos: Literal[0, 1] = 1
    payload: AnyPayload = NgsiLdPayload()
    retained: bool = True
    in_flight: Annotated[int, Meta(ge=100, le=65535)] = 10_000
    max_bytes: Annotated[int, Meta(ge=128, le=100_000_000)] = 1_000_000
    probe: str = "cityloop/probe"
    authority: str | None = None
    certificate: str | None = None
    key: str | None = None

    def mistakes(self) -> Iterable[Mistake]:
        """Address, topics, TLS and payload."""
        yield from self.payload.mistakes()
        url = urlsplit(self.url)
        if url.scheme not in _PORTS or not url.hostname:
            yield ("url",), f"{self.url} is no address of a broker", "write mqtt://host:1883"
        if url.username or url.password:
            yield ("url",), "the address holds a secret", "give user and password = { env = … }"
        for row, topic in enumerate(self.topics):
            if not _is_filter(topic):
                yield ("topics", row), f"{topic!r} is no topic filter", "write e.g. city/+/air/#"
        if self.password is not None:
            yield from self.password.mistakes("password")
        if (self.certificate is None) != (self.key is None):
            yield ("certificate",), "certificate and key belong together", "give both or none"
        if url.scheme == "mqtt" and (self.authority or self.certificate):
            yield ("url",), "certificates need TLS", "write mqtts://"

    def source(self, setup: Setup) -> Source:
        """The client; raises ConfigError for a secret or certificate that is not there."""
        return MqttSource(self, setup)


def _is_filter(topic: str) -> bool:
    levels = topic.split("/")
    whole = all(("+" not in level and "#" not in level) or len(level) == 1 for level in levels)
    return bool(topic) and whole and "#" not in levels[:-1] and "\0" not in topic


class MqttSource:
    """Connects, and again when the line breaks, until it is cancelled."""

    def __init__(self, settings: MqttSettings, setup: Setup) -> None:
        self._settings = settings
        self._setup = setup
        self._password = settings.password.read(setup.folder) if settings.password else ""
        self._tls = _tls(settings, setup)
        self._decode = settings.payload.decoder(setup.attributes)

    async def run(self, intake: Intake) -> None:
        """Read and deliver until cancelled."""
        pause_s = _FIRST_PAUSE_S
        while True:
            reading = _Reading(self._settings, self._setup, intake, self._decode)
            try:
                await self._connect(reading)
                pause_s = _FIRST_PAUSE_S
                await reading.serve()
            except (OSError, InputError, TimeoutError) as error:
                why = str(error) or "the broker does not answer"
                intake.tell("failing", f"{self._settings.url}: {why}; again in {pause_s:.0f} s")
            finally:
                await reading.close()
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LAST_PAUSE_S)

    async def _connect(self, reading: "_Reading") -> None:
        settings, url = self._settings, urlsplit(self._settings.url)
        port = url.port or _PORTS[url.scheme]
        loop = asyncio.get_running_loop()
        host = url.hostname or ""
        opening = loop.create_connection(lambda: reading, host, port, ssl=self._tls)
        async with asyncio.timeout(_ANSWER_S):
            await opening
        hello = mqtt.write_connect(
            settings.version,
            self._client(),
            keep_alive_s=_KEEP_ALIVE_S,
            credentials=(settings.user, self._password) if settings.user else None,
            receive_maximum=settings.in_flight,
            maximum_packet=settings.max_bytes + 70_000,
            session_s=0 if self._setup.trial else _SESSION_S,
        )
        await reading.begin(hello)

    def _client(self) -> str:
        """Our id; on trial one of its own, or the broker would send the running city away."""
        client = self._settings.client or f"cityloop-{self._setup.name}"
        return f"{client}-trial-{os.getpid()}" if self._setup.trial else client


def _tls(settings: MqttSettings, setup: Setup) -> ssl.SSLContext | None:
    if urlsplit(settings.url).scheme != "mqtts":
        return None
    folder = setup.folder
    try:
        context = ssl.create_default_context(
            cafile=folder / settings.authority if settings.authority else None
        )
        if settings.certificate is not None and settings.key is not None:
            context.load_cert_chain(folder / settings.certificate, folder / settings.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"sources.{setup.name}: no certificate can be read: {error}") from None
    return context


class _Reading(asyncio.Protocol):
    """One connection. Messages queue here, several deliveries are under way at once, and each is
    acknowledged when the log has it; what the broker may have in flight bounds the queue.
    """

    def __init__(self, settings: MqttSettings, setup: Setup, intake: Intake, decode: Any) -> None:
        self._settings = settings
        self._clock = setup.clock
        self._intake = intake
        self._decode = decode
        self._reader = mqtt.PacketReader(settings.version, settings.max_bytes)
        self._transport: asyncio.Transport | None = None
        self._gone = asyncio.Event()
        self._queue: deque[tuple[mqtt.Publish, int]] = deque()
        self._filled = asyncio.Event()
        self._answers: dict[int, asyncio.Future[bytes]] = {}
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._probe = Probe(f"{settings.probe}/{setup.name}")
        self._dropped: int | None = None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        # asyncio's own promise; uvloop's transports keep it and inherit nothing.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Messages queue, answers go to who waits for them."""
        try:
            packets = self._reader.feed(data)
        except InputError as error:
            self._lose(error)
            return
        now, probe = self._clock(), self._probe.topic
        for packet in packets:
            if isinstance(packet, mqtt.Other):
                self._other(packet)
            elif packet.topic != probe:
                self._queue.append((packet, now))
            elif self._probe.running:
                self._probe.arrived(packet.packet_id)
            else:
                self._send(mqtt.write_pubacks([packet.packet_id]))
        if self._queue:
            self._filled.set()

    def connection_lost(self, error: Exception | None) -> None:
        """Whoever waits is told."""
        self._gone.set()
        self._lose(error or ConnectionResetError("the broker closed the connection"))

    def _lose(self, error: Exception) -> None:
        if not self._lost.done():
            self._lost.set_exception(error)
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(ConnectionResetError(str(error)))
        if self._transport is not None:
            self._transport.close()

    def _other(self, packet: mqtt.Other) -> None:
        answer = self._answers.get(packet.kind)
        if answer is not None and not answer.done():
            answer.set_result(packet.body)
        elif packet.kind == mqtt.DISCONNECT and packet.body:
            self._lose(ConnectionResetError(f"the broker says: {mqtt.refusal(packet.body[0])}"))
        elif packet.kind == mqtt.PUBACK:
            self._probe.acknowledged()

    def _send(self, packet: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(packet)

    async def _ask(self, packet: bytes, kind: int) -> bytes:
        """Send, and wait for the answer of a kind; raises OSError or TimeoutError."""
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._answers[kind] = answer
        self._send(packet)
        try:
            async with asyncio.timeout(_ANSWER_S):
                return await answer
        finally:
            del self._answers[kind]

    # the conversation

    async def begin(self, hello: bytes) -> None:
        """Introduce ourselves and subscribe; raises OSError when the broker refuses."""
        version = self._settings.version
        connected = mqtt.read_connack(await self._ask(hello, mqtt.CONNACK), version)
        if connected.refused:
            raise ConnectionRefusedError(f"the broker refuses: {connected.refused}")
        self._probe.step = min(STEP, connected.receive_maximum)
        # Of a session in which the probe was cut short; it would hold messages for ever.
        self._send(mqtt.write_unsubscribe(version, 2, self._probe.topic))
        share = f"$share/{self._settings.share}/" if self._settings.share else ""
        topics = [(share + topic, self._settings.qos) for topic in self._settings.topics]
        for topic, code in zip(topics, await self._subscribe(topics), strict=True):
            if code >= 0x80:
                raise ConnectionRefusedError(f"no subscription to {topic[0]}: {mqtt.refusal(code)}")
        await self._subscribe([(_DROPPED, 0)])

    async def _subscribe(self, topics: Sequence[tuple[str, int]]) -> list[int]:
        settings = self._settings
        packet = mqtt.write_subscribe(settings.version, 1, topics, retained=settings.retained)
        return mqtt.read_suback(await self._ask(packet, mqtt.SUBACK), settings.version)[1]

    async def serve(self) -> None:
        """Deliver what comes until the line breaks; raises what broke it."""
        self._intake.tell("ok", "connected")
        work = [self._work() for _ in range(_DELIVERIES)]
        if self._settings.probe and self._settings.qos:
            work.append(self._find_window())
        await together(self._lost, self._keep_alive(), *work)

    async def _work(self) -> None:
        while True:
            await self._filled.wait()
            taken = [self._queue.popleft() for _ in range(min(len(self._queue), _AT_ONCE))]
            if not self._queue:
                self._filled.clear()
            if taken:
                await self._deliver(taken)

    async def _deliver(self, taken: Sequence[tuple[mqtt.Publish, int]]) -> None:
        messages: list[Message] = []
        large: list[Fault] = []
        for (topic, payload, _, retained), at in taken:
            if topic == _DROPPED:
                self._count_dropped(payload)
            elif payload is None:
                why = f"too large: more than {self._settings.max_bytes} bytes"
                large.append(Fault(topic[:200], why))
            elif self._settings.retained or not retained:
                messages.append(Message(payload, at, topic))
        if messages or large:
            decoded = self._decode(messages)
            if large:
                faults = (*decoded.faults, *large)
                decoded = Decoded(decoded.readings, faults, decoded.fault_count + len(large))
            await self._handed_over(decoded)
        ids = [packet.packet_id for packet, _ in taken if packet.packet_id]
        if ids:
            self._send(mqtt.write_pubacks(ids))

    async def _handed_over(self, decoded: Decoded) -> None:
        """Return when the log has it, however long that takes: the broker waits as well."""
        while True:
            try:
                await self._intake.deliver(decoded)
                return
            except BusyError as error:
                self._intake.tell("waiting", str(error))
                await asyncio.sleep(_FIRST_PAUSE_S)
                self._intake.tell("ok", "connected")

    def _count_dropped(self, payload: bytes | None) -> None:
        """The broker says how many messages it has dropped since it started, of all clients."""
        try:
            count = int(payload or b"")
        except ValueError:
            return
        if self._dropped is not None and count > self._dropped:
            self._intake.dropped(count - self._dropped)
        self._dropped = count

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(_KEEP_ALIVE_S * 0.7)
            try:
                await self._ask(mqtt.write_pingreq(), mqtt.PINGRESP)
            except TimeoutError:
                self._lose(ConnectionResetError("the broker does not answer any more"))

    async def _find_window(self) -> None:
        """Say when the broker keeps so few messages in flight that a burst has to wait."""
        topic = self._probe.topic
        try:
            if (await self._subscribe([(topic, 1)]))[0] >= 0x80:
                _log.info("the broker's window is not checked: it forbids", topic=topic)
                return
            window = await self._probe.window(self._send, self._settings.version)
            self._send(mqtt.write_unsubscribe(self._settings.version, 2, topic))
            self._send(mqtt.write_pubacks(self._probe.held))
        except TimeoutError:
            _log.info("the broker's window is not checked: it does not answer", topic=topic)
            return
        if window < WANTED:
            self._intake.tell("ok", narrow(window, self._settings.version))

    async def close(self) -> None:
        """Say goodbye; the broker keeps the session, and what it holds of it."""
        if self._transport is not None:
            self._send(mqtt.write_disconnect())
            self._transport.close()
            try:
                # TLS takes leave of the other end, which may have stopped answering.
                async with asyncio.timeout(_GOODBYE_S):
                    await self._gone.wait()
            except TimeoutError:
                self._transport.abort()
        if self._lost.done() and not self._lost.cancelled():
            self._lost.exception()
        else:
            self._lost.cancel()
