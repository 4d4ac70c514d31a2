"""One address fetched again and again, politely and without trust.

Conditional requests (RFC 9110, section 13), Retry-After, a limit on what is unpacked (a gzip bomb
is cut while it unpacks), one time limit over the whole answer, and redirects that stay on the
declared host: a feed cannot send us to look into our own network.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx

from cityloop.kernel.clock import Clock
from cityloop.kernel.errors import CityloopError

MEGABYTE = 1_000_000
_REDIRECTS = 3
_MOST_RETRY_AFTER_S = 86_400.0
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_PIECE = 1 << 16
_REDIRECT_STATUS = {301, 302, 303, 307, 308}


class FetchError(CityloopError):
    """The address gave nothing that can be used; try again, not before ``retry_after_s``.

    ``arrived``: something did come, and was refused for what it is.
    """

    def __init__(self, message: str, retry_after_s: float = 0.0, *, arrived: bool = False) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.arrived = arrived


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer. ``validators``: what to send next time so that an unchanged body stays away."""

    body: bytes
    validators: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Limits:
    """``timeout_s`` over the whole answer, ``most_bytes`` after unpacking."""

    timeout_s: float = 20.0
    most_bytes: int = 50 * MEGABYTE


class Fetcher:
    """Fetches from the host of ``url`` only. ``headers`` go to that host with every request."""

    def __init__(
        self, url: str, limits: Limits, clock: Clock, headers: Mapping[str, str] | None = None
    ) -> None:
        self._url = httpx.URL(url)
        self._limits = limits
        self._clock = clock
        self._client = httpx.AsyncClient(
            headers={"Accept-Encoding": "gzip", "User-Agent": "cityloop", **(headers or {})},
            timeout=limits.timeout_s,
            follow_redirects=False,
        )

    async def fetch(
        self, url: str = "", validators: Mapping[str, str] | None = None
    ) -> Fetched | None:
        """The body at ``url`` (the declared one when empty); None when it has not changed.

        Raises FetchError with the reason for everything else.
        """
        try:
            async with asyncio.timeout(self._limits.timeout_s):
                return await self._follow(self._url.join(url), validators or {})
        except TimeoutError:
            raise FetchError(f"no answer within {self._limits.timeout_s:g} s") from None
        except httpx.TimeoutException:
            raise FetchError(f"no answer within {self._limits.timeout_s:g} s") from None
        except httpx.InvalidURL as error:
            raise FetchError(f"it sends us to an address that is none: {error}") from None
        except (httpx.HTTPError, OSError) as error:
            raise FetchError(f"{type(error).__name__}: {error}") from None

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.aclose()

    async def _follow(self, url: httpx.URL, validators: Mapping[str, str]) -> Fetched | None:
        for _ in range(_REDIRECTS + 1):
            self._check(url)
            request = self._client.build_request("GET", url, headers=validators)
            response = await self._client.send(request, stream=True)
            try:
                if response.status_code not in _REDIRECT_STATUS:
                    return await self._read(response)
                url = url.join(response.headers.get("location", ""))
            finally:
                await response.aclose()
        raise FetchError(f"more than {_REDIRECTS} redirects")

    def _check(self, url: httpx.URL) -> None:
        """Raise FetchError for another host or port, or for less protection than declared."""
        ours = self._url
        if url.host != ours.host or url.scheme not in ("http", "https"):
            raise FetchError(f"it sends us to {url.scheme}://{url.host}, not {ours.host}: refused")
        upgraded = ours.scheme == "http" and url.scheme == "https" and url.port is None
        if (url.scheme, url.port) != (ours.scheme, ours.port) and not upgraded:
            raise FetchError(f"it sends us to {url.scheme} port {url.port}: refused")

    async def _read(self, response: httpx.Response) -> Fetched | None:
        status = response.status_code
        if status == HTTPStatus.NOT_MODIFIED:
            return None
        if status != HTTPStatus.OK:
            phrase = response.reason_phrase[:80]
            raise FetchError(f"HTTP {status} {phrase}", self._retry_after_s(response))
        most = self._limits.most_bytes
        told = response.headers.get("content-length", "")
        if told.isdigit() and len(told) < 20 and int(told) > most:
            raise FetchError(f"{int(told)} bytes are more than {most}", arrived=True)
        body = bytearray()
        async for piece in _unpacked(response):
            body += piece
            if len(body) > most:
                raise FetchError(f"it unpacks to more than {most} bytes", arrived=True)
        return Fetched(bytes(body), _validators(response.headers))

    def _retry_after_s(self, response: httpx.Response) -> float:
        text = response.headers.get("retry-after", "")
        if text.isdigit() and len(text) < 10:
            return min(float(text), _MOST_RETRY_AFTER_S)
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return 0.0
        return min(max(0.0, moment.timestamp() - self._clock() / 1000), _MOST_RETRY_AFTER_S)


def _validators(headers: httpx.Headers) -> dict[str, str]:
    found = {}
    for given, asked in (("etag", "If-None-Match"), ("last-modified", "If-Modified-Since")):
        if given in headers:
            found[asked] = headers[given]
    return found


async def _unpacked(response: httpx.Response) -> AsyncIterator[bytes]:
    """The body in pieces of bounded size, however small it was packed."""
    encoding = response.headers.get("content-encoding", "identity").lower()
    if encoding == "identity":
        async for piece in response.aiter_raw():
            yield piece
        return
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise FetchError(f"content encoding {encoding[:40]} was not asked for", arrived=True)
    packer = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        async for packed in response.aiter_raw():
            rest = packed
            while rest and not packer.eof:
                yield packer.decompress(rest, _PIECE)
                rest = packer.unconsumed_tail
    except zlib.error as error:
        raise FetchError(f"it cannot be unpacked: {error}", arrived=True) from None
    if not packer.eof:
        raise FetchError("it ends in the middle", arrived=True)
