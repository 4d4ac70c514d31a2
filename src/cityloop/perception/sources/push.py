"""HTTP push: devices and platforms post observations; the answer comes after the commit.

A door of its own, on a port of its own, in the intake's process: what is posted reaches the hub by
the same durable line as every source's, the page's server (which takes a person's commands) need
not be open to devices, and a flood here is no flood there.
"""

import asyncio
import hashlib
import hmac
import socket
import ssl
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
import structlog
import uvicorn
from msgspec import Meta

from cityloop.kernel.errors import BusyError, ConfigError
from cityloop.perception.payload import AnyPayload, NgsiLdPayload
from cityloop.perception.source import Intake, Mistake, Secret, Setup, Source, SourceSettings
from cityloop.standards.arrow_rows import MARK, MEDIA_TYPE, also_arrow
from cityloop.standards.attributes import AttributeTable
from cityloop.standards.payloads import Decoder, Message
from cityloop.standards.readings import Decoded, Fault

_log = structlog.get_logger()
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_PATIENCE_S = 30.0
_KEYS_KEPT = 10_000
_FAULTS_TOLD = 100
_LONG = 1_000_000
"""Bytes from which a body is decoded in a thread, so that the other sources get their turn."""


class PushSettings(SourceSettings, frozen=True, tag="http"):
    """``kind = "http"``: ``token`` is asked for as ``Authorization: Bearer …``; without one only
    this machine may post. ``max_bytes``: of a body, unpacked. With ``certificate`` and ``key``
    (PEM files) it speaks HTTPS.
    """

    port: Annotated[int, Meta(ge=1, le=65535)]
    host: str = "127.0.0.1"
    token: Secret | None = None
    payload: AnyPayload = NgsiLdPayload()
    max_bytes: Annotated[int, Meta(ge=1024, le=100_000_000)] = 5_000_000
    certificate: str | None = None
    key: str | None = None

    def mistakes(self) -> Iterable[Mistake]:
        """An open door without a lock, half a certificate, and the payload's."""
        yield from self.payload.mistakes()
        if self.token is not None:
            yield from self.token.mistakes("token")
        elif self.host not in _LOOPBACK:
            yield ("host",), f"anybody at {self.host} could post", "give a token"
        if (self.certificate is None) != (self.key is None):
            yield ("certificate",), "certificate and key belong together", "give both or none"

    def decoder(self, table: AttributeTable) -> Decoder:
        """Of its payload, and of Arrow streams."""
        return also_arrow(self.payload.decoder(table), table)

    def source(self, setup: Setup) -> Source:
        """The server; raises ConfigError for a token that is not there."""
        return Push(self, setup)


class Answer(msgspec.Struct, frozen=True):
    """What a post is answered: rows handed to the gate and committed, and what was not readable.
    What the gate refused (out of range, too late, twice) stands in the reject log alone.
    """

    accepted: int
    rejected: int
    rejects: list[Fault]


@dataclass(frozen=True, slots=True)
class Refused(Exception):  # noqa: N818 (an answer, not a fault of ours)
    """A post that is not taken at all."""

    status: HTTPStatus
    detail: str
    advice: str = ""


@dataclass(slots=True)
class _Kept:
    """What was posted with an Idempotency-Key, and how it is answered."""

    digest: bytes
    answer: "asyncio.Future[tuple[HTTPStatus, bytes]]"


class Push:
    """The server of one source."""

    def __init__(self, settings: PushSettings, setup: Setup) -> None:
        self._settings = settings
        self._clock = setup.clock
        self._token = settings.token.read(setup.folder) if settings.token else None
        self._decode = settings.decoder(setup.attributes)
        self._tls = _tls(settings, setup)
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    async def run(self, intake: Intake) -> None:
        """Serve until cancelled; raises OSError when the port is taken."""
        settings = self._settings
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        with socket.socket(family) as door:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                door.bind((settings.host, settings.port))
            except OSError as error:
                raise OSError(
                    f"port {settings.port} of {settings.host}: {error.strerror}; choose another"
                ) from None
            server = _Server(_App(self, intake), self._tls)
            intake.tell("ok", f"listens on {settings.host}:{settings.port}")
            try:
                await server.serve(sockets=[door])
            finally:
                server.force_exit = True
                await server.shutdown()

    def check(self, scope: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        """What can be said before the body is read; raises Refused."""
        if scope["method"] != "POST":
            raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "This is for POST alone.")
        if self._token is not None:
            given = headers.get("authorization", "").removeprefix("Bearer ").encode()
            if not hmac.compare_digest(given, self._token.encode()):
                what = "The token is missing or wrong."
                raise Refused(HTTPStatus.UNAUTHORIZED, what, "Send Authorization: Bearer TOKEN.")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._settings.max_bytes:
            raise self.too_large()
        if headers.get("content-encoding", "identity") not in ("identity", "gzip", "deflate"):
            what = "The body is packed in a way this does not read."
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, what, "Use gzip, or do not pack.")

    @property
    def limit(self) -> int:
        """Bytes of a body, unpacked or not."""
        return self._settings.max_bytes

    def too_large(self) -> Refused:
        """What a body above the limit is answered."""
        what = f"The body is larger than {self._settings.max_bytes} bytes."
        advice = "Post fewer rows at once; 1,000 to a body is a good number."
        return Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, what, advice)

    async def take(
        self, path: str, headers: Mapping[str, str], body: bytes, intake: Intake
    ) -> tuple[HTTPStatus, bytes]:
        """Answer one body, once for each Idempotency-Key."""
        key = headers.get("idempotency-key", "")[:200]
        if not key:
            return await self._answer(path, headers, body, intake)
        digest = hashlib.blake2b(body, digest_size=16).digest()
        kept = self._kept.get(key)
        if kept is None:
            work = asyncio.ensure_future(self._answer(path, headers, body, intake))
            kept = self._kept[key] = _Kept(digest, work)
            work.add_done_callback(lambda done: self._forget_failed(key, done))
            while len(self._kept) > _KEYS_KEPT:
                self._kept.popitem(last=False)
        elif kept.digest != digest:
            what = f"Idempotency-Key {key} came with another body before."
            raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, what, "Give each body a key of its own.")
        return await asyncio.shield(kept.answer)

    def _forget_failed(self, key: str, done: "asyncio.Future[tuple[HTTPStatus, bytes]]") -> None:
        """What was not committed may be tried again with the same key."""
        if done.cancelled() or done.exception() is not None:
            self._kept.pop(key, None)

    async def _answer(
        self, path: str, headers: Mapping[str, str], body: bytes, intake: Intake
    ) -> tuple[HTTPStatus, bytes]:
        body = self._unpacked(headers, body)
        _check_media(headers, body)
        message = [Message(body, self._clock(), path)]
        if len(body) < _LONG:
            decoded = self._decode(message)
        else:
            decoded = await asyncio.to_thread(self._decode, message)
        try:
            async with asyncio.timeout(_PATIENCE_S):
                strangers = await intake.deliver(decoded)
        except (BusyError, TimeoutError) as error:
            what = str(error) or "The log has not taken it yet."
            advice = "Post it again in a while, with the same Idempotency-Key."
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, what, advice) from None
        return _answer_of(decoded, strangers)

    def _unpacked(self, headers: Mapping[str, str], body: bytes) -> bytes:
        """The body as it was before it was packed; never more than the limit is unpacked."""
        if headers.get("content-encoding", "identity") == "identity":
            return body
        unpack = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
        try:
            plain = unpack.decompress(body, self._settings.max_bytes + 1)
        except zlib.error as error:
            raise Refused(HTTPStatus.BAD_REQUEST, f"The body cannot be unpacked: {error}") from None
        if len(plain) > self._settings.max_bytes:
            raise self.too_large()
        if not unpack.eof:
            raise Refused(HTTPStatus.BAD_REQUEST, "The packed body is cut.")
        return plain


def _check_media(headers: Mapping[str, str], body: bytes) -> None:
    """Raises Refused where the body is no Arrow stream and says it is, or the other way round."""
    said = headers.get("content-type", "").partition(";")[0].strip().lower() == MEDIA_TYPE
    if said != body.startswith(MARK):
        what = "The body is no Arrow stream." if said else "The body is an Arrow stream."
        advice = f"Send Content-Type: {MEDIA_TYPE} with such a stream, and with nothing else."
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, what, advice)


def _answer_of(decoded: Decoded, strangers: Sequence[Fault]) -> tuple[HTTPStatus, bytes]:
    """200 when something was taken; 400 for what is no JSON, 422 for what says nothing we take."""
    rows = sum(len(readings) for readings in decoded.readings) - len(strangers)
    told = [*decoded.faults, *strangers][:_FAULTS_TOLD]
    answer = Answer(rows, decoded.fault_count + len(strangers), told)
    status = HTTPStatus.OK
    if not rows:
        malformed = any(fault.reason.startswith("malformed") for fault in decoded.faults)
        status = HTTPStatus.BAD_REQUEST if malformed else HTTPStatus.UNPROCESSABLE_ENTITY
    return status, msgspec.json.encode(answer)


def _tls(settings: PushSettings, setup: Setup) -> dict[str, Any]:
    if settings.certificate is None or settings.key is None:
        return {}
    files = setup.folder / settings.certificate, setup.folder / settings.key
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(*files)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{files[0]}, {files[1]}: no certificate with its key: {error}") from None
    return {"ssl_certfile": files[0], "ssl_keyfile": files[1]}


class _App:
    """The ASGI application: a body in, an answer or a problem out."""

    def __init__(self, push: Push, intake: Intake) -> None:
        self._push = push
        self._intake = intake

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        try:
            self._push.check(scope, headers)
            body = await self._body(receive)
            status, answer = await self._push.take(scope["path"], headers, body, self._intake)
        except Refused as refused:
            await _problem(send, refused, scope["path"])
            return
        await _send(send, status, answer, b"application/json")

    async def _body(self, receive: Any) -> bytes:
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refused(HTTPStatus.BAD_REQUEST, "The connection ended within the body.")
            part = message.get("body", b"")
            size += len(part)
            if size > self._push.limit:
                raise self._push.too_large()
            parts.append(part)
            if not message.get("more_body"):
                return b"".join(parts)


async def _problem(send: Any, refused: Refused, path: str) -> None:
    """Problem details (RFC 9457)."""
    body = {
        "type": "about:blank",
        "title": refused.status.phrase,
        "status": int(refused.status),
        "detail": refused.detail,
        "instance": path,
        "advice": refused.advice,
    }
    await _send(send, refused.status, msgspec.json.encode(body), b"application/problem+json")


async def _send(send: Any, status: HTTPStatus, body: bytes, media: bytes) -> None:
    headers = [(b"content-type", media), (b"content-length", str(len(body)).encode())]
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append((b"retry-after", b"1"))
    if status in (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNAUTHORIZED):
        # The body was not read to its end, so nothing more can be said on this connection.
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": body})


class _Server(uvicorn.Server):
    """uvicorn without its own idea of signals: the intake ends it by cancelling."""

    def __init__(self, app: _App, tls: Mapping[str, Any]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=1,
                lifespan="off",
                ws="none",
                **tls,
            )
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the process."""
        yield
