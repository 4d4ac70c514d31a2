"""The city's past for those who look at it, read from the record, away from the event loop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import cached_property, partial
from itertools import chain, islice
from typing import TypeAlias, TypeVar

import msgspec
import numpy as np
import pyarrow as pa

from cityloop.city.alarm_frames import ALARM_EVENT, SHIFT_ENTRY, alarm_rows, shift_rows
from cityloop.city.clock import wall_time
from cityloop.city.export import Span, detector_batch, row_batch, signal_batch
from cityloop.city.observed import Observed
from cityloop.city.rows import decision_rows
from cityloop.city.site import Site
from cityloop.city.surface import DecisionRow, JunctionState, MapData, Measures, ModeName
from cityloop.city.surface_alarms import AlarmRow, ShiftRow
from cityloop.city.surface_past import (
    DetectorBars,
    Moment,
    RecordTable,
    RunRow,
    StageChange,
    Timeline,
    Trend,
)
from cityloop.city.totals import MODE_CHANGE, mode_name
from cityloop.interconnection.log import StoredLog
from cityloop.interconnection.measured import StoredMeasured
from cityloop.interconnection.past import Past
from cityloop.interconnection.tenant import open_log, open_measured
from cityloop.kernel.clock import CityTime, after, city_time, iso
from cityloop.kernel.cycle import DECISION
from cityloop.kernel.errors import BusyError, CorruptError, MissingError
from cityloop.kernel.frame import Frame
from cityloop.kernel.waiting import CITY_CLOCK

_SIGNALS, _LANES = "SignalController", "LaneDetector"
TYPES = frozenset({_SIGNALS, _LANES, DECISION, MODE_CHANGE, ALARM_EVENT, SHIFT_ENTRY, CITY_CLOCK})
_SHOWN = 50
_STEP_S = 5
_MOST_POINTS = 1_000
_MOST_WAITING = 500
_CODES = ("phase", "stage", "inCharge")
_FOREVER = CityTime(2**62)
FrameWriter: TypeAlias = "Callable[[Sequence[Frame]], pa.RecordBatch]"
Modes = dict[str, dict[str, ModeName]]
_read_measures = msgspec.json.Decoder(Measures).decode
_T = TypeVar("_T")
_Row = TypeVar("_Row", AlarmRow, ShiftRow)


class LookBack:
    """Answers one question after the other in a thread of its own.

    ``beat``: the type that speaks on every tick of a run. ``modes``: those that the settings name,
    which hold until somebody switched one. ``observed``: what live sources said. Raises
    MissingError for what the record does not hold, BusyError while it cannot be read or too many
    ask, CorruptError when it is damaged.
    """

    def __init__(
        self,
        log: StoredLog,
        measured: Callable[[], StoredMeasured],
        city_map: MapData,
        modes: Modes,
        observed: Observed,
        beat: str = _SIGNALS,
    ) -> None:
        self._past = Past(log, TYPES)
        self._beat = beat
        self._open_measured = measured
        self._map = city_map
        self._modes = modes
        self._observed = observed
        self._thread = ThreadPoolExecutor(1, "lookback")
        self._waiting = 0

    @cached_property
    def _measured(self) -> StoredMeasured:
        return self._open_measured()

    async def runs(self) -> list[RunRow]:
        """The runs that the record holds, the newest last."""
        return await self._do(lambda: [RunRow(r, iso(a), iso(b)) for r, (a, b) in self._runs()])

    async def moment(self, run: str | None, at: datetime | None) -> Moment:
        """The city as it was at a second; without a run the newest, without a time its end."""
        return await self._do(lambda: self._moment(*self._when(run, at)))

    async def timeline(
        self, junction: str, minutes: float, run: str | None, at: datetime | None
    ) -> Timeline:
        """The minutes of a junction that end at a second."""
        return await self._do(lambda: self._timeline(junction, minutes, *self._when(run, at)))

    async def trend(self, run: str | None) -> Trend:
        """The measures of a run over its time; no rows before anything was measured."""
        return await self._do(lambda: self._trend(run))

    async def decisions_after(self, number: int, limit: int) -> list[DecisionRow]:
        """The first ``limit`` decisions that follow a number, in order."""
        return await self._do(lambda: list(islice(self._following(number), limit)))

    async def alarms_after(self, number: int, limit: int) -> list[AlarmRow]:
        """The first ``limit`` events of alarms that follow a number, in order."""
        return await self._do(lambda: self._numbered(ALARM_EVENT, alarm_rows, number, limit))

    async def entries_after(self, number: int, limit: int) -> list[ShiftRow]:
        """The first ``limit`` entries of the shift log that follow a number, in order."""
        return await self._do(lambda: self._numbered(SHIFT_ENTRY, shift_rows, number, limit))

    async def table(
        self, name: RecordTable, run: str | None, since: datetime | None, until: datetime | None
    ) -> "AsyncIterator[pa.RecordBatch]":
        """A table of the record in pieces of one schema; without times the whole run."""
        place = self._wall_span if name == "observations" else self._span
        span = await self._do(lambda: place(run, since, until))
        tables: dict[RecordTable, Callable[[Span], Iterator[pa.RecordBatch]]] = {
            "detectors": partial(self._frames, _LANES, detector_batch),
            "signals": partial(self._frames, _SIGNALS, signal_batch),
            "decisions": self._decision_batches,
            "measures": self._measure_batches,
            "alarms": partial(self._few, ALARM_EVENT, alarm_rows, AlarmRow),
            "shift-log": partial(self._few, SHIFT_ENTRY, shift_rows, ShiftRow),
            "observations": lambda span: self._observed.batches(span.since, span.until),
        }
        pieces = tables[name](span)
        while (piece := await self._do(lambda: next(pieces, None))) is not None:
            yield piece

    async def _do(self, work: Callable[[], _T]) -> _T:
        if self._waiting >= _MOST_WAITING:
            raise BusyError(f"{self._waiting} others ask for the past already; try again.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, _asked, work)
        finally:
            self._waiting -= 1

    # in the thread

    def _runs(self) -> list[tuple[str, tuple[CityTime, CityTime]]]:
        return list(self._past.runs(self._beat).items())

    def _when(self, run: str | None, at: datetime | None) -> tuple[str, CityTime]:
        runs = dict(self._runs())
        if not runs:
            raise MissingError("Nothing is on record yet; wait for the first second of a run.")
        name = run if run is not None else list(runs)[-1]
        if name not in runs:
            raise MissingError(f"Run {name} is not on record; /api/history/runs names those.")
        begins, ends = runs[name]
        moment = ends if at is None else city_time(at)
        if moment < begins:
            raise MissingError(f"Run {name} began at {iso(begins)}, after {iso(moment)}.")
        return name, min(moment, ends)

    def _moment(self, run: str, at: CityTime) -> Moment:
        beat = next(self._past.backwards(self._beat, run, at))
        signals = next(self._past.backwards(_SIGNALS, run, at), None)
        lanes = next(self._past.backwards(_LANES, run, at), None)
        kept = self._measured.newest(run, at)
        return Moment(
            run,
            iso(beat.observed_at),
            junction_states(signals) if signals else [],
            lanes["vehicleCount"].tolist() if lanes else [],
            lanes["queueLength"].tolist() if lanes else [],
            self._modes_at(at),
            list(islice(self._decisions_until(run, at), _SHOWN)),
            _read_measures(kept) if kept else None,
        )

    def _modes_at(self, at: CityTime) -> Modes:
        modes = {loop: dict(groups) for loop, groups in self._modes.items()}
        for part in self._past.everything(MODE_CHANGE):
            if part.observed_at > at:
                continue
            switched = zip(part["loop"], part["group"], part["mode"], strict=True)
            for loop, group, mode in switched:
                name: ModeName = mode_name(int(mode))  # type: ignore[assignment]
                modes.setdefault(str(loop), {})[str(group)] = name
        return modes

    def _decisions_until(self, run: str, at: CityTime) -> Iterator[DecisionRow]:
        parts = self._past.backwards(DECISION, run, at)
        return chain.from_iterable(reversed(_rows(part)) for part in parts)

    def _following(self, number: int) -> Iterator[DecisionRow]:
        parts = self._past.numbered_after(DECISION, number)
        rows = chain.from_iterable(map(_rows, parts))
        return (row for row in rows if row.number > number)

    def _numbered(
        self, type_: str, read: Callable[[Frame], list[_Row]], number: int, limit: int
    ) -> list[_Row]:
        rows = chain.from_iterable(map(read, self._past.numbered_after(type_, number)))
        return list(islice((row for row in rows if row.number > number), limit))

    def _timeline(self, junction: str, minutes: float, run: str, at: CityTime) -> Timeline:
        row = next((i for i, j in enumerate(self._map.junctions) if j.id == junction), None)
        if row is None:
            raise MissingError(f"Junction {junction} does not exist; see the map for its name.")
        begins = after(at, -60 * minutes)
        until = CityTime(at + 1)
        signals = self._past.frames(_SIGNALS, run, begins, until)
        lanes = self._past.frames(_LANES, run, begins, until)
        bars = self._bars(junction, begins, at, lanes)
        return Timeline(run, iso(begins), iso(at), _stages(signals, row), bars)

    def _bars(
        self, junction: str, begins: CityTime, ends: CityTime, lanes: list[Frame]
    ) -> list[DetectorBars]:
        step_ms = _STEP_S * 1000
        count = (ends - begins) // step_ms + 1
        seen: list[Frame | None] = [None] * count
        for part in lanes:
            seen[(part.observed_at - begins) // step_ms] = part
        rows = [i for i, one in enumerate(self._map.detectors) if one.junction == junction]

        def column(attribute: str, row: int) -> list[int | None]:
            return [None if part is None else int(part[attribute][row]) for part in seen]

        return [
            DetectorBars(
                self._map.detectors[row].id,
                _STEP_S,
                column("queueLength", row),
                column("vehicleCount", row),
            )
            for row in rows
        ]

    def _span(self, run: str | None, since: datetime | None, until: datetime | None) -> Span:
        name, ends = self._when(run, None)
        begins = self._past.runs(self._beat)[name][0]
        first = begins if since is None else max(begins, city_time(since))
        last = CityTime(ends + 1)
        return Span(name, first, last if until is None else min(last, city_time(until)))

    def _wall_span(self, run: str | None, since: datetime | None, until: datetime | None) -> Span:
        """What the clock on the wall showed in a run, up to the next one's first tick; all of time
        without a run, or of a twin's, which nobody can place on the wall."""
        first, last = CityTime(0), _FOREVER
        if run is not None and self._beat == CITY_CLOCK:
            self._when(run, None)
            runs = self._past.runs(self._beat)
            first = runs[run][0]
            last = min((begin for begin, _ in runs.values() if begin > first), default=last)
        first = first if since is None else max(first, city_time(since))
        return Span("", first, last if until is None else min(last, city_time(until)))

    def _frames(self, type_: str, write: FrameWriter, span: Span) -> "Iterator[pa.RecordBatch]":
        for parts in self._windows(type_, span):
            if parts:
                yield write(parts)

    def _decision_batches(self, span: Span) -> "Iterator[pa.RecordBatch]":
        for parts in self._windows(DECISION, span):
            yield row_batch([row for part in parts for row in _rows(part)], DecisionRow)

    def _few(
        self, type_: str, read: Callable[[Frame], list[_Row]], kind: type[_Row], span: Span
    ) -> "Iterator[pa.RecordBatch]":
        for parts in self._windows(type_, span):
            yield row_batch([row for part in parts for row in read(part)], kind)

    def _windows(self, type_: str, span: Span) -> Iterator[list[Frame]]:
        for one in span.windows():
            yield self._past.frames(type_, one.run, one.since, one.until)

    def _measure_batches(self, span: Span) -> "Iterator[pa.RecordBatch]":
        kept = self._measured.span(span.run, span.since, span.until)
        rows = row_batch([_read_measures(body) for _, body in kept], Measures)
        times = pa.array([iso(at) for at, _ in kept], pa.string())
        yield rows.add_column(0, "at", times)

    def _trend(self, run: str | None) -> Trend:
        runs = self._past.runs(self._beat)
        if run is None:
            run = list(runs)[-1] if runs else ""
        kept = self._measured.span(run, CityTime(0), _FOREVER)
        kept = kept[:: len(kept) // _MOST_POINTS + 1]
        measures = [_read_measures(body) for _, body in kept]
        names = Trend.__struct_fields__[2:]
        columns = ([getattr(one, name) for one in measures] for name in names)
        return Trend(run, [iso(at) for at, _ in kept], *columns)


def look_back(site: Site) -> LookBack:
    """The past of a city that runs, or ran."""
    city_map = site.map_data()
    modes: Modes = {
        loop.name: {group.name: site.settings.loops[loop.name].mode for group in loop.groups}
        for loop in city_map.loops
    }
    log = open_log(site.place, wall_time, readonly=True)
    beat = _SIGNALS if site.twin is not None else CITY_CLOCK
    types = {type_ for devices in site.registered.values() for type_ in devices.types}
    observed = Observed(log, types)
    return LookBack(log, lambda: open_measured(site.place), city_map, modes, observed, beat)


def _asked(work: Callable[[], _T]) -> _T:
    try:
        try:
            return work()
        except CorruptError:  # a segment may just have been merged with another or erased
            return work()
    except OSError as error:
        raise BusyError(f"The record cannot be read now: {error}") from error


def junction_states(signals: Frame) -> list[JunctionState]:
    """What the cabinets reported, as people read it."""
    columns = [signals[a].tolist() for a in ("phase", "stage", "stageAge", "inCharge")]
    return [JunctionState(*row) for row in zip(*columns, strict=True)]


def _rows(part: Frame) -> list[DecisionRow]:
    first = int(part["number"][0]) if "number" in part.columns and len(part) else 1
    return decision_rows(part, first, frozenset())


def _stages(signals: list[Frame], row: int) -> list[StageChange]:
    """Each change of what one cabinet showed, the first as of its true begin."""
    if not signals:
        return []
    codes = np.array([[int(part[a][row]) for a in _CODES] for part in signals])
    changed = np.flatnonzero((codes[1:] != codes[:-1]).any(axis=1)) + 1
    age_s = float(signals[0]["stageAge"][row])
    times = [after(signals[0].observed_at, -age_s), *(signals[i].observed_at for i in changed)]
    shown = codes[[0, *changed.tolist()]].tolist()
    return [StageChange(iso(at), *code) for at, code in zip(times, shown, strict=True)]
