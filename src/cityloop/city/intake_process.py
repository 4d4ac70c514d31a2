"""The intake's own process: every source of a city, and their lines to the hub.

Apart from the hub, so that a flood, a slow feed or a payload that takes long to decode holds up no
decision; apart from the web, so that no device can reach the page, nor the page's load a device.
"""

import asyncio
import gc
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import structlog
import uvloop

from cityloop.city.clock import wall_time
from cityloop.city.intake_line import MOST_WAITING, IntakeLine
from cityloop.city.journal import keep_journal
from cityloop.city.telemetry import Telemetry, open_telemetry
from cityloop.city.wire import Again, Line, Measured, Ready, SourceTold
from cityloop.interconnection.tenant import Place, open_log
from cityloop.kernel.clock import CityTime
from cityloop.kernel.errors import CityloopError
from cityloop.kernel.figures import Figure, write_told
from cityloop.kernel.rows import Rows
from cityloop.kernel.waiting import LIVE
from cityloop.perception.devices import Declared, Register
from cityloop.perception.source import Setup, SourceSettings, State
from cityloop.standards.attributes import declared
from cityloop.standards.kept import decoded_again, kept_row, read_kept
from cityloop.standards.payloads import Decoder
from cityloop.standards.readings import Decoded, Fault, Readings

_log = structlog.get_logger()
_FIRST_PAUSE_S, _LAST_PAUSE_S, _STEADY_S = 1.0, 60.0, 60.0
_TELL_EVERY_S = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class IntakeSpec:
    """All the intake's process needs. ``registered``: source → the devices it may speak of;
    ``log``: the folder of the tenant's log."""

    home: Path
    hub: Path
    sources: Mapping[str, SourceSettings]
    registered: Mapping[str, Declared]
    log: Place


class HubClock:
    """City time as the hub tells it (``perception.source.CityClock``)."""

    def __init__(self) -> None:
        self.run = ""
        self.now = CityTime(0)
        self._moved = asyncio.Event()

    def move(self, run: str, now: int) -> None:
        """The hub tells the time."""
        self.run, self.now = run, CityTime(now)
        self._moved.set()
        self._moved = asyncio.Event()

    async def moved(self) -> None:
        """Wait until the hub tells it again."""
        await self._moved.wait()


class SourceDesk:
    """One source's intake: names become rows of its register, and go out over its lines."""

    def __init__(
        self,
        name: str,
        hub: Path,
        declared_: Declared,
        decoder: Decoder | None,
        tasks: asyncio.TaskGroup,
        telemetry: Telemetry | None = None,
    ) -> None:
        self.city = HubClock()
        self._decoder = decoder
        self._name = name
        self._hub = hub
        self._register = Register(declared_)
        self._tasks = tasks
        self._telemetry = telemetry
        self._lines: dict[str, IntakeLine] = {}
        self._state: State = "waiting"
        self._reason = "it has not started yet"
        self._dropped = 0
        self._line(LIVE)

    def _line(self, run: str) -> IntakeLine:
        line = self._lines.get(run)
        if line is None:
            moved, again = self.city.move, self._read_again
            line = self._lines[run] = IntakeLine(
                self._hub, self._name, run, moved, again, self._telemetry
            )
            self._tasks.create_task(line.serve())
        return line

    async def deliver(self, decoded: Decoded, run: str = LIVE) -> Sequence[Fault]:
        """Hand over; returns when the log holds it (``perception.source.Intake``)."""
        rows, strangers = rows_of(self._register, decoded, run)
        if rows or strangers or decoded.faults:
            await self._line(run).deliver(rows, [*decoded.all_faults(), *strangers])
        return strangers

    def _read_again(self, rejects: Again) -> None:
        self._tasks.create_task(self._try_again(rejects))

    async def _try_again(self, rejects: Again) -> None:
        """Deliver what was rejected once more; what is still wrong is rejected once more, too."""
        line = self._line(LIVE)
        kept = [read_kept(content) for content in rejects.contents]
        for decoded in decoded_again(kept, declared(), self._decoder):
            rows, strangers = rows_of(self._register, decoded, LIVE)
            await line.deliver(rows, [*decoded.all_faults(), *strangers], again=True)
        line.tried(rejects.numbers)

    def tell(self, state: State, reason: str = "") -> None:
        """How the line to the outside world is."""
        if (state, reason) != (self._state, self._reason):
            _log.info("source", source=self._name, state=state, reason=reason)
        self._state, self._reason = state, reason
        self.report()

    def dropped(self, count: int) -> None:
        """So many messages were lost before they reached us."""
        self._dropped += count

    @property
    def waiting(self) -> int:
        """Rows and deliveries that wait for the log, of the line that has most."""
        return max(line.waiting for line in self._lines.values())

    def report(self) -> None:
        """Tell the hub how this source is."""
        told = SourceTold(self._state, self._reason, self._dropped, self._register.devices)
        self._lines[LIVE].tell(told)


def _stranger(readings: Readings, row: int) -> Fault:
    name, at = str(readings.entities[row]), int(readings.observed_at[row])
    cells = {
        attribute: None if column.null is not None and column.null[row] else column.values[row]
        for attribute, column in readings.columns.items()
        if column.absent is None or not column.absent[row]
    }
    why = f"undeclared device: no {readings.type} of this source"
    return Fault("", why, name, content=kept_row(readings.type, name, at, cells))


async def _keep_running(setup: Setup, settings: SourceSettings, desk: SourceDesk) -> None:
    """Run a source, and again when it fails, with growing pauses."""
    pause_s, loop = _FIRST_PAUSE_S, asyncio.get_running_loop()
    while True:
        started = loop.time()
        try:
            await settings.source(setup).run(desk)
        except (OSError, CityloopError) as error:
            if loop.time() - started > _STEADY_S:
                pause_s = _FIRST_PAUSE_S
            desk.tell("failing", f"{error}; next attempt in {pause_s:.0f} s")
        else:
            desk.tell("waiting", "nothing more comes")
            return
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, _LAST_PAUSE_S)


async def _serve(spec: IntakeSpec, supervisor: "Connection[Any, Any]") -> None:
    table, log = declared(), open_log(spec.log, wall_time, readonly=True)
    telemetry, ended = open_telemetry("intake"), asyncio.Event()
    asyncio.get_running_loop().add_reader(supervisor.fileno(), ended.set)
    async with asyncio.TaskGroup() as tasks:
        desks = []
        for name, settings in spec.sources.items():
            decoder = settings.decoder(table)
            desk = SourceDesk(name, spec.hub, spec.registered[name], decoder, tasks, telemetry)
            setup = Setup(name, spec.home, table, wall_time, log)
            tasks.create_task(_keep_running(setup, settings, desk))
            desks.append(desk)
        line = Line(supervisor)
        line.send(Ready())
        while not ended.is_set():
            for desk in desks:
                desk.report()
            if line.writable():
                line.send(Measured(write_told(_figures(desks))))
            with suppress(TimeoutError):
                async with asyncio.timeout(_TELL_EVERY_S):
                    await ended.wait()
        if telemetry is not None:
            telemetry.close()
        raise _Ended


def _figures(desks: Sequence[SourceDesk]) -> list[Figure]:
    deepest = max((desk.waiting for desk in desks), default=0)
    told = {"cityloop_queue_depth": deepest, "cityloop_queue_capacity": MOST_WAITING}
    return [Figure(name, value, ("intake",)) for name, value in told.items()]


class _Ended(Exception):  # noqa: N818 (it is no error: the city ends)
    """Cancels all sources."""


def main(spec: IntakeSpec, supervisor: "Connection[Any, Any]") -> None:
    """Serve until the supervisor says stop or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_journal()
    gc.freeze()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(spec, supervisor))
    except* _Ended:
        _log.debug("the intake ends")


def rows_of(register: Register, decoded: Decoded, run: str) -> tuple[list[Rows], list[Fault]]:
    """What of ``decoded`` declared devices say, and who else speaks in it."""
    rows: list[Rows] = []
    faults: list[Fault] = []
    for readings in decoded.readings:
        known, strangers = register.rows(readings, run)
        if known is not None:
            rows.append(known)
        faults.extend(_stranger(readings, row) for row in strangers)
    return rows, faults
