"""The city's figures as the web's process knows them: what others tell, and who runs."""

import asyncio
import shutil
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import get_args

import msgspec
import psutil

from cityloop import __version__
from cityloop.city.surface import LiveState, SourceRow
from cityloop.city.surface_alarms import AlarmRow
from cityloop.city.wire import Measured, Roll
from cityloop.kernel.figures import Figure, Told, read_told
from cityloop.reaction.alarm_kinds import Severity

LOG_POSITION, FOLD_POSITION = "cityloop_log_position", "cityloop_fold_position"
TOPIC = "metrics"
"""Under which the hub tells its figures."""
_REMEMBERED = 3600
_SEVERITIES: tuple[Severity, ...] = get_args(Severity)


class Lags:
    """How far folds are behind the log, in positions and in time: the log's newest position is
    noted when it is told, about once a second, for an hour."""

    def __init__(self) -> None:
        self._noted: deque[tuple[float, float]] = deque(maxlen=_REMEMBERED)
        self._folds: dict[str, float] = {}

    def hear(self, told: Iterable[Told], now: float) -> None:
        """Take in positions among figures told at ``now`` (s, monotonic)."""
        for one in told:
            if not isinstance(one, Figure):
                continue
            if one.name == LOG_POSITION and (not self._noted or one.value > self._noted[-1][1]):
                self._noted.append((now, one.value))
            elif one.name == FOLD_POSITION:
                self._folds[one.labels[0]] = one.value

    def reached(self, fold: str) -> float:
        """The position that a fold has reached, as far as it was told; 0 before."""
        return self._folds.get(fold, 0.0)

    def behind(self, now: float) -> dict[str, tuple[float, float]]:
        """Fold → positions and seconds that it is behind."""
        noted, folds = list(self._noted), dict(self._folds)
        if not noted:
            return {}
        return {
            fold: (max(0.0, noted[-1][1] - reached), now - _passed(reached, noted, now))
            for fold, reached in folds.items()
        }


def _passed(reached: float, noted: list[tuple[float, float]], now: float) -> float:
    """When the log was first seen beyond a position; now where it is not."""
    first = bisect_right(noted, reached, key=lambda it: it[1])
    return noted[first][0] if first < len(noted) else now


class CityMetrics:
    """Everything ``GET /metrics`` tells. One thread tells it, the event loop reads.

    ``folder``: of the tenant; ``state``, ``alarms``, ``sources``: what people see. ``parts``:
    further figures, of this process.
    """

    def __init__(
        self,
        folder: Path,
        state: Callable[[], LiveState],
        alarms: Callable[[], list[AlarmRow]],
        sources: Callable[[], list[SourceRow]],
    ) -> None:
        self._folder = folder
        self._state = state
        self._alarms = alarms
        self._sources = sources
        self._told: dict[str, list[Told]] = {}
        self._roll = Roll({}, 1.0, False)
        self.lags = Lags()
        self.parts: list[Callable[[], Iterable[Told]]] = []

    def hear(self, topic: str, body: bytes, now: float) -> bool:
        """Take in what the hub tells at ``now`` (s, monotonic); whether the topic is ours."""
        if topic != TOPIC:
            return False
        self._take("hub", body, now)
        return True

    def hear_process(self, message: Measured, now: float) -> None:
        """Take in what another process tells."""
        self._take(message.process, message.body, now)

    def _take(self, process: str, body: bytes, now: float) -> None:
        told = read_told(body)
        self.lags.hear(told, now)
        self._told[process] = told

    def hear_roll(self, roll: Roll) -> None:
        """Who runs."""
        self._roll = roll

    async def figures(self, now: float) -> list[Told]:
        """All of them at ``now`` (s, monotonic)."""
        machine = await asyncio.to_thread(lambda: list(machine_figures(self._folder)))
        told = [one for some in list(self._told.values()) for one in some]
        parts = [one for part in self.parts for one in part()]
        return [*told, *machine, *parts, *self._seen(), *self._known(now)]

    def _seen(self) -> Iterator[Told]:
        state = self._state()
        yield Figure("cityloop_vehicles", state.measures.vehicles)
        yield Figure("cityloop_wanted_speed_ratio", state.speed)
        yield Figure("cityloop_paused", int(state.paused))
        open_now = Counter(row.severity for row in self._alarms() if row.state != "closed")
        for severity in _SEVERITIES:
            yield Figure("cityloop_alarms", open_now[severity], (severity,))
        for source in self._sources():
            yield from _of_source(source)

    def _known(self, now: float) -> Iterator[Told]:
        for process, state in self._roll.processes.items():
            if state != "switched off":
                yield Figure("cityloop_process_up", int(state == "live"), (process,))
        for fold, (positions, lag_s) in self.lags.behind(now).items():
            yield Figure("cityloop_fold_lag_positions", positions, (fold,))
            yield Figure("cityloop_fold_lag_seconds", lag_s, (fold,))


def _of_source(row: SourceRow) -> Iterator[Figure]:
    name = (row.name,)
    yield Figure("cityloop_source_up", int(row.state == "ok"), (row.name, row.kind))
    yield Figure("cityloop_source_rows_total", row.accepted_total, name)
    yield Figure("cityloop_source_dropped_total", row.dropped_total, name)
    if row.lag_s is not None:
        yield Figure("cityloop_source_lag_seconds", row.lag_s, name)


def queue(name: str, depth: int, capacity: int, dropped: int | None = None) -> Iterator[Figure]:
    """The figures of one bounded queue; ``dropped``: None for one that refuses or cuts a line."""
    yield Figure("cityloop_queue_depth", depth, (name,))
    yield Figure("cityloop_queue_capacity", capacity, (name,))
    if dropped is not None:
        yield Figure("cityloop_queue_dropped_total", dropped, (name,))


def machine_figures(folder: Path) -> Iterator[Figure]:
    """The disk below ``folder`` and the processes that its ``processes.json`` names."""
    disk = shutil.disk_usage(folder)
    yield Figure("cityloop_disk_free_bytes", disk.free)
    yield Figure("cityloop_disk_size_bytes", disk.total)
    try:
        pids = msgspec.json.decode((folder / "processes.json").read_bytes(), type=dict[str, int])
    except FileNotFoundError:
        pids = {}  # the supervisor has started nothing yet
    yield from process_figures(pids)


def process_figures(pids: Mapping[str, int]) -> Iterator[Figure]:
    """Memory and CPU of processes, those that they started included, and what answers."""
    yield Figure("cityloop_build_info", 1, (__version__,))
    for name, pid in pids.items():
        try:
            process = psutil.Process(pid)
            yield Figure("cityloop_process_start_time_seconds", process.create_time(), (name,))
            family = [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
        yield from _usage(name, family)


def _usage(name: str, family: Iterable[psutil.Process]) -> Iterator[Figure]:
    memory, cpu_s = 0, 0.0
    for process in family:
        try:
            with process.oneshot():
                memory += process.memory_info().rss
                used = process.cpu_times()
                cpu_s += used.user + used.system
        except psutil.NoSuchProcess:
            continue  # it ended meanwhile
    yield Figure("cityloop_process_resident_bytes", memory, (name,))
    yield Figure("cityloop_process_cpu_seconds_total", cpu_s, (name,))
