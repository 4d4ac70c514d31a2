"""``cityloop bench``: controllers against one another on real networks."""

from pathlib import Path
from typing import Annotated

import typer

bench_app = typer.Typer(no_args_is_help=True, help="Measure controllers against one another.")


@bench_app.callback()
def _root() -> None:
    """Measure controllers against one another."""


@bench_app.command()
def traffic(
    network: Annotated[
        list[str] | None,
        typer.Option(help="NAME=CITY.sumocfg or NAME=NET,ROUTES[,ADD]; repeat for more."),
    ] = None,
    controllers: Annotated[
        str, typer.Option(help="Comma-separated; those that exist are listed when one does not.")
    ] = "plan,webster,actuated,delay_based,max_pressure,guarded_max_pressure,cityloop",
    seeds: Annotated[int, typer.Option(min=1, help="Seeds 1 to this.")] = 5,
    jobs: Annotated[int, typer.Option(min=1, help="Processes at a time.")] = 2,
    min_green: Annotated[
        float | None,
        typer.Option(min=5, help="Least green of vehicle phases, s [7; Hangzhou's tables 10]."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("bench"),
) -> None:
    """Try every controller on every network with every seed; write table, JSON and plot."""
    # Late: no other command waits for simulators and plots.
    from cityloop.cli.trials import try_all

    if not try_all(network or (), controllers, seeds, jobs, min_green, out):
        raise typer.Exit(1)
