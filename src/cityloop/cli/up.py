"""``cityloop up``: a whole city on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from cityloop.cli.port import check_port
from cityloop.kernel.errors import ConfigError
from cityloop.web import HOST


def up(
    folder: Annotated[Path, typer.Argument(help="A folder with a city.toml.")],
    port: Annotated[int, typer.Option(help="Port of the operations centre.")] = 8000,
    speed: Annotated[
        str | None, typer.Option(help="City seconds per second, or max; else city.toml's.")
    ] = None,
    baseline: Annotated[bool, typer.Option(help="Run the baseline twin beside the city.")] = True,
    runs: Annotated[int | None, typer.Option(help="Stop after so many runs.")] = None,
    data: Annotated[Path | None, typer.Option(help="Where data lies; else city.toml's.")] = None,
) -> None:
    """Bring a city up and keep it up until Ctrl-C."""
    from cityloop.city.build import build_site
    from cityloop.city.bus_process import NONE, check_bus
    from cityloop.city.journal import keep_journal
    from cityloop.city.supervisor import Options, Supervisor
    from cityloop.city.telemetry import is_wanted
    from cityloop.web.process import main as web_main

    keep_journal()
    check_port(port)
    is_wanted()
    site = build_site(folder, data)

    def announce() -> None:
        name = site.settings.city.name
        typer.echo(f"{name} is up: the operations centre is at http://{HOST}:{port}")

    if site.settings.city.bus != NONE:
        check_bus(site.settings.city.bus)
    pace = None if speed is None else _speed(speed)
    Supervisor(site, Options(port, pace, baseline, runs, announce), web_main).run()


def _speed(text: str) -> float:
    if text == "max":
        return 0.0
    try:
        speed = float(text)
    except ValueError:
        speed = -1.0
    if not 0 < speed <= 1000:
        raise ConfigError(f"--speed {text}: give city seconds per second (0 to 1000), or max")
    return speed
