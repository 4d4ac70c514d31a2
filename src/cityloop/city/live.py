"""The city as the web's process knows it: what the hub tells, what the twins witness, who lives."""

import asyncio
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec
import structlog

from cityloop.city.alarm_watch import watched_junctions
from cityloop.city.board import Board
from cityloop.city.clock import wall_time
from cityloop.city.desk_reader import DeskReader
from cityloop.city.doors import Doors
from cityloop.city.live_sensors import registered_sensors
from cityloop.city.lookback import look_back
from cityloop.city.measures import LOOP_TWIN, MeasureKeeper, Scoreboard
from cityloop.city.metrics import CityMetrics
from cityloop.city.readiness import Readiness
from cityloop.city.site import Site
from cityloop.city.surface import (
    Counters,
    DecisionRow,
    DriveAction,
    Health,
    HealthPart,
    LiveState,
    MapData,
    ModeName,
    Operation,
    Shown,
    Summary,
)
from cityloop.city.tracer import Tracer
from cityloop.city.vehicles import VehicleWatch
from cityloop.city.wire import (
    Answer,
    Ask,
    Demand,
    Drive,
    Line,
    Measured,
    Message,
    Positions,
    Reader,
    Roll,
    Told,
    Truth,
    accept,
    call,
    listen,
    ready_among,
)
from cityloop.kernel.errors import BusyError, RefusedError
from cityloop.kernel.reasons import Wording

_log = structlog.get_logger()
_RETRY_S = 0.3
_ANSWER_S = 5.0
_ASK_S = 0.2
_RECENT = 1000
STEP_WANTS_PAUSE = Wording("step_wants_pause", "Only a paused city can be stepped; pause it first.")
_CODES = {"release": -1, "flash": -2, "lock_out": -3}
ON_THE_WALL = "This city has no twin: it runs on the clock on the wall, which nobody can drive."
_NOTHING = Counters(0, 0, 0, 0, 0, 0.0, None, None)


class LiveCity:
    """Reads the city for the web and carries people's commands to it. Threads fill it.

    The newest picture stays when the hub is away; ``hub_alive`` tells.
    """

    def __init__(self, site: Site, hub: Path, truth: Path, supervisor: Line) -> None:
        self._site = site
        self._map = site.map_data()
        self._hub_path = hub
        self._supervisor = supervisor
        self._truth = listen(truth)
        self._hub: Line | None = None
        self._lock = threading.Lock()
        self._shown = Shown(None, "", [], [], [], _NOTHING, {})
        self._rows: deque[DecisionRow] = deque(maxlen=_RECENT)
        self.past = look_back(site)
        self._measured = MeasureKeeper(site.place)
        self._scores = Scoreboard(self._measured.keep)
        self.vehicles = VehicleWatch()
        self._roll = Roll({}, site.speed(None), False)
        self._seq = itertools.count(1)
        self._now = 0
        self._changed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._numbers = itertools.count(1)
        self._asked: dict[int, Future[Answer]] = {}
        self._ended: Callable[[], None] | None = None
        self.board = Board(self._ask, self._scores.measures)
        self.desk = DeskReader(
            self._ask,
            {**site.devices, **registered_sensors(site.registered)},
            watched_junctions(site.network),
        )
        self.parts: list[Callable[[], HealthPart]] = []
        """Of the web's own process, beside what it reads."""
        self.doors = Doors(site.place, self._ask)
        self.metrics = CityMetrics(site.folder, self.state, self.desk.alarms, self.doors.sources)
        self._readiness = Readiness(site, self.metrics.lags, time.monotonic())
        traced = site.settings.tracer
        self._tracer = Tracer(
            hub,
            wall_time,
            partial(self.metrics.lags.reached, "context"),
            traced.every_s,
            traced.patience_s,
        )
        self.metrics.parts.append(self._tracer.figures)

    def start(self, loop: asyncio.AbstractEventLoop, ended: Callable[[], None]) -> None:
        """Begin to listen; changes wake waiters of ``loop``, ``ended`` is called at the end."""
        self._loop, self._ended = loop, ended
        for work in (self._follow_hub, self._follow_twins, self._follow_supervisor):
            threading.Thread(target=work, name=work.__name__, daemon=True).start()
        self._tracer.start()

    # what a city tells (web.port.CityReadings)

    def summary(self) -> Summary:
        """The run in one line of figures."""
        shown, measures = self._shown, self._scores.measures()
        counters = shown.counters
        return Summary(
            city=self._site.settings.city.name,
            run=shown.run,
            city_time=shown.city_time,
            signals=len(self._map.junctions),
            vehicles=measures.vehicles,
            observations_total=counters.observations_total,
            rejected_total=counters.rejected_total,
            decisions_total=counters.decisions_total,
            refused_total=counters.refused_total,
            fallbacks_total=counters.fallbacks_total,
            att_loop_s=measures.att_loop_s,
            att_baseline_s=measures.att_baseline_s,
            loop_latency_p50_ms=counters.loop_latency_p50_ms,
            loop_latency_p99_ms=counters.loop_latency_p99_ms,
        )

    def health(self) -> Health:
        """Which processes live and do their work."""
        now, hub = time.monotonic(), self._hub is not None
        log_error, sources = self.desk.log_error, self.doors.sources()
        parts = self._readiness.parts(now, self._shown, log_error, sources, hub=hub)
        return Health([*parts, *(part() for part in self.parts)])

    def map(self) -> MapData:
        """What does not change while the city runs."""
        return self._map

    def state(self) -> LiveState:
        """The newest state."""
        shown = self._shown
        return LiveState(
            seq=self._now,
            city_time=shown.city_time,
            run=shown.run,
            speed=self._roll.speed,
            paused=self._roll.paused,
            hub_alive=self._hub is not None,
            baseline_alive=self._roll.processes.get("baseline") == "live",
            junctions=shown.junctions,
            vehicles_on=shown.vehicles_on,
            queued=shown.queued,
            measures=self._scores.measures(),
            counters=shown.counters,
            modes=shown.modes,  # type: ignore[arg-type]  # mode names come from kernel.loop.Mode
        )

    def decisions(
        self, limit: int, junction: str | None = None, after: int = 0
    ) -> list[DecisionRow]:
        """The newest decisions, newest first."""
        with self._lock:
            rows = list(self._rows)
        newer = itertools.takewhile(lambda row: row.number > after, reversed(rows))
        wanted = (row for row in newer if junction in (None, row.junction))
        return list(itertools.islice(wanted, limit))

    async def changes(self, after_seq: int) -> int:
        """Wait until the state is newer than ``after_seq``."""
        while self._now <= after_seq:
            await self._changed.wait()
        return self._now

    # what a person may ask (web.port.CityCommands)

    async def set_mode(
        self, loop: str, group: str, mode: ModeName, shadow_result: str | None, by: str
    ) -> None:
        """Let a loop go so far on a group."""
        arguments = {"loop": loop, "group": group, "mode": mode, "shadow_result": shadow_result}
        await self._ask("set_mode", **arguments, by=by)

    async def advise(self, decision_id: str, confirm: bool, by: str) -> None:
        """Confirm or reject a decision that waits."""
        await self._ask("advise", decision_id=decision_id, confirm=confirm, by=by)

    async def operate(
        self, junction: str, action: Operation, phase: int | None, minutes: float, by: str
    ) -> None:
        """Take a junction by hand, or give it back."""
        code = _CODES.get(action, -1 if phase is None else phase)
        known = next((j for j in self._map.junctions if j.id == junction), None)
        if known and action == "hold" and phase is not None and phase >= len(known.phases):
            raise RefusedError(f"{junction} has phases 0 to {len(known.phases) - 1}, not {phase}.")
        order = {"junction": junction, "action": action, "code": code, "minutes": minutes}
        await self._ask("operate", **order, by=by)

    async def drive(self, action: DriveAction, speed: float | None) -> None:
        """Set the twins' pace; raises RefusedError where there are none."""
        if self._site.twin is None:
            raise RefusedError(ON_THE_WALL)
        now = self._roll
        match action:
            case "speed":
                if speed is None:
                    raise RefusedError("Say how fast: seconds a second, 0 for as fast as it goes.")
                order = Drive(speed, now.paused)
            case "pause":
                order = Drive(now.speed, True)
            case "resume":
                order = Drive(now.speed, False)
            case "step":
                if not now.paused:
                    raise RefusedError(STEP_WANTS_PAUSE())
                order = Drive(now.speed, True, 1)
        try:
            self._supervisor.send(order)
        except OSError:
            raise BusyError("The city is ending.") from None

    async def _ask(self, verb: str, **arguments: object) -> None:
        hub = self._hub
        if hub is None:
            raise BusyError("The hub is away; its junctions run on their local plans. Try again.")
        number = next(self._numbers)
        answer: Future[Answer] = Future()
        self._asked[number] = answer
        try:
            await asyncio.to_thread(hub.send, Ask(number, verb, arguments))
            async with asyncio.timeout(_ANSWER_S):
                answered = await asyncio.wrap_future(answer)
        except (OSError, TimeoutError):
            raise BusyError(
                "The hub did not answer; look at the state before you repeat."
            ) from None
        finally:
            self._asked.pop(number, None)
        if answered.refused:
            raise RefusedError(answered.refused, answered.why)

    # threads that fill it

    def _follow_hub(self) -> None:
        pause = threading.Event()
        while True:
            try:
                line = call(self._hub_path)
                line.send(Reader())
                self._hub = line
                while True:
                    self._hear(line.receive())
            except (OSError, EOFError):
                if self._hub is not None:
                    self._hub.close()
                    self._hub = None
                    self._tell()
            pause.wait(_RETRY_S)

    def _hear(self, message: Message) -> None:
        self._readiness.hear_hub(time.monotonic())
        if isinstance(message, Answer):
            asked = self._asked.get(message.number)
            with suppress(InvalidStateError):  # nobody waits for it any more
                if asked is not None:
                    asked.set_result(message)
        elif isinstance(message, Told) and message.topic == "state":
            self._shown = msgspec.json.decode(message.body, type=Shown)
            self._readiness.hear_time(self._shown.city_time, time.monotonic())
            self._tell()
        elif isinstance(message, Told) and self.metrics.hear(
            message.topic, message.body, time.monotonic()
        ):
            pass
        elif isinstance(message, Told):
            parts = (self.board, self.desk, self.doors)
            if not any(part.hear(message.topic, message.body) for part in parts):
                self._hear_decisions(msgspec.json.decode(message.body, type=list[DecisionRow]))
            self._tell()

    def _hear_decisions(self, rows: list[DecisionRow]) -> None:
        with self._lock:
            newest = self._rows[-1].number if self._rows else 0
            self._rows.extend(row for row in rows if row.number > newest)

    def _follow_twins(self) -> None:
        lines: list[Line] = []
        while True:
            for ready in ready_among((self._truth, *lines), _ASK_S):
                if not isinstance(ready, Line):
                    lines.append(accept(self._truth))
                    continue
                try:
                    self._witness(ready, ready.receive())
                except (OSError, EOFError):
                    lines.remove(ready)
                    self.vehicles.part(ready)
                    ready.close()
            with suppress(OSError):  # its end is heard above
                self.vehicles.ask()

    def _witness(self, line: Line, message: Message) -> None:
        if isinstance(message, Demand):
            self._scores.begin(message)
            if message.twin == LOOP_TWIN:
                self.vehicles.meet(line)
        elif isinstance(message, Positions):
            self.vehicles.take(message)
        elif isinstance(message, Truth):
            self._scores.take(message)
            self._tell()

    def _follow_supervisor(self) -> None:
        try:
            while True:
                message = self._supervisor.receive()
                if isinstance(message, Measured):
                    self.metrics.hear_process(message, time.monotonic())
                    continue
                if not isinstance(message, Roll):
                    break
                self.metrics.hear_roll(message)
                self._readiness.hear_roll(message, time.monotonic())
                self._roll, shown = message, self._shown
                alive, further = self._hub is not None, self._tracer.conditions()
                self.desk.hear_roll(message, alive, shown.city_time, shown.run, further)
                self._tell()
        except (OSError, EOFError):
            _log.info("the supervisor is gone; the web ends")
        if self._ended is not None:
            self._ended()

    def _tell(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._move)

    def _move(self) -> None:
        self._now = next(self._seq)
        self._changed.set()
        self._changed = asyncio.Event()
