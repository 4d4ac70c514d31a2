"""The supervisor: starts a city's processes, conducts its runs, and starts again what died."""

import fcntl
import multiprocessing as mp
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import msgspec
import structlog

from cityloop.city import (
    bus_process,
    hub_process,
    intake_process,
    twin_process,
    worker_process,
    workers_process,
)
from cityloop.city.clock import wall_time
from cityloop.city.conductor import Conductor
from cityloop.city.counters import next_number
from cityloop.city.site import Site, TwinSite, WebSpec
from cityloop.city.troubles import Troubles
from cityloop.city.wire import (
    Behind,
    BusTold,
    Drive,
    Grant,
    Line,
    Measured,
    Message,
    Progress,
    Ready,
    Roll,
    Stop,
    Waitable,
    ready_among,
)
from cityloop.interconnection.open_cold import choose_cold
from cityloop.kernel.clock import city_time
from cityloop.kernel.errors import ConfigError

_log = structlog.get_logger()
_STOP_S = 2.0
_FIRST_PAUSE_S, _LAST_PAUSE_S, _STEADY_S = 0.2, 30.0, 20.0
_ROLL_EVERY_S = 1.0
HUB, WEB, WORKER, TWIN, BASELINE = "hub", "web", "worker", "twin", "baseline"
INTAKE, BUS, WORKERS = "intake", "bus", "workers"


WebMain = Callable[[WebSpec, Any], None]


@dataclass(slots=True)
class Child:
    """One process and our line to it; ``pause_s`` grows while it keeps dying at once."""

    process: BaseProcess
    line: Line
    started: float
    ready: bool = False
    behind: str = ""


@dataclass(slots=True)
class Restart:
    """When a service that died is started again."""

    at: float
    pause_s: float


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line adds to the settings. ``runs``: stop after so many, None for ever."""

    port: int = 8000
    speed: float | None = None
    baseline: bool = True
    runs: int | None = None
    on_ready: Callable[[], None] = field(default=lambda: None)


class Supervisor:
    """Runs one city until it is told to stop. Single-threaded: everything is a message."""

    def __init__(self, site: Site, options: Options, web: WebMain) -> None:
        self._site = site
        self._options = options
        self._web = web
        self._spawn = mp.get_context("spawn")
        self._children: dict[str, Child] = {}
        self._restarts: dict[str, Restart] = {}
        self._pauses: dict[str, float] = {}
        self._troubles = Troubles(_STEADY_S)
        self._conductor = Conductor((), site.speed(options.speed), False, time.monotonic())
        self._finished: set[str] = set()
        self._granted = 0
        self._runs = 0
        self._live_run: str | None = None
        self._stopping = False
        self._announced = False
        self._roll_at = 0.0
        self._bus: BusTold | None = None

    def run(self) -> None:
        """Until SIGINT, SIGTERM, or the last of the wanted runs."""
        wake_r, wake_w = mp.Pipe(duplex=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: wake_w.send_bytes(b"!"))
        with (
            alone(self._site.folder),
            tempfile.TemporaryDirectory(
                prefix="cityloop-",
                ignore_cleanup_errors=True,  # Ray may still write its logs
            ) as folder,
        ):
            self._folder = Path(folder)
            choose_cold(self._site.folder, self._site.settings.city.history)
            try:
                if self._site.twin is None:
                    self._live_run = f"live-{next_number(self._site.folder / 'runs')}"
                intake = (INTAKE,) if self._site.settings.sources else ()
                bus = (BUS,) if self._site.settings.city.bus != bus_process.NONE else ()
                workers = (WORKERS,) if self._site.settings.city.workers != "hub" else ()
                for name in (HUB, WORKER, WEB, *intake, *bus, *workers):
                    self._start(name)
                while not self._stopping:
                    self._once(wake_r)
            finally:
                self._stop_all()

    # processes

    def _start(self, name: str) -> None:
        hub, truth = self._folder / "hub", self._folder / "truth"
        site = self._site
        match name:
            case "hub":
                epoch = next_number(site.folder / "epoch")
                self._launch(
                    name, hub_process.main, hub_process.HubSpec(site, hub, epoch, self._live_run)
                )
            case "web":
                self._launch(name, self._web, WebSpec(site, hub, truth, self._options.port))
            case "worker":
                spec = worker_process.WorkerSpec(
                    site.root, site.settings.city.tenant, site.settings.city.store
                )
                self._launch(name, worker_process.main, spec)
            case "intake":
                sources, registered = site.settings.sources, site.registered
                given = intake_process.IntakeSpec(site.home, hub, sources, registered, site.place)
                self._launch(name, intake_process.main, given)
            case "bus":
                city, rule = site.settings.city, site.settings.bus
                told = bus_process.BusSpec(city.bus, rule, site.place)
                self._launch(name, bus_process.main, told)
            case "workers":
                self._launch(name, workers_process.main, workers_process.WorkersSpec(site, hub))

    def _launch(self, name: str, main: Callable[[Any, Any], None], spec: object) -> None:
        ours, theirs = self._spawn.Pipe()
        process = self._spawn.Process(target=main, args=(spec, theirs), name=f"cityloop {name}")
        # A child is born deaf to Ctrl-C, which reaches the whole group: one that dies while it is
        # still handed its spec would leave us waiting for ever.
        heard = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        process.start()
        signal.pthread_sigmask(signal.SIG_SETMASK, heard)
        theirs.close()
        self._children[name] = Child(process, Line(ours), time.monotonic())
        self._note()

    def _note(self) -> None:
        """Say in a file which process is which, for people and monitors."""
        pids = {name: child.process.pid for name, child in self._children.items()}
        draft = self._site.folder / "processes.new"
        draft.write_bytes(msgspec.json.encode(pids))
        draft.replace(self._site.folder / "processes.json")

    def _begin(self) -> None:
        """The next run of the twins; the clock on the wall needs nobody."""
        if self._site.twin is not None:
            self._begin_run(self._site.twin)

    def _begin_run(self, twin: TwinSite) -> None:
        for name in (TWIN, BASELINE):
            self._end(name)
        number = next_number(self._site.folder / "runs")
        names = (TWIN, BASELINE) if self._baseline else (TWIN,)
        now = time.monotonic()
        paused = self._conductor.paused
        self._conductor = Conductor(names, self._conductor.speed, paused, now)
        self._finished.clear()
        self._granted = 0
        for name in names:
            self._launch(name, twin_process.main, self._twin_spec(twin, name, number))

    def _twin_spec(self, twin: TwinSite, name: str, number: int) -> twin_process.TwinSpec:
        """Run ``number`` is that many days after the first; both twins share its seed."""
        site, settings = self._site, twin.settings
        begins = settings.begins + timedelta(days=number - 1)
        return twin_process.TwinSpec(
            name=name,
            run=f"{begins:%Y-%m-%d}-{number}",
            seed=settings.seed + number - 1,
            begins=city_time(begins),
            seconds=settings.hour_s,
            scenario=twin.scenario if name == TWIN else twin.baseline,
            network=site.network,
            limits=site.limits,
            faults=twin.faults if name == TWIN else (),
            truth=self._folder / "truth",
            schedule=site.schedule,
            hub=self._folder / "hub" if name == TWIN else None,
        )

    @property
    def _baseline(self) -> bool:
        twin = self._site.twin
        return self._options.baseline and twin is not None and twin.settings.baseline != "none"

    # the loop

    def _once(self, wake: "Connection[Any, Any]") -> None:
        now = time.monotonic()
        self._revive(now)
        self._conduct(now)
        if now >= self._roll_at:
            self._tell_roll(now)
        lines = {child.line: name for name, child in self._children.items()}
        waiting: list[Waitable] = [wake, *lines]
        for ready in ready_among(waiting, self._wait_s(now)):
            if isinstance(ready, Line):
                self._hear(lines[ready], ready)
            else:
                self._stopping = True

    def _wait_s(self, now: float) -> float:
        times = [r.at - now for r in self._restarts.values()]
        return max(0.0, min([_ROLL_EVERY_S, self._conductor.wait_s(now), *times]))

    def _hear(self, name: str, line: Line) -> None:
        child = self._children.get(name)
        if child is None or child.line is not line:
            return
        try:
            self._take(name, child, line.receive())
        except (EOFError, OSError):
            self._died(name)

    def _take(self, name: str, child: Child, message: Message) -> None:
        now = time.monotonic()
        match message:
            case Progress():
                self._conductor.reached(name, message.at)
                if message.done:
                    self._done(name)
            case Ready():
                child.ready = True
                if not self._announced and self._all_ready():
                    self._announced = True
                    self._begin()
                    self._options.on_ready()
            case BusTold():
                self._bus = message
            case Behind():
                child.behind = message.why
            case Measured():
                self._send(WEB, Measured(message.body, name))
            case Drive() if self._site.twin is not None:
                self._conductor.drive(message.speed, message.paused, message.step, now)
                self._roll_at = 0.0

    def _all_ready(self) -> bool:
        return all(self._children[s].ready for s in (HUB, WEB) if s in self._children)

    def _done(self, name: str) -> None:
        self._finished.add(name)
        if self._finished >= ({TWIN, BASELINE} if self._baseline else {TWIN}):
            self._runs += 1
            if self._options.runs is not None and self._runs >= self._options.runs:
                self._stopping = True
            else:
                self._begin()

    def _died(self, name: str) -> None:
        if name in self._finished:
            self._end(name)
            return
        child = self._children[name]
        lived_s = time.monotonic() - child.started
        self._end(name)
        self._troubles.ended(name, wall_time())
        pause_s = self._pauses.get(name, _FIRST_PAUSE_S)
        self._pauses[name] = min(2 * pause_s, _LAST_PAUSE_S)
        if lived_s > _STEADY_S:
            self._pauses[name] = pause_s = _FIRST_PAUSE_S
        _log.error("a process ended; it is started again", process=name, pause_s=pause_s)
        self._restarts[name] = Restart(time.monotonic() + pause_s, pause_s)

    def _revive(self, now: float) -> None:
        due = [name for name, restart in self._restarts.items() if now >= restart.at]
        for name in due:
            del self._restarts[name]
        if {TWIN, BASELINE} & set(due) and self._announced:
            self._begin()
        for name in due:
            if name not in (TWIN, BASELINE):
                self._start(name)

    def _conduct(self, now: float) -> None:
        granted = self._conductor.grant(now)
        if granted > self._granted:
            self._granted = granted
            for name in (TWIN, BASELINE):
                self._send(name, Grant(granted))

    def _tell_roll(self, now: float) -> None:
        self._roll_at = now + _ROLL_EVERY_S
        states = {
            name: "live" if child.ready or name in (TWIN, BASELINE) else "starting"
            for name, child in self._children.items()
        }
        states |= dict.fromkeys(self._restarts, "it ended and is being started again")
        if self._site.twin is not None and not self._baseline:
            states[BASELINE] = "switched off"
        troubles = self._troubles.now({n: now - c.started for n, c in self._children.items()})
        behind = {name: child.behind for name, child in self._children.items() if child.behind}
        told = self._conductor.speed, self._conductor.paused, troubles, self._bus, behind
        roll = Roll(states, *told)
        self._send(WEB, roll)
        if HUB in self._children and self._children[HUB].ready:
            self._send(HUB, roll)

    def _send(self, name: str, message: Message) -> None:
        child = self._children.get(name)
        if child is not None:
            try:
                child.line.send(message)
            except OSError:
                _log.debug("a message found nobody", process=name)

    # the end

    def _end(self, name: str) -> None:
        child = self._children.pop(name, None)
        if child is not None:
            child.line.close()
            child.process.join(0.2)
            if child.process.is_alive():
                child.process.kill()
                child.process.join()
            self._note()

    def _stop_all(self) -> None:
        """Twins first, so that what they still say is heard."""
        give_up = time.monotonic() + _STOP_S
        twins = [name for name in (TWIN, BASELINE) if name in self._children]
        for wave in (twins, [name for name in self._children if name not in twins]):
            for name in wave:
                self._send(name, Stop())
            for name in wave:
                self._children[name].process.join(max(0.0, give_up - time.monotonic()))
        for name in list(self._children):
            self._end(name)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the tenant's folder; raises ConfigError while another city runs in it."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"a city already runs in {folder}; stop it, or choose another folder with --data"
            ) from None
        yield
