"""Fetches @contexts from the network without being led where a client must not reach.

A client names the URL, so the broker asks only addresses that the whole world can ask: the names
of private networks, of this machine, of a cloud's metadata service are refused after they were
resolved, on every redirect again (SSRF). What is fetched is small, and comes soon or not at all.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from cityloop.standards.cim.problems import Problem
from cityloop.standards.cim.terms import not_available

_SECONDS: Final = 5.0
_MOST_BYTES: Final = 1 << 20
_MOST_REDIRECTS: Final = 3
_ACCEPT = "application/ld+json, application/json;q=0.9"


class Fetcher:
    """Fetches documents; ``allowed``: hosts (``host`` or ``host:port``) that may be private."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._allowed = frozenset(allowed)

    async def fetch(self, url: str) -> bytes:
        """The body behind ``url``; raises Problem (LdContextNotAvailable) if there is none."""
        try:
            async with asyncio.timeout(_SECONDS):
                return await self._follow(url)
        except TimeoutError:
            raise not_available(url, f"no answer within {_SECONDS:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise not_available(url, error) from error

    async def _follow(self, url: str) -> bytes:
        asked = url
        for _ in range(_MOST_REDIRECTS + 1):
            answer = await self._ask(asked)
            if isinstance(answer, bytes):
                return answer
            asked = urljoin(asked, answer)
        raise not_available(url, f"more than {_MOST_REDIRECTS} redirects")

    async def _ask(self, url: str) -> bytes | str:
        """The body, or the URL that a redirect names."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise not_available(url, "only http and https are fetched")
        open_world = not self._allowed & {parts.hostname, f"{parts.hostname}:{parts.port}"}
        if open_world:
            _check_literal(parts.hostname, url)
        connector = aiohttp.TCPConnector(resolver=_WorldOnly()) if open_world else None
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(url, headers={"Accept": _ACCEPT}, allow_redirects=False) as answer,
        ):
            if answer.status in (301, 302, 303, 307, 308) and "Location" in answer.headers:
                return answer.headers["Location"]
            if answer.status != 200:
                raise not_available(url, f"the server answers {answer.status}")
            return await _body(answer, url)


async def _body(answer: aiohttp.ClientResponse, url: str) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_chunked(1 << 16):
        body += chunk
        if len(body) > _MOST_BYTES:
            raise not_available(url, f"it is larger than {_MOST_BYTES} bytes")
    return bytes(body)


def _check_literal(host: str, url: str) -> None:
    """Refuse an address written into the URL; the resolver never sees it."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return
    if not address.is_global:
        raise _refused(url, str(address))


def _refused(url: str, address: str) -> Problem:
    return not_available(
        url,
        f"{address} is an address of a private network; put the document into the offline "
        "@contexts, or allow the host where the broker is started",
    )


class _WorldOnly(AbstractResolver):
    """Resolves names to public addresses only; the connection goes to what was checked."""

    def __init__(self) -> None:
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        private = [each["host"] for each in found if not _is_global(each["host"])]
        if private or not found:
            raise _refused(host, ", ".join(private) or "no address")
        return found

    async def close(self) -> None:
        await self._resolver.close()


def _is_global(address: Any) -> bool:
    return ipaddress.ip_address(address).is_global
