"""A line to a NATS server, and whether the server keeps what it acknowledges."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cityloop.kernel.errors import BusyError, ConfigError

if TYPE_CHECKING:
    from nats.aio.client import Client

CREDENTIALS = "CITYLOOP_NATS_CREDS"
"""The environment variable that names the file with who we are."""
HOW_IT_IS = "$SYS.REQ.SERVER.PING.JSZ"
_ANSWER_S = 5.0
_QUIET_S = 0.3
_PING_S, _PINGS = 5, 2
FULL = {10023, 10047, 10077}
"""JetStream's codes for no room: the server's, the account's, the stream's."""
_JWT = "-----BEGIN NATS USER JWT-----"


def address_problem(url: str) -> tuple[str, str] | None:
    """What is wrong with an address (``nats://host:port``, ``tls://``), and how to mend it."""
    parts = urlsplit(url)
    if parts.scheme not in ("nats", "tls") or not parts.hostname:
        return f'"{url}" is no address of a NATS server', "write nats://host:4222 or tls://"
    if parts.username or parts.password:
        return (
            "the address holds a secret",
            f"put USER:PASSWORD in a file and name it in {CREDENTIALS}",
        )
    return None


def credentials(environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """How to log in, from the file that ``CITYLOOP_NATS_CREDS`` names: ``USER:PASSWORD``, a
    token, or what nsc wrote (a JWT and its key); nothing where it names none.

    Raises ConfigError, which quotes no secret, where the file cannot be read.
    """
    if not (named := environment.get(CREDENTIALS)):
        return {}
    try:
        text = Path(named).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{named} ({CREDENTIALS}) cannot be read: {error}") from None
    if text.startswith(_JWT):
        return {"user_credentials": named}
    user, colon, password = text.partition(":")
    return {"user": user, "password": password} if colon else {"token": text}


@asynccontextmanager
async def nats_errors(url: str) -> AsyncIterator[None]:
    """Turns the client's errors into OSError (away, refused) and BusyError (full)."""
    import nats.errors
    import nats.js.errors

    try:
        yield
    except nats.js.errors.APIError as error:
        if error.err_code in FULL:
            raise BusyError(f"{url} has no room: {error.description}") from error
        raise ConnectionError(f"{url}: {error.description or error}") from error
    except (nats.errors.Error, TimeoutError) as error:
        raise ConnectionError(f"{url}: {str(error) or type(error).__name__}") from error


async def _nothing() -> None:
    """Nobody waits to hear of the end."""


async def connect(
    url: str,
    login: Mapping[str, Any],
    name: str,
    closed: Callable[[], Awaitable[None]] = _nothing,
) -> "Client":
    """A connection that ends when it breaks: who holds it connects again and asks where things are.
    ``closed`` is called at its end.

    Raises ConfigError where nats-py is not installed, OSError where nobody answers or lets us in.
    """
    try:
        import nats.errors
        from nats.aio.client import Client
    except ModuleNotFoundError:
        raise ConfigError("nats-py is not installed: pip install 'cityloop[scaled]'") from None
    told: list[str] = []

    async def tell(error: Exception) -> None:
        told.append(str(error))

    client = Client()
    try:
        await client.connect(
            url,
            name=name,
            error_cb=tell,
            closed_cb=closed,
            allow_reconnect=False,
            connect_timeout=int(_ANSWER_S),
            ping_interval=_PING_S,
            max_outstanding_pings=_PINGS,
            **login,
        )
    except ModuleNotFoundError:
        raise ConfigError("a JWT needs one more package: pip install 'nats-py[nkeys]'") from None
    except (nats.errors.Error, TimeoutError, OSError) as error:
        await client.close()
        why = told[-1] if told else str(error) or "nobody answers"
        raise ConnectionError(f"{url}: {why}") from error
    return client


async def check(client: "Client", url: str) -> None:
    """Raises ConfigError, with what to do, unless JetStream is on and every server there writes
    what it acknowledges to its disk at once (``sync_interval: always``), and says so.
    """
    if not client._server_info.get("jetstream"):  # noqa: SLF001 (the client has no other word)
        raise ConfigError(f"{url}: JetStream is off; start the server with jetstream {{ … }}")
    answers = await _how_they_are(client)
    if not answers:
        raise ConfigError(
            f"{url} does not tell whether it keeps what it acknowledges: let the city's account "
            f"import the service {HOW_IT_IS} of the system account (docs/how-to/bus.md)"
        )
    for answer in answers:
        config = answer.get("data", {}).get("config") or {}
        if not config.get("sync_always"):
            name = answer.get("server", {}).get("name", "?")
            raise ConfigError(
                f"{url}: server {name} may lose what it acknowledged when its power fails: set "
                "jetstream { sync_interval: always } in its configuration and start it again"
            )


async def _how_they_are(client: "Client") -> list[dict[str, Any]]:
    """The answers of all servers of the cluster."""
    import nats.errors

    inbox = client.new_inbox()
    replies = await client.subscribe(inbox)
    found: list[dict[str, Any]] = []
    patience_s = _ANSWER_S
    await client.publish(HOW_IT_IS, b'{"config": true}', reply=inbox)
    with suppress(nats.errors.Error, asyncio.TimeoutError):
        while True:
            reply = await replies.next_msg(patience_s)
            if not reply.data:  # nobody serves it
                break
            found.append(json.loads(reply.data))
            if not client._server_info.get("cluster"):  # noqa: SLF001 (as above)
                break
            patience_s = _QUIET_S
    await replies.unsubscribe()
    return found
