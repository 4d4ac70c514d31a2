"""Trials: one controller on one network with one seed, each in a process of its own."""

import signal
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory

from cityloop import __version__
from cityloop.evaluation.baseline import webster_plans
from cityloop.evaluation.controllers import (
    Controller,
    GuardedMaxPressure,
    Nothing,
    PlainMaxPressure,
    ThroughTheKernel,
)
from cityloop.evaluation.metrics import Figures, Trips, figures, read_trips
from cityloop.kernel.clock import CityTime
from cityloop.kernel.errors import ConfigError
from cityloop.kernel.loop import Loop, Orders
from cityloop.safety.cabinet import CabinetBank
from cityloop.safety.envelope import Limits
from cityloop.standards.network import RoadNetwork
from cityloop.twins.sumo.network import read_network
from cityloop.twins.sumo.programs import Kind, write_programs
from cityloop.twins.sumo.scenario import SumoScenario
from cityloop.twins.sumo.twin import SumoTwin

PROGRAM_KINDS: Mapping[str, Kind] = {
    "webster": "static",
    "actuated": "actuated",
    "delay_based": "delay_based",
}
OWN_PROGRAMS = ("plan", *PROGRAM_KINDS)
"""Controllers that SUMO itself runs; all but the shipped plan on the phases of Webster's."""
MAX_PRESSURE, GUARDED_MAX_PRESSURE = "max_pressure", "guarded_max_pressure"
START = CityTime(0)


@dataclass(frozen=True, slots=True)
class Case:
    """A network to try controllers on. Vehicle phases last at least ``min_green_s``."""

    name: str
    scenario: SumoScenario
    min_green_s: float = 7.0


@dataclass(frozen=True, slots=True)
class Trial:
    """One controller, by name, on one case with one seed."""

    case: Case
    controller: str
    seed: int

    def __str__(self) -> str:
        return f"{self.controller} on {self.case.name}, seed {self.seed}"


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What a trial gave. ``cpu_s`` is of the whole process from reading the network on."""

    trial: Trial
    figures: Figures
    trips: Trips
    cpu_s: float
    collisions: int
    emergency_stops: int
    version: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A trial that gave no figures, and why."""

    trial: Trial
    error: str


def controllers(loops: Mapping[str, Loop]) -> tuple[str, ...]:
    """All controllers there are: SUMO's own, max-pressure, and ``loops`` by name."""
    return (*OWN_PROGRAMS, MAX_PRESSURE, GUARDED_MAX_PRESSURE, *loops)


def run_trial(trial: Trial, loops: Mapping[str, Loop]) -> Result:
    """Run ``trial`` in this process, which must not have run a simulation that is still open."""
    began = time.process_time()
    case = trial.case
    network = read_network(
        case.scenario.net,
        additional=case.scenario.additional,
        min_green_s=case.min_green_s,
        segment_m=case.scenario.segment_m,
    )
    with TemporaryDirectory(prefix="cityloop-trial-") as name:
        tripinfo = Path(name) / "tripinfo.xml"
        scenario = _with_program(trial, network, Path(name))
        collisions, stops = _drive(trial, scenario, network, loops, tripinfo)
        trips = read_trips(tripinfo, scenario.end_s)
    return Result(
        trial=trial,
        figures=figures(trips),
        trips=trips,
        cpu_s=time.process_time() - began,
        collisions=collisions,
        emergency_stops=stops,
        version=f"cityloop {__version__}, SUMO {version('libsumo')}",
    )


def _with_program(trial: Trial, network: RoadNetwork, folder: Path) -> SumoScenario:
    """The scenario with the program that SUMO is to run; the shipped one is in the network."""
    scenario = trial.case.scenario
    kind = PROGRAM_KINDS.get(trial.controller)
    if kind is None:
        return scenario
    plans = [
        list(zip(plan.phases, plan.greens_s, strict=True))
        for plan in webster_plans(scenario, network)
    ]
    program = write_programs(network.bank, plans, folder / "programs.add.xml", kind=kind)
    return scenario.with_additional(program)


def _drive(
    trial: Trial,
    scenario: SumoScenario,
    network: RoadNetwork,
    loops: Mapping[str, Loop],
    tripinfo: Path,
) -> tuple[int, int]:
    """Run to the horizon; collisions and emergency stops on the way."""
    limits = Limits()
    guarded = trial.controller == GUARDED_MAX_PRESSURE or trial.controller in loops
    twin = SumoTwin(
        scenario,
        network,
        run=str(trial),
        seed=trial.seed,
        start=START,
        cabinets=CabinetBank(network.bank, limits, START) if guarded else None,
        tripinfo=tripinfo,
    )
    try:
        controller = _controller(trial, network, limits, loops)
        frames = twin.sense()
        orders: tuple[Orders, ...] = ()
        for _ in range(round(scenario.end_s - scenario.begin_s)):
            coming = controller.orders(frames)
            frames, orders = twin.step(orders), coming
        truth = twin.truth()
    finally:
        twin.close()
    return truth.collisions, truth.emergency_stops


def _controller(
    trial: Trial, network: RoadNetwork, limits: Limits, loops: Mapping[str, Loop]
) -> Controller:
    if trial.controller in loops:
        return ThroughTheKernel(loops[trial.controller], network, limits, str(trial))
    if trial.case.scenario.mesoscopic and trial.controller in (MAX_PRESSURE, GUARDED_MAX_PRESSURE):
        raise ConfigError(
            f"{trial.controller} counts the vehicles of lanes, which no mesoscopic simulation"
            " tells; leave it out of --controllers"
        )
    if trial.controller == MAX_PRESSURE:
        return PlainMaxPressure(network)
    if trial.controller == GUARDED_MAX_PRESSURE:
        return GuardedMaxPressure(network)
    return Nothing()


def run_trials(
    trials: Sequence[Trial],
    loops: Mapping[str, Loop],
    *,
    jobs: int,
    tell: Callable[[Result | Failure], None],
) -> tuple[list[Result], list[Failure]]:
    """Run ``trials``, ``jobs`` processes at a time; both lists in the order of ``trials``.

    ``tell`` hears of each as it ends. A trial that raises, or whose process dies, is a Failure and
    ends nothing else.
    """
    waiting, done = deque(trials), dict[Trial, Result | Failure]()
    running: dict[Connection, tuple[Trial, BaseProcess]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                trial = waiting.popleft()
                running.update([_start(trial, loops)])
            for line in wait(list(running)):
                assert isinstance(line, Connection)  # noqa: S101 (what wait was given)
                trial, process = running.pop(line)
                done[trial] = _outcome(trial, process, line)
                tell(done[trial])
    finally:
        for _, process in running.values():
            process.kill()
    ended = [done[trial] for trial in trials]
    good = [item for item in ended if isinstance(item, Result)]
    return good, [item for item in ended if isinstance(item, Failure)]


def _start(trial: Trial, loops: Mapping[str, Loop]) -> tuple[Connection, tuple[Trial, BaseProcess]]:
    ours, theirs = get_context("spawn").Pipe(duplex=False)
    process = get_context("spawn").Process(target=_serve, args=(theirs, trial, loops), daemon=True)
    process.start()
    theirs.close()
    return ours, (trial, process)


def _serve(line: Connection, trial: Trial, loops: Mapping[str, Loop]) -> None:
    """The trial's process: the result, or what went wrong, goes down the line."""
    # Ctrl-C is the parent's to hear: it ends all trials.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        line.send(run_trial(trial, loops))
    except Exception as error:  # noqa: BLE001 (reported as this trial's failure)
        line.send(Failure(trial, f"{type(error).__name__}: {error}"))


def _outcome(trial: Trial, process: BaseProcess, line: Connection) -> Result | Failure:
    try:
        message = line.recv()
    except EOFError:
        process.join()
        return Failure(trial, f"its process ended with code {process.exitcode}")
    finally:
        line.close()
    process.join()
    return message if isinstance(message, Result) else Failure(trial, message.error)
