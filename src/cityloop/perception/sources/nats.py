"""NATS JetStream: what gates of others publish to an inlet, acknowledged after the commit."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, ClassVar
from urllib.parse import urlsplit

from msgspec import Meta

from cityloop.kernel.errors import BusyError, ConfigError
from cityloop.perception.payload import AnyPayload, NgsiLdPayload
from cityloop.perception.source import Intake, Mistake, Secret, Setup, Source, SourceSettings
from cityloop.perception.together import together
from cityloop.standards.arrow_rows import also_arrow
from cityloop.standards.attributes import AttributeTable
from cityloop.standards.payloads import Decoder, Message
from cityloop.standards.readings import Decoded, Fault

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

_ANSWER_S = 10.0
_FIRST_PAUSE_S, _LAST_PAUSE_S = 1.0, 60.0
_AT_ONCE, _DELIVERIES = 500, 4
_LISTEN_S = 5.0
_PING_S, _PINGS = 5, 2


class NatsSettings(SourceSettings, frozen=True, tag="nats"):
    """``kind = "nats"``. ``url``: ``nats://host:4222`` or, with TLS, ``tls://``.

    ``stream`` holds ``subjects`` (``*`` one word, ``>`` all that follow) until they are taken in;
    it is made where it is not there. ``client``: the name of the durable reader. ``in_flight``:
    messages that may wait for their commit. ``most_gb``: of a stream that is made here; when it is
    full, publishers are refused.
    """

    trial_may_acknowledge: ClassVar[bool] = True

    url: str
    stream: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]+$", max_length=100)]
    subjects: Annotated[list[str], Meta(min_length=1)]
    client: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]*$", max_length=100)] = ""
    user: str = ""
    password: Secret | None = None
    payload: AnyPayload = NgsiLdPayload()
    in_flight: Annotated[int, Meta(ge=1, le=65535)] = 10_000
    max_bytes: Annotated[int, Meta(ge=128, le=100_000_000)] = 1_000_000
    most_gb: Annotated[float, Meta(gt=0)] = 1.0

    def mistakes(self) -> Iterable[Mistake]:
        """Address, subjects and payload."""
        yield from self.payload.mistakes()
        url = urlsplit(self.url)
        if url.scheme not in ("nats", "tls") or not url.hostname:
            yield ("url",), f"{self.url} is no address of a server", "write nats://host:4222"
        if url.username or url.password:
            yield ("url",), "the address holds a secret", "give user and password = { env = … }"
        for row, subject in enumerate(self.subjects):
            if not _is_pattern(subject):
                yield ("subjects", row), f"{subject!r} is no subject", "write e.g. inlet.city.>"
        if self.password is not None:
            yield from self.password.mistakes("password")

    def decoder(self, table: AttributeTable) -> Decoder | None:
        """Reads payloads, and Arrow streams beside them."""
        return also_arrow(self.payload.decoder(table), table)

    def source(self, setup: Setup) -> Source:
        """The client; raises ConfigError for a secret or a library that is not there."""
        return NatsSource(self, setup)


def _is_pattern(subject: str) -> bool:
    words = subject.split(".")
    plain = all(word and not (set(word) & set("*> \t\r\n") and len(word) > 1) for word in words)
    return plain and ">" not in words[:-1]


class NatsSource:
    """Connects, and again when the line breaks, until it is cancelled."""

    def __init__(self, settings: NatsSettings, setup: Setup) -> None:
        self._settings = settings
        self._setup = setup
        self._errors = _client_errors()
        self._password = settings.password.read(setup.folder) if settings.password else ""
        self._decode = also_arrow(settings.payload.decoder(setup.attributes), setup.attributes)

    async def run(self, intake: Intake) -> None:
        """Read and deliver until cancelled."""
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                async with self._connected() as client:
                    pause_s = _FIRST_PAUSE_S
                    reading = _Reading(self._settings, self._setup, intake, self._decode)
                    await (reading.look_on(client) if self._setup.trial else reading.serve(client))
            except (OSError, TimeoutError) as error:
                why = str(error) or "the server does not answer"
                intake.tell("failing", f"{self._settings.url}: {why}; again in {pause_s:.0f} s")
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LAST_PAUSE_S)

    @asynccontextmanager
    async def _connected(self) -> "AsyncIterator[Client]":
        from nats.aio.client import Client

        told: list[str] = []

        async def tell(error: Exception) -> None:
            told.append(str(error))

        settings, client = self._settings, Client()
        login: dict[str, Any] = {}
        if settings.user:
            login = {"user": settings.user, "password": self._password}
        try:
            await client.connect(
                settings.url,
                name=f"cityloop {self._setup.name}",
                error_cb=tell,
                allow_reconnect=False,
                connect_timeout=int(_ANSWER_S),
                ping_interval=_PING_S,
                max_outstanding_pings=_PINGS,
                **login,
            )
            yield client
        except self._errors as error:
            raise ConnectionError(told[-1] if told else str(error)) from error
        finally:
            await client.close()


def _client_errors() -> tuple[type[Exception], ...]:
    """What the client raises; raises ConfigError where it is not installed."""
    try:
        import nats.errors
    except ModuleNotFoundError:
        raise ConfigError("nats-py is not installed: pip install 'cityloop[scaled]'") from None
    return (nats.errors.Error,)


class _Reading:
    """One connection. Several deliveries are under way at once, and each is acknowledged when the
    log has it; what the server may have in flight bounds them.
    """

    def __init__(
        self, settings: NatsSettings, setup: Setup, intake: Intake, decode: Decoder
    ) -> None:
        self._settings = settings
        self._setup = setup
        self._intake = intake
        self._decode = decode
        self._lock = asyncio.Lock()

    async def look_on(self, client: "Client") -> None:
        """On trial: hear what is published from now on, and take nothing from anybody."""
        heard: asyncio.Queue[Msg] = asyncio.Queue(_AT_ONCE)
        for subject in self._settings.subjects:
            await client.subscribe(subject, cb=heard.put)
        self._intake.tell("ok", "connected")
        while True:
            await self._handed_over([await heard.get()])

    async def serve(self, client: "Client") -> None:
        """Deliver what comes until the line breaks; raises what broke it."""
        pull = await self._subscribe(client)
        self._intake.tell("ok", "connected")
        await together(*(self._work(pull) for _ in range(_DELIVERIES)))

    async def _subscribe(self, client: "Client") -> Any:
        from nats.js.api import AckPolicy, ConsumerConfig
        from nats.js.errors import NotFoundError

        settings, js = self._settings, client.jetstream(timeout=_ANSWER_S)
        try:
            await js.stream_info(settings.stream)
        except NotFoundError:
            await js.add_stream(_stream(settings))
        config = ConsumerConfig(
            filter_subjects=list(settings.subjects),
            ack_policy=AckPolicy.EXPLICIT,
            max_ack_pending=settings.in_flight,
        )
        durable = settings.client or f"cityloop-{self._setup.name}"
        return await js.pull_subscribe("", durable=durable, stream=settings.stream, config=config)

    async def _work(self, pull: Any) -> None:
        import nats.errors

        while True:
            async with self._lock:  # one at a time asks; the others deliver meanwhile
                try:
                    messages = await pull.fetch(_AT_ONCE, timeout=_LISTEN_S)
                except nats.errors.TimeoutError:
                    if not pull._nc.is_connected:  # noqa: SLF001 (it waits on without a word)
                        raise ConnectionError("the server closed the connection") from None
                    continue
            await self._handed_over(messages)
            for message in messages:
                await message.ack()

    async def _handed_over(self, messages: "Sequence[Msg]") -> None:
        """Return when the log has it, however long that takes: the server waits as well."""
        decoded = self._decoded(messages)
        while True:
            try:
                await self._intake.deliver(decoded)
                return
            except BusyError as error:
                self._intake.tell("waiting", str(error))
                await asyncio.sleep(_FIRST_PAUSE_S)
                self._intake.tell("ok", "connected")

    def _decoded(self, messages: "Sequence[Msg]") -> Decoded:
        now, most = self._setup.clock(), self._settings.max_bytes
        small = [Message(one.data, now, one.subject) for one in messages if len(one.data) <= most]
        large = tuple(
            Fault(one.subject[:200], f"too large: more than {most} bytes")
            for one in messages
            if len(one.data) > most
        )
        decoded = self._decode(small)
        faults = (*decoded.faults, *large)
        return Decoded(decoded.readings, faults, decoded.fault_count + len(large))


def _stream(settings: NatsSettings) -> Any:
    """An inlet: a message is kept until it is taken in, and none is let go of for another."""
    from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig

    return StreamConfig(
        name=settings.stream,
        subjects=list(settings.subjects),
        retention=RetentionPolicy.WORK_QUEUE,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        max_bytes=int(settings.most_gb * 1e9),
    )
