"""``cityloop context``: asks an NGSI-LD broker, puts entities into it, follows what changes."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from cityloop.cli.broker_client import HERE, Address, BrokerClient, Link, Tenant
from cityloop.cli.context_follow import subscribe, tail
from cityloop.kernel.errors import InputError

context_app = typer.Typer(no_args_is_help=True, help="Ask an NGSI-LD broker; put entities into it.")
context_app.command()(subscribe)
context_app.command()(tail)

_UPSERT = "entityOperations/upsert"


@context_app.command()
def get(
    name: Annotated[str, typer.Argument(metavar="ID", help="The entity's id.")],
    broker: Address = HERE,
    tenant: Tenant = "",
    context: Link = "",
) -> None:
    """Print one entity as JSON."""
    entity = BrokerClient(broker, tenant, context).ask("GET", f"entities/{quote(name, safe=':')}")
    typer.echo(json.dumps(entity, ensure_ascii=False, indent=2))


@context_app.command()
def query(
    type_: Annotated[str, typer.Option("--type", help="Types: A,B or (A;B).")] = "",
    q: Annotated[str, typer.Option(help="Condition, such as speed>50.")] = "",
    limit: Annotated[int, typer.Option(help="Entities at most.")] = 20,
    broker: Address = HERE,
    tenant: Tenant = "",
    context: Link = "",
) -> None:
    """Print the entities that meet a description, one a line, values only."""
    said = {"type": type_, "q": q, "limit": str(limit), "options": "keyValues"}
    parameters = {key: value for key, value in said.items() if value}
    for entity in BrokerClient(broker, tenant, context).ask("GET", "entities", parameters):
        typer.echo(json.dumps(entity, ensure_ascii=False))


@context_app.command()
def put(
    file: Annotated[Path, typer.Argument(help="JSON: an entity or an array of them; - is stdin.")],
    broker: Address = HERE,
    tenant: Tenant = "",
    context: Link = "",
) -> None:
    """Create the entities of a file, or bring up to date what exists."""
    entities = _read(file)
    client = BrokerClient(broker, tenant, context)
    answer = client.ask("POST", _UPSERT, {"options": "update"}, entities)
    # With 204 all of them existed; with 201 the body names those that did not.
    created = len(answer) if isinstance(answer, list) else 0
    typer.echo(f"{created} created, {len(entities) - created} brought up to date")


def _read(file: Path) -> list[Any]:
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text()
        document = json.loads(text)
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: no JSON to be read there: {error}") from error
    return document if isinstance(document, list) else [document]


@context_app.callback()
def _root() -> None:
    """Ask an NGSI-LD broker; put entities into it; follow what changes."""
