"""``cityloop broker``: the NGSI-LD context broker alone."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cityloop.cli.port import check_port
from cityloop.interconnection.broker.reach import reach_of
from cityloop.kernel.errors import ConfigError
from cityloop.web import HOST

if TYPE_CHECKING:
    from cityloop.city.broker_stores import BrokerStores

_SQLITE = "sqlite:///"
_POSTGRESQL = "postgresql://"


def broker(
    port: Annotated[int, typer.Option(help="Port on the loopback.")] = 9090,
    store: Annotated[
        str, typer.Option(help="A folder, sqlite:///folder, or postgresql://host/database.")
    ] = "broker",
    data: Annotated[
        Path, typer.Option(help="Beside a database: the folder of what is derived from its log.")
    ] = Path("broker"),
    contexts: Annotated[
        Path | None, typer.Option(help="@contexts at hand: a JSON table URL: file, or a folder.")
    ] = None,
    fetch: Annotated[bool, typer.Option(help="Fetch other @contexts from the network.")] = True,
    trust: Annotated[
        list[str] | None,
        typer.Option(help="A host, or host:port, to fetch @contexts from though it is private."),
    ] = None,
    notify_to: Annotated[
        list[str] | None,
        typer.Option(
            help="A host, host:port or network to notify though it is private. Where one is given, "
            "no other private address is notified."
        ),
    ] = None,
    ca: Annotated[
        Path | None,
        typer.Option(help="PEM file of authorities that subscribers' certificates may be of."),
    ] = None,
    temporal_page: Annotated[
        int, typer.Option(min=1, help="Instances of an entity's past in one answer, without lastN.")
    ] = 20,
) -> None:
    """Serve an NGSI-LD context broker until Ctrl-C."""
    import uvloop

    from cityloop.city.broker import Broker
    from cityloop.city.clock import wall_time
    from cityloop.city.journal import keep_journal
    from cityloop.web.ngsild.server import serve

    keep_journal()
    check_port(port)
    opened = Broker(
        _stores(store, data),
        wall_time,
        contexts,
        fetch=fetch,
        trusted=trust or (),
        temporal_page=temporal_page,
        reach=reach_of(notify_to or ()),
        ca=ca,
    )

    def announce() -> None:
        typer.echo(f"the broker is up: http://{HOST}:{port}/ngsi-ld/v1")

    uvloop.run(serve(opened, port, announce))


def _stores(store: str, data: Path) -> "BrokerStores":
    from cityloop.city.broker_stores import BrokerStores
    from cityloop.city.clock import wall_time

    if store.startswith(_POSTGRESQL):
        from cityloop.interconnection.postgres.broker_tables import check_url

        check_url(store)
        return BrokerStores(data, wall_time, store)
    if "://" in store and not store.startswith(_SQLITE):
        raise ConfigError(f"--store {store}: write a folder, {_SQLITE}folder or {_POSTGRESQL}…")
    return BrokerStores(Path(store.removeprefix(_SQLITE)), wall_time)
