"""The trials of ``cityloop bench traffic``: every controller, network and seed."""

from collections.abc import Sequence
from pathlib import Path

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


def try_all(
    networks: Sequence[str],
    chosen: str,
    seeds: int,
    jobs: int,
    min_green: float | None,
    out: Path,
) -> bool:
    """Write table, JSON and plot into ``out``; whether every trial came to its end."""
    check_plot()
    names = _controllers(chosen)
    out.mkdir(parents=True, exist_ok=True)
    cases = [_case(text, min_green or 7.0) for text in networks]
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
    return not failures


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
