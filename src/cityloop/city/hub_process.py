"""The hub's own process: sockets, the writer's thread, checkpoints. Nothing slow runs in here."""

import gc
import selectors
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec
import structlog

from cityloop.city.api_desk import ApiDesk
from cityloop.city.build_hub import (
    build_api,
    build_clock,
    build_hub,
    build_intake,
    build_tracer,
    build_workers,
)
from cityloop.city.clock import wall_time
from cityloop.city.counters import next_number
from cityloop.city.hub import OPERATORS, Effects
from cityloop.city.hub_acts import PLAN_ACTS, carry_out
from cityloop.city.hub_board import HubBoard
from cityloop.city.hub_line import write_orders
from cityloop.city.hub_picture import HubPicture
from cityloop.city.journal import keep_journal
from cityloop.city.live_clock import CLOCK_SOURCE
from cityloop.city.lookout import Lookout
from cityloop.city.memory import Keeper, recover
from cityloop.city.metrics_hub import HubMetrics
from cityloop.city.readings import Reading
from cityloop.city.site import Site
from cityloop.city.surface import DecisionRow
from cityloop.city.telemetry import open_telemetry
from cityloop.city.telemetry_hub import HubSpans
from cityloop.city.tracer_desk import TracerDesk
from cityloop.city.wire import (
    TWIN_SOURCE,
    Answer,
    Ask,
    Hello,
    Line,
    Message,
    Names,
    OrderColumns,
    Plans,
    Reader,
    Ready,
    Reply,
    Roll,
    Sensed,
    Told,
    Welcome,
    WorkersHere,
    accept,
    listen,
    ready_among,
)
from cityloop.city.workers_desk import Ports
from cityloop.interconnection.tenant import Tenant, open_tenant
from cityloop.interconnection.writer import LogWriter
from cityloop.kernel.changes import Reject
from cityloop.kernel.clock import CityTime
from cityloop.kernel.errors import BusyError, InputError, RefusedError
from cityloop.kernel.frame import Array, EntityIds
from cityloop.kernel.ports import Batch, Position
from cityloop.standards.arrow import read_batch, read_ids

_log = structlog.get_logger()
_SHOW_EVERY_S = 0.2
_CHECKPOINT_EVERY = 300
_GROUP_ROWS = 20_000
_BUSY_WAIT_S = 0.02
Key = tuple[str, str]
"""(source, run)."""
NOBODY: Key = ("", "")


@dataclass(frozen=True, slots=True, eq=False)
class HubSpec:
    """All the hub's process needs. ``live_run``: of a city without a twin, which the hub's own
    clock turns.
    """

    site: Site
    address: Path
    epoch: int
    live_run: str | None = None


class HubProcess:
    """Serves twins and readers one message at a time."""

    def __init__(self, spec: HubSpec, supervisor: Line) -> None:
        self._supervisor = supervisor
        self._tenant = _opened(spec.site)
        self._spans = HubSpans(open_telemetry("hub"))
        self._workers = build_workers(spec.site, self._worker_ports(spec))
        self._hub = build_hub(
            spec.site, self._tenant, epoch=spec.epoch, spans=self._spans, workers=self._workers
        )
        self._whole = recover(self._hub, self._tenant, supervisor.ready)
        self._open_workers(spec)
        self._writer = LogWriter(self._tenant.log, wall_time, max_rows=_GROUP_ROWS)
        self._keeper = Keeper(self._tenant)
        self._intake = build_intake(spec.site, self._tenant, self._writer, self._hub, self._spans)
        self._clock = build_clock(spec.live_run, self._hub, self._tenant)
        self._api = build_api(self._tenant, self._writer, self._hub, self._city_now)
        self._listener = listen(spec.address)
        self._selector = selectors.DefaultSelector()
        self._tracer = build_tracer(spec.site, self._tenant, self._writer, spec.epoch)
        for source in (supervisor, self._listener, self._intake, self._api, self._tracer):
            self._selector.register(source, selectors.EVENT_READ)
        self._twins: dict[Line, Twin] = {}
        self._serving: Line | None = None
        self._ended = False
        self._readings: dict[Line, Reading] = {}
        self._committed: dict[Key, int] = {}
        self._turned: dict[Key, int] = {}
        self._orders: list[OrderColumns] = []
        self._picture = HubPicture(self._hub, lambda: self._tenant.rejects.total)
        self._lookout = Lookout(
            self._hub,
            self._tenant.log.folder,
            self._writer.state,
            partial(self._picture.latency.percentile, 99),
            {name: one.silent_after_s for name, one in spec.site.settings.sources.items()},
        )
        self._lookout.lost_trace = self._tracer.lost
        self._began = wall_time()
        self._show_at = 0.0
        self._board = HubBoard(self._hub)
        self._metrics = HubMetrics(
            self._hub,
            self._tenant,
            self._writer,
            self._picture,
            self._intake,
            lambda: self._keeper.position,
            self._readings.values,
        )
        self._fresh: deque[DecisionRow] = deque()
        self._recorded = self._hub.totals.decisions

    def _worker_ports(self, spec: HubSpec) -> Ports:
        tenant = self._tenant

        def refuse(rejects: Sequence[Reject]) -> None:
            tenant.rejects.offer(rejects)
            self._hub.watch.rejections.take(rejects)

        return Ports(
            next_epoch=lambda: next_number(spec.site.folder / "leases"),
            kept=tenant.context.checkpoint,
            keep=lambda name, position, state: self._keeper.keep(position, state, name),
            position=tenant.log.position,
            refuse=refuse,
            attend=self._attend,
        )

    def _open_workers(self, spec: HubSpec) -> None:
        if self._workers is not None:
            source = TWIN_SOURCE if spec.live_run is None else CLOCK_SOURCE
            first = source, self._hub.run, 1
            self._workers.open(lambda: self._hub.watched, self._tenant.log.last(), first)

    def _attend(self, patience_s: float) -> bool:
        """While a turn waits for loops that run elsewhere: their process may call, the supervisor
        may end the city, and a twin must not think that the hub is away."""
        if self._serving is not None:
            with suppress(OSError):  # it is missed when it is answered
                self._serving.send(Welcome(self._committed[self._twins[self._serving].key]))
        strangers = [line for line, twin in self._twins.items() if twin.key == NOBODY]
        for ready in ready_among([self._supervisor, self._listener, *strangers], patience_s):
            if ready is self._supervisor:
                self._ended = self._ended or not self._goes_on()
            elif isinstance(ready, Line):
                self._hear(ready)
            else:
                self._welcome_caller()
        return not self._ended

    def _welcome_caller(self) -> None:
        line = accept(self._listener)
        self._twins[line] = Twin()
        self._selector.register(line, selectors.EVENT_READ)

    def serve(self) -> None:
        """Until the supervisor says stop or is gone; then everything queued is committed."""
        self._supervisor.send(Ready())
        while self._whole and self._once():
            now = time.monotonic()
            if self._clock is not None and (tick := self._clock.tick(wall_time())):
                self._tick(tick)
            if self._lookout.due(now):
                self._look(now)
            if now >= self._show_at:
                self._show_at = now + _SHOW_EVERY_S
                self._show(now)
        self._close()

    def _once(self) -> bool:
        patience_s = _SHOW_EVERY_S
        if self._clock is not None:
            patience_s = min(patience_s, self._clock.wait_s(wall_time()))
        for key, _ in self._selector.select(patience_s):
            ready = key.fileobj
            if ready is self._supervisor:
                if not self._goes_on():
                    return False
            elif isinstance(ready, Line):
                self._hear(ready)
            elif ready in (self._intake, self._api, self._tracer):
                ready.acknowledge()
            else:
                self._welcome_caller()
        return not self._ended

    def _city_now(self) -> CityTime:
        return self._hub.now if self._clock is None else CityTime(wall_time())

    def _goes_on(self) -> bool:
        """Hear the supervisor; False when it says stop or is gone."""
        try:
            while self._supervisor.ready():
                message = self._supervisor.receive()
                if not isinstance(message, Roll):
                    return False
                self._lookout.roll = message
        except (EOFError, OSError):
            return False
        return True

    def _tick(self, tick: Batch) -> None:
        """A second of a city without a twin."""
        started = time.perf_counter()
        effects = self._spans.turn(self._hub, tick, late=False, root=True)
        self._picture.latency.add(started)
        self._commit(effects, started)

    def _look(self, now: float) -> None:
        wall = wall_time()
        if self._clock is None:
            self._hub.watch.hear_source(TWIN_SOURCE, self._lookout.twin(TWIN_SOURCE, now))
        else:
            self._hub.watch.hear_source(CLOCK_SOURCE, self._clock.health(wall))
        for name, state, reason, last in self._intake.heard_of():
            health = self._lookout.source(name, state, reason, last or self._began, wall)
            self._hub.watch.hear_source(name, health)
        effects = self._hub.look(self._lookout.machine(), wall)
        self._commit(effects, time.perf_counter())

    def _hear(self, line: Line) -> None:
        try:
            self._desk_of(line)(line, line.receive())
        except (OSError, EOFError):
            self._drop(line)
        except BusyError as error:
            _log.warning("the log is behind; a source has to wait", why=str(error))
            self._drop(line)
        except (InputError, msgspec.MsgspecError) as error:
            _log.error("a message cannot be read; its line is cut", why=str(error))
            self._drop(line)

    def _desk_of(self, line: Line) -> Callable[[Line, Message], None]:
        """What takes the messages of a line."""
        if self._workers is not None and line is self._workers.line:
            return lambda _, message: self._workers_say(message)
        if self._intake.knows(line):
            return self._intake.take
        guests = (desk.take for desk in (self._api, self._tracer) if desk.knows(line))
        return next(guests, self._take)

    def _guest_of(self, source: str) -> ApiDesk | TracerDesk | None:
        return next((desk for desk in (self._api, self._tracer) if desk.serves(source)), None)

    def _workers_say(self, message: Message) -> None:
        if self._workers is not None:
            self._workers.take(message)

    def _drop(self, line: Line) -> None:
        if self._workers is not None:
            self._workers.part(line)
        self._selector.unregister(line)
        self._twins.pop(line, None)
        self._intake.part(line)
        self._api.part(line)
        self._tracer.part(line)
        reading = self._readings.pop(line, None)
        if reading is not None:
            reading.close()
        else:
            line.close()

    def _take(self, line: Line, message: Message) -> None:
        if isinstance(message, Ask) != (line in self._readings):
            raise InputError(f"{type(message).__name__} came over the wrong line")
        match message:
            case Sensed():
                self._sensed(line, message)
            case Names():
                ids = read_ids(message.body)
                self._twins[line].ids[ids.digest] = ids
            case WorkersHere() if self._workers is not None:
                self._twins.pop(line)
                self._workers.greet(line)
            case Hello() if self._intake.serves(message.source):
                self._twins.pop(line)
                self._intake.hello(line, message)
            case Hello() if (desk := self._guest_of(message.source)) is not None:
                self._twins.pop(line)
                desk.hello(line)
            case Hello():
                self._greet(line, message)
            case Reader():
                self._show_to(line)
            case Ask():
                self._answer(line, message)
            case _:
                raise InputError(f"{type(message).__name__} is no message for the hub")

    def _show_to(self, line: Line) -> None:
        self._twins.pop(line)
        self._readings[line] = reading = Reading(line)
        reading.tell(_decisions([r for r in self._hub.recent if r.number <= self._recorded]))
        self._board.afresh()
        for told in self._lookout.welcome():
            reading.tell(told)
        reading.tell(self._intake.news())

    def _greet(self, line: Line, message: Hello) -> None:
        """A twin says which run it is; once on a line it is handed the plans."""
        key = message.source, message.run
        fresh, self._twins[line].key = self._twins[line].key != key, key
        if key not in self._turned:
            known = self._tenant.log.sequence(*key)
            self._turned[key] = self._committed[key] = known
        line.send(Welcome(self._committed[key]))
        if fresh:
            line.send(self._plans())

    def _sensed(self, line: Line, message: Sensed) -> None:
        started = time.perf_counter()
        twin = self._twins[line]
        batch = read_batch(message.body, twin.ids)
        self._lookout.heard(batch.source, time.monotonic())
        effects = Effects()
        if message.sequence > self._turned[twin.key]:
            self._serving = line
            effects = self._spans.turn(self._hub, batch, late=message.late)
            self._serving = None
            self._turned[twin.key] = message.sequence
        orders = self._orders + [write_orders(o) for o in effects.orders]
        self._orders = []
        try:
            line.send(Reply(message.sequence, self._committed[twin.key], tuple(orders)))
        finally:
            # The twin may be gone by now; what was turned is committed all the same.
            self._picture.latency.add(started)
            self._commit(effects, started)

    def _commit(self, effects: Effects, started: float) -> None:
        for batch in effects.batches:
            future = self._submit(batch)
            if future is None:
                self._whole = (
                    False  # what was turned is not all committed: keep no checkpoint of it
                )
                return
            self._spans.follow(batch, future)
            key, sequence = (batch.source, batch.run), batch.sequence
            rows = effects.rows if batch is effects.batches[-1] else []
            future.add_done_callback(partial(self._kept, key, sequence, started, rows))
            if batch.source == OPERATORS:
                future.add_done_callback(partial(self._lookout.recorded, *self._hub.desk.fresh()))
            if sequence % _CHECKPOINT_EVERY == 0:
                future.add_done_callback(partial(self._checkpoint, key, sequence, self._hub.save()))
        for failure in effects.failures:
            _log.error("a loop failed; its junctions turn to their local plans", why=failure)

    def _submit(self, batch: Batch) -> "Future[Position] | None":
        """Queue for the log; while it is full (a slow or full disk) everything waits here.

        The twin then loses patience and its cabinets go to their local plans. None: the city ends.
        """
        while True:
            try:
                # Of a twin's ticks nothing waits for the commit: its orders are given already.
                return self._writer.submit(batch, awaited=batch.source != TWIN_SOURCE)
            except BusyError as error:
                _log.warning("the log is behind; nothing new is acknowledged", why=str(error))
                if self._supervisor.ready(_BUSY_WAIT_S) and not self._goes_on():
                    return None

    def _kept(
        self,
        key: Key,
        sequence: int,
        started: float,
        rows: list[DecisionRow],
        done: "Future[Position]",
    ) -> None:
        """In the writer's thread. People see a decision once it is on record: its number then never
        means another one."""
        if _durable(done):
            self._recorded += len(rows)
            self._fresh.extend(rows)
            self._committed[key] = max(self._committed.get(key, 0), sequence)
            self._picture.act.add(started)

    def _checkpoint(
        self, key: Key, sequence: int, state: dict[str, Array], done: "Future[Position]"
    ) -> None:
        position = self._tenant.log.position(*key, sequence) if _durable(done) else None
        if position is not None:
            self._keeper.keep(position, state)

    def _answer(self, line: Line, ask: Ask) -> None:
        answer = Answer(ask.number)
        try:
            effects = carry_out(ask, self._hub, self._intake)
        except RefusedError as error:
            answer = Answer(ask.number, str(error), error.why)
        except BusyError as error:
            answer = Answer(ask.number, str(error))
        else:
            if ask.verb in PLAN_ACTS:
                self._spread_plans()
            self._orders += [write_orders(o) for o in effects.orders]
            self._commit(effects, time.perf_counter())
            self._show_at = 0.0
            self._board.hurry()
        self._readings[line].tell(answer)

    def _plans(self) -> Plans:
        return Plans(msgspec.json.encode(self._hub.plans.schedule))

    def _spread_plans(self) -> None:
        """Hand the plans to every twin that has said who it is."""
        for line, twin in list(self._twins.items()):
            if twin.key != NOBODY:
                with suppress(OSError):  # it is told when it calls again
                    line.send(self._plans())

    def _show(self, now: float) -> None:
        for line in [line for line, reading in self._readings.items() if not reading.open]:
            self._drop(line)
        fresh = [self._fresh.popleft() for _ in range(len(self._fresh))]
        if self._clock is not None:
            self._hub.pass_time(CityTime(wall_time()))
        self._intake.move(self._hub.run, self._hub.now)
        sources = self._intake.fresh_news(now)
        if self._readings:
            state = Told("state", msgspec.json.encode(self._picture.drawn(now)))
            board = self._board.news(now) + self._metrics.news(now)
            news = [*self._lookout.news(now), *([sources] if sources else [])]
            for reading in self._readings.values():
                for told in (*news, *board):
                    reading.tell(told)
                if fresh:
                    reading.tell(_decisions(fresh))
                reading.show(state)

    def _close(self) -> None:
        self._selector.close()
        self._listener.close()
        self._writer.close()
        self._intake.close()
        self._api.close()
        self._tracer.close()
        if self._whole and self._hub.run:
            self._keeper.keep(self._tenant.log.last(), self._hub.save())
        self._keeper.close()
        self._tenant.close()
        self._spans.close()


@dataclass(slots=True)
class Twin:
    """What the hub knows of one line of a twin."""

    key: Key = NOBODY
    ids: dict[bytes, EntityIds] = field(default_factory=dict)


def _opened(site: Site) -> Tenant:
    city = site.settings.city
    return open_tenant(site.root, city.tenant, wall_time, store=city.store)


def _durable(done: "Future[Position]") -> bool:
    return not done.cancelled() and done.exception() is None


def _decisions(rows: list[DecisionRow]) -> Told:
    return Told("decisions", msgspec.json.encode(rows))


def main(spec: HubSpec, supervisor: "Connection[Any, Any]") -> None:
    """Serve until told to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_journal()
    process = HubProcess(spec, Line(supervisor))
    gc.freeze()
    process.serve()
