"""``cityloop bench``: controllers against one another on real networks."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cityloop.domains.mobility import signal_timing
from cityloop.evaluation.harness import Case, Failure, Result, Trial, controllers, run_trials
from cityloop.evaluation.report import check_plot, write_plot, write_results, write_table
from cityloop.kernel.errors import ConfigError
from cityloop.twins.sumo.scenario import read_scenario
from cityloop.twins.sumo.tables import build_tables

LOOPS = {"cityloop": signal_timing.loop}
HANGZHOU = Path("examples/hangzhou")
HANGZHOU_MIN_GREEN_S = 10.0

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
    check_plot()
    names = _controllers(controllers)
    out.mkdir(parents=True, exist_ok=True)
    cases = [_case(text, min_green or 7.0) for text in network or ()]
    if not cases:
        cases = [_hangzhou(out / "cache", min_green or HANGZHOU_MIN_GREEN_S)]
    trials = [
        Trial(case, name, seed) for case in cases for name in names for seed in range(1, seeds + 1)
    ]
    results, failures = _run(trials, jobs)
    write_results(out / "results.json", results, failures)
    write_table(out / "table.md", results, failures)
    write_plot(out / "plot.svg", results)
    typer.echo((out / "table.md").read_text(encoding="utf-8"))
    if failures:
        raise typer.Exit(1)


def _run(trials: list[Trial], jobs: int) -> tuple[list[Result], list[Failure]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("trials", total=len(trials))

        def tell(ended: Result | Failure) -> None:
            if isinstance(ended, Failure):
                bar.console.print(f"{ended.trial}: {ended.error}", style="red", markup=False)
            bar.advance(task)

        return run_trials(trials, LOOPS, jobs=jobs, tell=tell)


def _controllers(text: str) -> list[str]:
    known = controllers(LOOPS)
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise ConfigError(f"no controller {', '.join(unknown)}; there are: {', '.join(known)}")
    return names


def _case(text: str, min_green_s: float) -> Case:
    name, equals, scenario = text.partition("=")
    if not equals or not name or not scenario:
        raise ConfigError(f"--network {text}: write NAME=CITY.sumocfg or NAME=NET,ROUTES[,ADD]")
    return Case(name, read_scenario(scenario), min_green_s)


def _hangzhou(cache: Path, min_green_s: float) -> Case:
    if not HANGZHOU.is_dir():
        raise ConfigError(f"{HANGZHOU} is not here; run from the repository or give --network")
    return Case("hangzhou", build_tables(HANGZHOU, cache), min_green_s)
