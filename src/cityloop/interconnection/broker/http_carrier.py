"""Notifications over HTTP: POST (GS CIM 009, 6.3.8 and 6.4.17), connections kept."""

import asyncio

import aiohttp

from cityloop.interconnection.broker.notifier import RefusedError
from cityloop.interconnection.broker.parcels import Target

_TRY_AGAIN = frozenset({408, 421, 425, 429})
_MOST_CONNECTIONS = 1_000
_IDLE_S = 30.0


class HttpCarrier:
    """``notifier.Carrier`` for http and https. Certificates are checked."""

    def __init__(self) -> None:
        connector = aiohttp.TCPConnector(limit=_MOST_CONNECTIONS, keepalive_timeout=_IDLE_S)
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "cityloop"},
            auto_decompress=False,
            raise_for_status=False,
        )

    async def carry(self, target: Target, body: bytes) -> None:
        """POST ``body``; taken when the answer is a 2xx. Raises RefusedError."""
        timeout = aiohttp.ClientTimeout(total=target.timeout_s)
        try:
            async with self._session.post(
                target.uri,
                data=body,
                headers=target.headers,
                timeout=timeout,
                allow_redirects=False,
            ) as answer:
                status = answer.status
        except TimeoutError:
            raise RefusedError(f"no answer within {target.timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError, asyncio.IncompleteReadError) as error:
            raise RefusedError(str(error) or type(error).__name__) from error
        if not 200 <= status < 300:
            final = 300 <= status < 500 and status not in _TRY_AGAIN
            raise RefusedError(f"the answer was {status}", final=final)

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()
