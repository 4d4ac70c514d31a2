"""Opens connections to subscribers: only where notifications may go, with TLS checked."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from cityloop.interconnection.broker.notifier import RefusedError
from cityloop.interconnection.broker.reach import Reach
from cityloop.kernel.errors import ConfigError

_Line = TypeVar("_Line", bound=asyncio.Protocol)
_MOST_S = 5.0
"""For one of several addresses of a name, before the next is tried."""


class Dial:
    """``ca``: a PEM file of authorities that are trusted beside those of the system."""

    def __init__(self, reach: Reach, ca: Path | None = None) -> None:
        self._reach = reach
        self._ca = ca

    async def connect(self, line: Callable[[], _Line], host: str, port: int, *, tls: bool) -> _Line:
        """A new connection; raises RefusedError, which says what is wrong."""
        addresses = await self._addresses(host, port)
        try:
            for address in addresses[:-1]:
                try:
                    async with asyncio.timeout(_MOST_S):
                        return await self._open(line, host, address, port, tls=tls)
                except (OSError, TimeoutError):
                    continue
            return await self._open(line, host, addresses[-1], port, tls=tls)
        except ssl.SSLCertVerificationError as error:
            raise RefusedError(_untrusted(host, port, error)) from error
        except ssl.SSLError as error:
            raise RefusedError(f"TLS with {host}:{port} fails: {error.reason or error}") from error
        except OSError as error:
            raise RefusedError(f"no connection to {host}:{port}: {error}") from error

    async def _open(
        self, line: Callable[[], _Line], host: str, address: str, port: int, *, tls: bool
    ) -> _Line:
        _, opened = await asyncio.get_running_loop().create_connection(
            line,
            address,
            port,
            ssl=self._trust if tls else None,
            server_hostname=host if tls else None,
        )
        return opened

    async def _addresses(self, host: str, port: int) -> list[str]:
        """Where a host is; raises RefusedError where one of these may not be spoken to."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise RefusedError(f"no address is known of {host}: {error}") from error
        addresses = list(dict.fromkeys(str(place[0]) for *_, place in found))
        for address in addresses:
            refusal = self._reach.refusal(host, port, address)
            if refusal:
                raise RefusedError(refusal)
        return addresses

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        return trust(self._ca)


def trust(ca: Path | None) -> ssl.SSLContext:
    """Whom TLS trusts; raises ConfigError for a file that holds no certificates."""
    context = ssl.create_default_context()
    if ca is not None:
        try:
            context.load_verify_locations(ca)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"--ca {ca}: no PEM file of certificates: {error}") from error
    return context


def _untrusted(host: str, port: int, error: ssl.SSLCertVerificationError) -> str:
    return (
        f"the certificate of {host}:{port} is not trusted: {error.verify_message}; "
        "an authority of your own is named where the broker is started: --ca FILE"
    )
