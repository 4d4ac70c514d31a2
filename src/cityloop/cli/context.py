"""``cityloop context``: asks an NGSI-LD broker, and puts entities into it."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from cityloop.kernel.errors import ConfigError, InputError

context_app = typer.Typer(no_args_is_help=True, help="Ask an NGSI-LD broker; put entities into it.")

_Broker = Annotated[str, typer.Option("--broker", help="Address of the broker.")]
_Tenant = Annotated[str, typer.Option(help="Tenant; empty for the default one.")]
_Link = Annotated[str, typer.Option("--context", help="URL of the @context that names are of.")]
_HERE = "http://127.0.0.1:9090"
_UPSERT = "entityOperations/upsert"


@context_app.command()
def get(
    name: Annotated[str, typer.Argument(metavar="ID", help="The entity's id.")],
    broker: _Broker = _HERE,
    tenant: _Tenant = "",
    context: _Link = "",
) -> None:
    """Print one entity as JSON."""
    path = f"entities/{quote(name, safe=':')}"
    typer.echo(json.dumps(_ask(broker, tenant, context, "GET", path), indent=2))


@context_app.command()
def query(
    type_: Annotated[str, typer.Option("--type", help="Types: A,B or (A;B).")] = "",
    q: Annotated[str, typer.Option(help="Condition, such as speed>50.")] = "",
    limit: Annotated[int, typer.Option(help="Entities at most.")] = 20,
    broker: _Broker = _HERE,
    tenant: _Tenant = "",
    context: _Link = "",
) -> None:
    """Print the entities that meet a description, one a line, values only."""
    said = {"type": type_, "q": q, "limit": str(limit), "options": "keyValues"}
    parameters = {key: value for key, value in said.items() if value}
    for entity in _ask(broker, tenant, context, "GET", "entities", parameters):
        typer.echo(json.dumps(entity, ensure_ascii=False))


@context_app.command()
def put(
    file: Annotated[Path, typer.Argument(help="JSON: an entity or an array of them; - is stdin.")],
    broker: _Broker = _HERE,
    tenant: _Tenant = "",
    context: _Link = "",
) -> None:
    """Create the entities of a file, or bring up to date what exists."""
    entities = _read(file)
    answer = _ask(broker, tenant, context, "POST", _UPSERT, {"options": "update"}, entities)
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


def _ask(
    broker: str,
    tenant: str,
    context: str,
    method: str,
    path: str,
    parameters: dict[str, str] | None = None,
    body: list[Any] | None = None,
) -> Any:
    """The JSON that the broker answers; raises InputError with its reason, ConfigError without."""
    import httpx

    headers = {"NGSILD-Tenant": tenant} if tenant else {}
    if context:
        headers["Link"] = f'<{context}>; rel="http://www.w3.org/ns/json-ld#context"'
    url = f"{broker.rstrip('/')}/ngsi-ld/v1/{path}"
    try:
        answer = httpx.request(method, url, params=parameters, json=body, headers=headers)
        told: Any = answer.json() if answer.content else None
    except (httpx.HTTPError, ValueError) as error:
        raise ConfigError(
            f"no broker answers at {broker} ({error}); `cityloop broker` starts one"
        ) from error
    if answer.status_code == 207:
        errors = told["errors"] if isinstance(told, dict) else told
        raise InputError(f"not all was taken: {json.dumps(errors, ensure_ascii=False)}")
    if answer.is_error:
        raise InputError(f"{told.get('title')}: {told.get('detail')}")
    return told


@context_app.callback()
def _root() -> None:
    """Ask an NGSI-LD broker; put entities into it."""
