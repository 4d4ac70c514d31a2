"""``cityloop bus``: what a city's bus carries."""

from pathlib import Path
from typing import Annotated

import typer

from cityloop.kernel.errors import ConfigError

bus_app = typer.Typer(no_args_is_help=True, help="Read a city's bus.")


@bus_app.command()
def tail(
    folder: Annotated[Path, typer.Argument(help="A folder with a city.toml.")],
    subject: Annotated[
        list[str] | None, typer.Option(help="A subject, such as cityloop.CITY.TYPE.*; repeat.")
    ] = None,
    old: Annotated[bool, typer.Option("--old", help="Begin with the oldest there is.")] = False,
    count: Annotated[int, typer.Option(help="End after so many messages; 0 at Ctrl-C.")] = 0,
    data: Annotated[Path | None, typer.Option(help="Where data lies; else city.toml's.")] = None,
) -> None:
    """Print what goes over the bus, a message a line: position, time, subject, form and rows."""
    from cityloop.city.bus_tail import follow

    try:
        follow(folder, data, subject or [], typer.echo, old=old, count=count)
    except OSError as error:
        raise ConfigError(f"the bus cannot be read: {error}") from None


@bus_app.callback()
def _root() -> None:
    """Read a city's bus."""
