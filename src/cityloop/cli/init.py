"""``cityloop init``: a new city that runs."""

from pathlib import Path
from typing import Annotated

import typer


def init(
    folder: Annotated[Path, typer.Argument(help="The city's folder; made when it is not there.")],
    name: Annotated[
        str | None, typer.Option(help="What people call it; else the folder's.")
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Without a twin: its sources speak for it.")
    ] = False,
) -> None:
    """Make a folder a city that runs: two made-up signals, or with --live a sensor of your own."""
    from cityloop.city.newcity import names_for, write_starter

    written, kept = write_starter(folder, names_for(folder, name), live=live)
    for file in kept:
        typer.echo(f"kept    {folder / file}: it was there")
    for file in written:
        typer.echo(f"wrote   {folder / file}")
    typer.echo(f"Next: cityloop up {folder}")
