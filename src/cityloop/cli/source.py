"""``cityloop source``: looks at a way in before it is opened."""

from pathlib import Path
from typing import Annotated

import typer

from cityloop.kernel.errors import ConfigError

source_app = typer.Typer(no_args_is_help=True, help="Look at a way in before it is opened.")


@source_app.command("test")
def try_(
    folder: Annotated[Path, typer.Argument(help="A folder with a city.toml.")],
    name: Annotated[str, typer.Argument(help="A source of its [sources].")],
    seconds: Annotated[float, typer.Option(help="How long to listen.")] = 10.0,
) -> None:
    """Show what arrives, what would be rejected and why; nothing is committed."""
    # Late: no other command waits for what reads sources.
    from cityloop.city.trial import try_source

    typer.echo(f"{name}: listening for {seconds:g} s (+ accepted, - rejected, = state)")
    try:
        accepted, rejected = try_source(folder, name, seconds, typer.echo)
    except OSError as error:
        raise ConfigError(f"source {name}: {error}") from None
    told = ", ".join(f"{count} {reason}" for reason, count in rejected.most_common())
    typer.echo(f"{name}: {accepted} rows would be accepted; rejected: {told or 'nothing'}")


@source_app.callback()
def _root() -> None:
    """Look at a way in before it is opened."""
