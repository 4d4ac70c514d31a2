"""Rows stamped with wall time, on their way into the views of a run that has a time of its own.

A source of real devices stamps with wall time, a loop's view stands at one instant of city time.
The record binds the two: a frame of type ``CityClock`` tells which wall time a tick had. What came
before waits for that tick and takes its age along: said 2 s ago by the clock on the wall, it is 2 s
old in the view. So tables, like memory, stay a fold of the log.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from cityloop.kernel.clock import CityTime, WallTime, seconds
from cityloop.kernel.frame import Array, EntityIds, Frame, frame
from cityloop.kernel.rows import Rows
from cityloop.kernel.view import Table

LIVE = "live"
"""The run of all that is stamped with wall time."""
CITY_CLOCK = "CityClock"
CLOCK_IDS = EntityIds([f"urn:ngsi-ld:{CITY_CLOCK}:city"])


def clock_frame(run: str, at: CityTime, wall: WallTime) -> Frame:
    """The record that ``at`` of a run was ``wall`` on the wall."""
    return frame(CITY_CLOCK, run, at, CLOCK_IDS, wallTime=np.array([wall], dtype=np.int64))


def wall_of(clock: Frame) -> WallTime:
    """What a ``CityClock`` frame tells."""
    return WallTime(int(clock["wallTime"][0]))


class Waiting:
    """The newest that live sources said of one watched table and no tick has taken up yet.

    It is as large as the table, however long no tick comes.
    """

    def __init__(self, ids: EntityIds, attributes: tuple[str, ...]) -> None:
        self._said = Table.empty(ids, attributes)
        self._fresh = {name: np.zeros(len(ids), dtype=np.bool_) for name in attributes}

    def hear(self, part: Rows, places: npt.NDArray[np.int64]) -> None:
        """Keep what is newer than what is known; ``places`` as for ``Table.hear``."""
        before, self._said = self._said, self._said.hear(part, places)
        for name, fresh in self._fresh.items():
            fresh[places[part.entity[before.news(part, places, name)]]] = True

    def take(self, table: Table, at: CityTime, wall: WallTime, late_s: float) -> Table:
        """``table`` with what waited, as of ``at``, which is ``wall`` on the wall.

        What is older than ``late_s`` by then is left out.
        """
        columns, times = dict(table.columns), table.observed_at.copy()
        for name, fresh in self._fresh.items():
            rows = np.flatnonzero(fresh)
            if not rows.size:
                continue
            age_ms = wall - self._said.observed_at[rows]
            said_at = np.maximum(at - age_ms, 0)
            taken = (age_ms <= _ms(late_s)) & (said_at >= table.observed_at[rows])
            rows, said_at = rows[taken], said_at[taken]
            values = columns[name].copy()
            values[rows] = self._said[name][rows]
            columns[name] = values
            times[rows] = np.maximum(times[rows], said_at)
            fresh[:] = False
        return Table(table.ids, columns, times)

    def save(self) -> dict[str, Array]:
        """All of it as named arrays."""
        state: dict[str, Array] = {"time": self._said.observed_at}
        for name, fresh in self._fresh.items():
            state |= {f"said/{name}": self._said[name], f"fresh/{name}": fresh.copy()}
        return state

    @property
    def waits(self) -> bool:
        """Whether there is something to take."""
        return any(fresh.any() for fresh in self._fresh.values())

    def load(self, state: Mapping[str, Array]) -> None:
        """Go on from what ``save`` gave."""
        columns = {name: state[f"said/{name}"].astype(np.float64) for name in self._fresh}
        self._said = Table(self._said.ids, columns, state["time"].astype(np.int64))
        self._fresh = {name: state[f"fresh/{name}"].astype(np.bool_) for name in self._fresh}


def _ms(span_s: float) -> float:
    return float("inf") if span_s == float("inf") else float(seconds(span_s))
