"""What a bench leaves behind: ``results.json``, ``table.md``, ``plot.svg``."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cityloop.evaluation.compare import Difference, compare
from cityloop.evaluation.harness import Failure, Result
from cityloop.kernel.errors import ConfigError

BASELINE = "webster"
HEAD = (
    "network",
    "controller",
    "seeds",
    "ATT_all s",
    "worst seed",
    "RESCO delay s",
    "stops",
    "finished",
    "never inserted",
    f"against {BASELINE}, s (95 %)",
    "minimum green s",
)
PLOT_INSTALL = "the plot needs matplotlib; run: pip install 'cityloop[bench]'"


@dataclass(frozen=True, slots=True)
class Cell:
    """One controller on one network over its seeds, oldest seed first."""

    network: str
    controller: str
    min_green_s: float
    results: tuple[Result, ...]
    against: Difference | None

    @property
    def att_s(self) -> list[float]:
        """ATT_all of each seed."""
        return [result.figures.att_all_s for result in self.results]

    def mean(self, figure: str) -> float:
        """Mean over the seeds of one of ``Figures``."""
        values = [float(getattr(result.figures, figure)) for result in self.results]
        return sum(values) / len(values)


def cells(results: Sequence[Result], baseline: str = BASELINE) -> list[Cell]:
    """Results by network and controller, in order of appearance, each against the baseline.

    ``against`` is None for the baseline itself and where it has not run with the same seeds.
    """
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        key = result.trial.case.name, result.trial.controller
        groups.setdefault(key, []).append(result)
    return [
        Cell(
            network,
            controller,
            group[0].trial.case.min_green_s,
            tuple(group),
            None
            if controller == baseline
            else _against(group, groups.get((network, baseline), [])),
        )
        for (network, controller), group in groups.items()
    ]


def _against(group: Sequence[Result], baseline: Sequence[Result]) -> Difference | None:
    other = {result.trial.seed: result.trips for result in baseline}
    if any(result.trial.seed not in other for result in group):
        return None
    return compare([r.trips for r in group], [other[r.trial.seed] for r in group])


def write_results(path: Path, results: Sequence[Result], failures: Sequence[Failure]) -> None:
    """``results.json``: a row per trial, the differences with intervals, and the failures."""
    document = {
        "rows": [_row(result) for result in results],
        "differences": [_difference(cell) for cell in cells(results) if cell.against],
        "errors": [
            {
                "network": failure.trial.case.name,
                "controller": failure.trial.controller,
                "seed": failure.trial.seed,
                "error": failure.error,
            }
            for failure in failures
        ],
    }
    path.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _row(result: Result) -> dict[str, str | int | float]:
    seen = result.figures
    return {
        "network": result.trial.case.name,
        "controller": result.trial.controller,
        "seed": result.trial.seed,
        "att_all_s": round(seen.att_all_s, 3),
        "resco_delay_s": round(seen.resco_delay_s, 3),
        "finished": seen.finished,
        "departed": seen.departed,
        "never_inserted": seen.never_inserted,
        "cpu_s": round(result.cpu_s, 2),
        "version": result.version,
        "stops_per_vehicle": round(seen.stops_per_vehicle, 3),
        "collisions": result.collisions,
        "emergency_stops": result.emergency_stops,
        "min_green_s": result.trial.case.min_green_s,
    }


def _difference(cell: Cell) -> dict[str, str | int | float]:
    assert cell.against is not None  # noqa: S101 (the caller left those out)
    return {
        "network": cell.network,
        "controller": cell.controller,
        "baseline": BASELINE,
        "att_all_s": round(cell.against.mean_s, 3),
        "low_s": round(cell.against.low_s, 3),
        "high_s": round(cell.against.high_s, 3),
        "pairs": cell.against.vehicles,
    }


def write_table(path: Path, results: Sequence[Result], failures: Sequence[Failure]) -> None:
    """``table.md``: a line per network and controller; means over seeds, the worst seed beside."""
    lines = [f"| {' | '.join(HEAD)} |", f"|{'---|' * len(HEAD)}"]
    lines += [_line(cell) for cell in cells(results)]
    if failures:
        lines += ["", "Failed:", ""]
        lines += [f"- {failure.trial}: {failure.error}" for failure in failures]
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")


def _line(cell: Cell) -> str:
    gain = cell.against
    against = f"{gain.mean_s:+.1f} ({gain.low_s:+.1f} to {gain.high_s:+.1f})" if gain else "–"
    figures = [
        cell.network,
        cell.controller,
        str(len(cell.results)),
        f"{cell.mean('att_all_s'):.1f}",
        f"{max(cell.att_s):.1f}",
        f"{cell.mean('resco_delay_s'):.1f}",
        f"{cell.mean('stops_per_vehicle'):.2f}",
        f"{cell.mean('finished'):.0f}",
        f"{cell.mean('never_inserted'):.0f}",
        against,
        f"{cell.min_green_s:g}",
    ]
    return f"| {' | '.join(figures)} |"


def check_plot() -> None:
    """Raise ConfigError naming the install command where no plot can be drawn."""
    try:
        import matplotlib as _  # noqa: F401
    except ImportError as error:
        raise ConfigError(PLOT_INSTALL) from error


def write_plot(path: Path, results: Sequence[Result]) -> None:
    """``plot.svg``: ATT_all by network and controller, a dot per seed, a bar for their mean."""
    from matplotlib.figure import Figure

    shown = cells(results)
    networks = list(dict.fromkeys(cell.network for cell in shown))
    names = list(dict.fromkeys(cell.controller for cell in shown))
    figure = Figure(figsize=(2.0 + 2.2 * len(networks), 4.0), layout="constrained")
    axes = figure.subplots(1, max(len(networks), 1), squeeze=False)[0]
    for axis, network in zip(axes, networks, strict=False):
        for cell in (cell for cell in shown if cell.network == network):
            at, colour = names.index(cell.controller), f"C{names.index(cell.controller)}"
            axis.bar(at, cell.mean("att_all_s"), color=colour, alpha=0.6)
            axis.plot([at] * len(cell.att_s), cell.att_s, ".", color="black", markersize=4)
        axis.set_title(network, fontsize=9)
        axis.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=7)
    axes[0].set_ylabel("ATT_all, s per vehicle (less is better)")
    # No date and no random ids in the file: the same results give the same plot.
    figure.savefig(path, format="svg", metadata={"Date": None})
