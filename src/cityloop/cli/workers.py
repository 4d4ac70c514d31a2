"""``cityloop workers``: who runs which part of which loop."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cityloop.kernel.errors import ConfigError

if TYPE_CHECKING:
    from cityloop.city.workers_file import WorkerRow

_HEAD = ("loop", "part", "entities", "state", "node", "pid", "epoch", "lag", "restarts")


def workers(
    city: Annotated[Path, typer.Argument(help="the folder of the city")],
    data: Annotated[Path | None, typer.Option(help="where its data lies, if elsewhere")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="as JSON, for programs")] = False,
) -> None:
    """Show who runs which part of a running city's loops, and how far behind.

    Lag: batches that a part has yet to follow. Restarts: since the workers' process started.
    """
    import msgspec

    from cityloop.city.config import read_settings
    from cityloop.city.workers_file import read_workers

    settings = read_settings(city)
    if settings.city.workers == "hub":
        raise ConfigError(f"the loops of {city} run in the hub; see `workers` in its city.toml")
    folder = (data or city / settings.city.data) / settings.city.tenant
    rows = read_workers(folder)
    if as_json:
        sys.stdout.write(msgspec.json.encode(rows).decode() + "\n")
        return
    table = [_HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(line[i]) for line in table) for i in range(len(_HEAD))]
    for line in table:
        typer.echo("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip())


def _cells(row: "WorkerRow") -> tuple[str, ...]:
    return tuple(str(getattr(row, name)) for name in _HEAD)
