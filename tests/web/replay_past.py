"""The past of the replayed city: every second it went through, in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa

from cityloop.city.export import row_batch
from cityloop.city.surface import DecisionRow, LiveState, Measures
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
from cityloop.kernel.errors import MissingError

if TYPE_CHECKING:
    from tests.web.replay import ReplayCity

STEP_S, KEEP_EVERY_S, MOST = 5, 20, 7_200


class ReplayPast:
    """``PastReadings`` of a city that keeps the newest two hours.

    Decisions up to number ``erased`` are gone from the record.
    """

    def __init__(self, city: ReplayCity) -> None:
        self.erased = 0
        self._city = city
        self._states: list[LiveState] = []

    def keep(self) -> None:
        """The city has gone on for a second."""
        self._states.append(self._city.state())
        if len(self._states) > 2 * MOST:
            del self._states[:MOST]

    async def runs(self) -> list[RunRow]:
        """As any city."""
        times = [str(state.city_time) for state in self._states]
        return [RunRow("replay-1", times[0], times[-1])] if times else []

    async def moment(self, run: str | None, at: datetime | None) -> Moment:
        """As any city."""
        state = self._states[self._place(run, at)]
        shown = [row for row in self._city.recorded if row.city_time <= str(state.city_time)]
        return Moment(
            state.run, str(state.city_time), state.junctions, state.vehicles_on, state.queued,
            state.modes, shown[-50:][::-1], state.measures,
        )  # fmt: skip

    async def timeline(
        self, junction: str, minutes: float, run: str | None, at: datetime | None
    ) -> Timeline:
        """As any city."""
        city_map = self._city.map()
        names = [one.id for one in city_map.junctions]
        if junction not in names:
            raise MissingError(f"Junction {junction} does not exist; see the map for its name.")
        row, last = names.index(junction), self._place(run, at)
        states = self._states[max(0, last - round(60 * minutes)) : last + 1]
        stages: list[StageChange] = []
        for state in states:
            seen = state.junctions[row]
            change = StageChange(str(state.city_time), seen.phase, seen.stage, seen.in_charge)
            if not stages or (change.phase, change.stage, change.in_charge) != (
                stages[-1].phase, stages[-1].stage, stages[-1].in_charge,
            ):  # fmt: skip
                stages.append(change)
        steps = states[::STEP_S]
        bars = [
            DetectorBars(
                one.id, STEP_S, [s.queued[i] for s in steps], [s.vehicles_on[i] for s in steps]
            )
            for i, one in enumerate(city_map.detectors)
            if one.junction == junction
        ]
        begins, ends = str(states[0].city_time), str(states[-1].city_time)
        return Timeline("replay-1", begins, ends, stages, bars)

    async def trend(self, run: str | None) -> Trend:
        """As any city."""
        kept = self._states[KEEP_EVERY_S - 1 :: KEEP_EVERY_S]
        columns = (
            [getattr(state.measures, name) for state in kept]
            for name in Trend.__struct_fields__[2:]
        )
        return Trend("replay-1", [str(state.city_time) for state in kept], *columns)

    async def entries_after(self, number: int, limit: int) -> list[ShiftRow]:
        """As any city; it has but a few."""
        return self._city.desk.shift_log(1_000, number, None)[::-1][:limit]

    async def decisions_after(self, number: int, limit: int) -> list[DecisionRow]:
        """As any city."""
        return [row for row in self._city.recorded if row.number > max(number, self.erased)][:limit]

    async def alarms_after(self, number: int, limit: int) -> list[AlarmRow]:
        """As any city."""
        return self._city.desk.alarms_after(number, limit)

    async def table(
        self, name: RecordTable, run: str | None, since: datetime | None, until: datetime | None
    ) -> AsyncIterator[pa.RecordBatch]:
        """As any city; but signals and detectors are measures here."""
        if name == "decisions":
            rows = self._city.recorded
            for begin in range(0, len(rows), 500):
                yield row_batch(rows[begin : begin + 500], DecisionRow)
        elif name == "alarms":
            yield row_batch(await self.alarms_after(0, 1_000), AlarmRow)
        elif name == "shift-log":
            yield row_batch(await self.entries_after(0, 1_000), ShiftRow)
        else:
            yield row_batch([state.measures for state in self._states], Measures)

    def _place(self, run: str | None, at: datetime | None) -> int:
        if not self._states:
            raise MissingError("Nothing is on record yet; wait for the first second of a run.")
        if run not in (None, "replay-1"):
            raise MissingError(f"Run {run} is not on record; /api/history/runs names those.")
        first = datetime.fromisoformat(str(self._states[0].city_time))
        if at is None:
            return len(self._states) - 1
        if at < first:
            raise MissingError(f"Run replay-1 began at {first.isoformat()}.")
        return min((at - first) // timedelta(seconds=1), len(self._states) - 1)
