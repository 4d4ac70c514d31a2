"""``cityloop context subscribe`` and ``tail``: hear of changes on the command line."""

import json
import queue
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote

import typer

from cityloop.cli.broker_client import HERE, Address, BrokerClient, Link, Tenant
from cityloop.cli.change_lines import change_line, entities
from cityloop.cli.receiver import receiving
from cityloop.kernel.errors import ConfigError

_Type = Annotated[str, typer.Option("--type", help="Types: A,B or (A;B); else any.")]
_Id = Annotated[list[str] | None, typer.Option("--id", help="An entity's id; repeat for more.")]
_Q = Annotated[str, typer.Option(help="Condition, such as speed>50.")]
_Count = Annotated[int, typer.Option(min=0, help="End after so many; 0 is at Ctrl-C.")]
_LIFE = timedelta(minutes=10)
"""How long a subscription outlives a listener that was killed; one that lives renews it."""
_RENEWED_EVERY_S = 180.0
_LOOK_S = 1.0
_ALL = ["entityCreated", "entityUpdated", "entityDeleted"]


def subscribe(
    type_: _Type = "",
    ids: _Id = None,
    q: _Q = "",
    attrs: Annotated[str, typer.Option(help="Attributes, A,B, whose change counts.")] = "",
    form: Annotated[
        str, typer.Option("--format", help="normalized, concise or keyValues.")
    ] = "normalized",
    keep: Annotated[bool, typer.Option("--keep", help="Leave the subscription behind.")] = False,
    port: Annotated[int, typer.Option(help="Port to be told on; 0 is any that is free.")] = 0,
    count: _Count = 0,
    broker: Address = HERE,
    tenant: Tenant = "",
    context: Link = "",
) -> None:
    """Subscribe, and print each notification as one line of JSON until Ctrl-C."""
    wanted = _wanted(type_, ids, q) | {"notification": {"format": form}}
    if attrs:
        wanted["watchedAttributes"] = attrs.split(",")
    following = _Following(BrokerClient(broker, tenant, context), wanted, port, keep)
    _each(following, count, lambda told: [json.dumps(told, ensure_ascii=False)])


def tail(
    type_: _Type = "",
    ids: _Id = None,
    q: _Q = "",
    as_json: Annotated[bool, typer.Option("--json", help="Entities as JSON, one a line.")] = False,
    count: _Count = 0,
    broker: Address = HERE,
    tenant: Tenant = "",
    context: Link = "",
) -> None:
    """Print what is created, updated and deleted, an entity a line, until Ctrl-C."""
    wanted = _wanted(type_, ids, q) | {
        "notificationTrigger": _ALL,
        "notification": {"format": "normalized", "sysAttrs": True, "showChanges": True},
    }

    def lines(told: Any) -> list[str]:
        if as_json:
            return [json.dumps(it, ensure_ascii=False) for it in entities(told)]
        at = f"{datetime.fromisoformat(told['notifiedAt']).astimezone():%H:%M:%S}"
        return [change_line(at, it) for it in entities(told)]

    _each(_Following(BrokerClient(broker, tenant, context), wanted, 0, keep=False), count, lines)


def _wanted(type_: str, ids: list[str] | None, q: str) -> dict[str, Any]:
    selector: dict[str, Any] = {"type": type_ or "*"}
    if ids:
        selector["id"] = ids
    return {"type": "Subscription", "entities": [selector]} | ({"q": q} if q else {})


@dataclass(frozen=True)
class _Following:
    """A subscription ``wanted`` at a broker, for as long as somebody listens or for good."""

    client: BrokerClient
    wanted: dict[str, Any]
    port: int
    keep: bool

    @contextmanager
    def news(self) -> Iterator[Iterator[Any]]:
        """Notifications as they come; the subscription is deleted after the block unless kept."""
        with receiving(self.port) as receiver:
            endpoint = {"uri": receiver.url, "accept": "application/json"}
            notification = self.wanted["notification"] | {"endpoint": endpoint}
            name = self._subscribed(self.wanted | {"notification": notification})
            typer.echo(f"subscribed as {name}; Ctrl-C ends", err=True)
            try:
                yield self._taken(receiver.news, name)
            finally:
                self._end(name)

    def _subscribed(self, body: dict[str, Any]) -> str:
        # The broker says what it called it in a header; a name of ours needs no reading of headers.
        name = f"urn:ngsi-ld:Subscription:cityloop-{time.time_ns():x}"
        self.client.ask("POST", "subscriptions", body=body | {"id": name} | self._life())
        return name

    def _life(self) -> dict[str, str]:
        ends = datetime.now(UTC) + _LIFE
        return {} if self.keep else {"expiresAt": f"{ends:%Y-%m-%dT%H:%M:%SZ}"}

    def _taken(self, news: "queue.Queue[Any]", name: str) -> Iterator[Any]:
        renewed = time.monotonic()
        while True:
            with suppress(queue.Empty):
                yield news.get(timeout=_LOOK_S)
            if not self.keep and time.monotonic() - renewed > _RENEWED_EVERY_S:
                self.client.ask("PATCH", f"subscriptions/{quote(name)}", body=self._life())
                renewed = time.monotonic()

    def _end(self, name: str) -> None:
        if self.keep:
            typer.echo(f"{name} is left behind", err=True)
            return
        try:
            self.client.ask("DELETE", f"subscriptions/{quote(name)}")
        except ConfigError as error:
            raise ConfigError(f"{error}\n{name} is left behind; it expires by itself") from error


def _each(following: _Following, count: int, lines: Callable[[Any], list[str]]) -> None:
    """Print the lines of every notification; end after ``count`` lines (0: never), or Ctrl-C."""
    # Also where a shell started this in the background, and for whoever only asks it to end.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    printed = 0
    try:
        with following.news() as news:
            for told in news:
                for line in lines(told):
                    typer.echo(line)
                    printed += 1
                    if printed == count:
                        return
    except KeyboardInterrupt:
        return
