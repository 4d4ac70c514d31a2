"""Replay: a recording comes again, row by row, as a clock passes its times.

The recording is laid on the clock by whole days (or laps), so neither a restart nor a new run needs
to remember anything: what the clock passed while nobody listened is left out, nothing comes twice.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, ClassVar, Literal

import numpy as np
from msgspec import Meta

from cityloop.kernel.clock import CityTime, Clock, city_time
from cityloop.kernel.errors import BusyError
from cityloop.kernel.waiting import LIVE
from cityloop.perception.source import CityClock, Intake, Mistake, Setup, SourceSettings
from cityloop.perception.sources.recording import Recording, taken
from cityloop.perception.sources.table_settings import TableSettings
from cityloop.standards.readings import Decoded, Faults, Readings

DAY_MS = 86_400_000
_STEP_S = 0.2
_SHOWN_ROWS = 1000
"""So many rows are shown on trial."""


class ReplaySettings(SourceSettings, frozen=True, kw_only=True, tag="replay"):
    """``[sources.NAME] kind = "replay"``.

    ``path``: a Parquet or CSV file in order of time. ``follow``: the clock that releases the rows.
    ``begins``: the time at which the recording's first row is due; without it a row is due at its
    own time of day. ``speed``: only with ``follow = "wall"``; the day is then compressed.
    """

    trial_may_acknowledge: ClassVar[bool] = True

    path: str
    table: TableSettings
    follow: Literal["city", "wall"] = "city"
    begins: datetime | None = None
    speed: Annotated[float, Meta(gt=0, le=100_000)] = 1.0

    def mistakes(self) -> "Iterator[Mistake]":
        """What one key alone does not tell."""
        yield from self.table.mistakes("table")
        if self.begins is not None and self.begins.tzinfo is None:
            yield ("begins",), "begins has no time zone", "write e.g. 2026-05-04T08:00:00+08:00"
        if self.follow == "city" and self.speed != 1.0:
            what = "a replay that follows the city goes at the city's speed"
            yield ("speed",), what, 'leave speed out, or set follow = "wall"'

    def source(self, setup: Setup) -> "Replay":
        """The adapter."""
        path = setup.folder / self.path
        recording = Recording(path, self.table.map)
        return Replay(self, recording, setup.clock, trial=setup.trial)


@dataclass(frozen=True, slots=True)
class Timeline:
    """Where a recording lies on a clock: lap after lap.

    A row recorded at ``first`` + x is due at ``begins`` + n × ``lap_ms`` + x / ``speed``, for every
    whole n.
    """

    first: CityTime
    begins: CityTime
    lap_ms: int
    speed: float = 1.0

    def lap(self, now: CityTime) -> int:
        """The lap that ``now`` lies in."""
        return (now - self.begins) // self.lap_ms

    def due(self, part: Readings, lap: int) -> Readings:
        """The part with the times at which it is due in a lap."""
        after = (part.observed_at - self.first) / self.speed
        times = np.rint(after).astype(np.int64) + (self.begins + lap * self.lap_ms)
        return replace(part, observed_at=times)

    def recorded(self, now: CityTime, lap: int) -> CityTime:
        """The recorded time that is due at ``now`` in a lap."""
        after = (now - self.begins - lap * self.lap_ms) * self.speed
        return CityTime(self.first + round(after))


def timeline(
    span: tuple[CityTime, CityTime], begins: CityTime | None, speed: float, now: CityTime
) -> Timeline:
    """How a recording of ``span`` lies on a clock that shows ``now`` at the start.

    At speed 1 a lap is as many whole days as the recording touches; at another speed it begins
    ``now`` and a lap is as long as the recording, to the next second.
    """
    first, last = span
    if speed != 1.0:
        lap_ms = round((last - first) / speed) + 1000
        return Timeline(first, now if begins is None else begins, lap_ms, speed)
    days = (last - first) // DAY_MS + 1
    return Timeline(first, first if begins is None else begins, days * DAY_MS)


class WallSteps:
    """Wall time as a source follows it: it moves every fifth of a second."""

    run = LIVE

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    @property
    def now(self) -> CityTime:
        """Wall time, which is city time in run ``live``."""
        return CityTime(self._clock())

    async def moved(self) -> None:
        """Wait for the next step."""
        await asyncio.sleep(_STEP_S)


class Replay:
    """Replays one recording beside one clock."""

    def __init__(
        self,
        settings: ReplaySettings,
        recording: Recording,
        clock: Clock,
        *,
        trial: bool = False,
    ) -> None:
        self._trial = trial
        self._settings = settings
        self._recording = recording
        self._clock = clock
        # Every lap finds the same; people are told once.
        self._faults_told = False

    async def run(self, intake: Intake) -> None:
        """Release rows as the clock passes them, until cancelled; raises InputError when the
        recording cannot be read."""
        follows_city = self._settings.follow == "city"
        clock: CityClock = intake.city if follows_city else WallSteps(self._clock)
        span = await asyncio.to_thread(self._recording.span)
        if self._trial:
            await self._show(intake, timeline(span, None, 1.0, CityTime(self._clock())))
            return
        while not clock.run:
            intake.tell("waiting", "the city's clock has not begun")
            await clock.moved()
        begins = None if self._settings.begins is None else city_time(self._settings.begins)
        line = timeline(span, begins, self._settings.speed, clock.now)
        while True:
            intake.tell("ok")
            await self._one_run(intake, clock, line)

    async def _show(self, intake: Intake, line: Timeline) -> None:
        """The first rows at once, as if they had come within the last lap."""
        faults, now = Faults(), self._clock()
        parts = self._recording.readings(faults)
        part = await asyncio.to_thread(next, parts, None)
        if part is not None:
            due = line.due(taken(part, slice(0, _SHOWN_ROWS)), line.lap(CityTime(now)))
            past = np.where(due.observed_at > now, due.observed_at - line.lap_ms, due.observed_at)
            await intake.deliver(faults.of([replace(due, observed_at=past)]))

    async def _one_run(self, intake: Intake, clock: CityClock, line: Timeline) -> None:
        """Follow one run, from where it is now to its end."""
        run, now = clock.run, clock.now
        lap = line.lap(now)
        since = CityTime(max(0, line.recorded(now, lap) + 1))
        while clock.run == run:
            faults = Faults()
            parts = self._recording.readings(faults, since)
            while (part := await asyncio.to_thread(next, parts, None)) is not None:
                await self._release(intake, clock, run, line.due(part, lap))
                if clock.run != run:
                    return
            if faults.count and not self._faults_told:
                self._faults_told = True
                await intake.deliver(faults.of(()), run)
            lap, since = lap + 1, CityTime(0)
            while clock.run == run and line.lap(clock.now) < lap:
                await clock.moved()

    async def _release(self, intake: Intake, clock: CityClock, run: str, part: Readings) -> None:
        """Deliver a part piece by piece as the clock passes it, all that is due at once."""
        done = 0
        while done < len(part) and clock.run == run:
            due = int(np.searchsorted(part.observed_at, clock.now, side="right"))
            if due <= done:
                await clock.moved()
                continue
            try:
                await intake.deliver(Decoded((taken(part, slice(done, due)),)), run)
            except BusyError:
                await clock.moved()
                continue
            done = due
