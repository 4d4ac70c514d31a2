"""What a loop watches, as it stands: whoever speaks, twin or live source, fills the same tables."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from cityloop.kernel.clock import CityTime, WallTime, seconds
from cityloop.kernel.frame import Array, Frame
from cityloop.kernel.loop import Loop
from cityloop.kernel.partition import ids_named
from cityloop.kernel.rows import Rows
from cityloop.kernel.view import Table
from cityloop.kernel.waiting import LIVE, Waiting

_LISTS_KEPT = 64


class Inputs:
    """The watched tables of one loop. A fold of the log.

    ``stand_for``: device → the entity in whose name it speaks, such as the detector of the lane
    that it counts.
    """

    def __init__(self, loop: Loop, knows: Mapping[str, Any], stand_for: Mapping[str, str]) -> None:
        self._watches = loop.watches
        self._stand_for = stand_for
        self._tables = {
            name: Table.empty(ids_named(watch.rows, knows), watch.attributes)
            for name, watch in loop.watches.items()
        }
        self._waiting: dict[str, Waiting] = {}
        self._places: dict[tuple[str, bytes], npt.NDArray[np.int64]] = {}

    def tables(self) -> dict[str, Table]:
        """By input name, as of the newest tick."""
        return dict(self._tables)

    def see(self, frames: Iterable[Frame]) -> None:
        """Fold frames."""
        for part in frames:
            for name, watch in self._watches.items():
                if watch.type == part.type:
                    self._tables[name] = self._tables[name].fold(part)

    def hear(self, part: Rows, now: CityTime | None) -> bool:
        """Take in what devices said that speak when they like; whether it waits for ``tell_time``.

        What is stamped with wall time does; what is stamped with the run's own, and no older at
        ``now`` than the loop lets it be, is in the tables at once.
        """
        watched = [name for name, watch in self._watches.items() if watch.type == part.type]
        for name in watched:
            table, watch, places = self._tables[name], self._watches[name], self._of(name, part)
            if part.run == LIVE:
                if name not in self._waiting:
                    self._waiting[name] = Waiting(table.ids, watch.attributes)
                self._waiting[name].hear(part, places)
            else:
                since = 0 if now is None else now - seconds(watch.late_s)
                self._tables[name] = table.hear(part.taken(part.observed_at >= since), places)
        return part.run == LIVE and any(self._waiting[name].waits for name in watched)

    def _of(self, name: str, part: Rows) -> npt.NDArray[np.int64]:
        """The row of the table that each of the part's ids speaks of, -1 where it has none."""
        key = name, part.ids.digest
        if key not in self._places:
            if len(self._places) >= _LISTS_KEPT:
                self._places.clear()
            index, names = self._tables[name].ids.index, self._stand_for
            places = [index.get(names.get(device, device), -1) for device in part.ids]
            self._places[key] = np.array(places, dtype=np.int64)
        return self._places[key]

    def tell_time(self, at: CityTime, wall: WallTime) -> None:
        """Let what waited into the tables: ``at`` is ``wall`` on the wall."""
        for name, waiting in self._waiting.items():
            late_s = self._watches[name].late_s
            self._tables[name] = waiting.take(self._tables[name], at, wall, late_s)

    def save(self) -> dict[str, Array]:
        """All of it as named arrays."""
        state: dict[str, Array] = {}
        for name, table in self._tables.items():
            state[f"time/{name}"] = table.observed_at
            state |= {f"watch/{name}/{a}": column for a, column in table.columns.items()}
        for name, waiting in self._waiting.items():
            state |= {f"waiting/{name}/{n}": a for n, a in waiting.save().items()}
        return state

    def load(self, state: Mapping[str, Array]) -> bool:
        """Go on from what ``save`` gave; whether something waits for ``tell_time``."""
        for name, table in self._tables.items():
            columns = {a: state[f"watch/{name}/{a}"].astype(np.float64) for a in table.columns}
            self._tables[name] = Table(table.ids, columns, state[f"time/{name}"].astype(np.int64))
            self._load_waiting(name, state)
        return any(waiting.waits for waiting in self._waiting.values())

    def _load_waiting(self, name: str, state: Mapping[str, Array]) -> None:
        prefix = f"waiting/{name}/"
        own = {n.removeprefix(prefix): a for n, a in state.items() if n.startswith(prefix)}
        if own:
            waiting = Waiting(self._tables[name].ids, self._watches[name].attributes)
            waiting.load(own)
            self._waiting[name] = waiting
