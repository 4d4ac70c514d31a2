"""The measures of the present run over its time, for the chart of a page that opens late."""

import asyncio
from datetime import datetime

import msgspec

from cityloop.web.port import CityReadings

EVERY_S = 20.0


class Trend(msgspec.Struct):
    """Columns of equal length; row i holds what was measured at ``city_time[i]`` of ``run``."""

    run: str = ""
    city_time: list[str] = []
    att_loop_s: list[float | None] = []
    att_baseline_s: list[float | None] = []


class TrendKeeper:
    """Follows a city and keeps one row per 20 s of city time, of the present run only.

    Lives in memory: after a restart the chart begins anew. When there are more than ``room`` rows,
    every second one goes.
    """

    def __init__(self, city: CityReadings, room: int = 1_000) -> None:
        self._city = city
        self._room = room
        self.trend = Trend()

    async def follow(self) -> None:
        """Keep rows until cancelled."""
        seq = 0
        while True:
            seq = await self._city.changes(seq)
            self.take()
            await asyncio.sleep(0.1)  # at full speed the picture changes far more often

    def take(self) -> None:
        """Keep a row of the present state when one is due."""
        state = self._city.state()
        if state.city_time is None or state.measures.att_loop_s is None:
            return
        if state.run != self.trend.run:
            self.trend = Trend(state.run)
        trend = self.trend
        if trend.city_time and _span_s(trend.city_time[-1], state.city_time) < EVERY_S:
            return
        trend.city_time.append(state.city_time)
        trend.att_loop_s.append(state.measures.att_loop_s)
        trend.att_baseline_s.append(state.measures.att_baseline_s)
        if len(trend.city_time) > self._room:
            for column in (trend.city_time, trend.att_loop_s, trend.att_baseline_s):
                del column[1::2]


def _span_s(since: str, until: str) -> float:
    return (datetime.fromisoformat(until) - datetime.fromisoformat(since)).total_seconds()
