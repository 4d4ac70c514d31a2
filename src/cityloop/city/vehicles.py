"""The vehicles of the loop's twin as they move, for as long as somebody looks."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from cityloop.city.surface import Vehicles
from cityloop.city.wire import Line, Look, Positions
from cityloop.kernel.clock import CityTime, iso


class VehicleWatch:
    """Holds where the vehicles were last seen, and asks the twin only while it is wanted.

    Thread-safe. ``line`` is that of the twin; it is told of a change by ``ask`` alone, so that
    whoever looks never waits for a twin.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watchers = 0
        self._newest: Vehicles | None = None
        self._line: Line | None = None
        self._asked = False

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Somebody looks while this is entered."""
        with self._lock:
            self._watchers += 1
        try:
            yield
        finally:
            with self._lock:
                self._watchers -= 1
                if not self._watchers:
                    self._newest = None

    def newest(self) -> Vehicles | None:
        """None while nobody looks, or nothing was told yet."""
        return self._newest

    def meet(self, line: Line) -> None:
        """A twin that shows its vehicles has called."""
        self._line, self._asked = line, False

    def ask(self) -> None:
        """Tell the twin whether it is wanted, when that has changed; raises OSError."""
        wanted = self._watchers > 0
        if self._line is not None and wanted != self._asked:
            self._asked = wanted
            self._line.send(Look(wanted))

    def part(self, line: Line) -> None:
        """A line has gone."""
        if line is self._line:
            self._line = None

    def take(self, seen: Positions) -> None:
        """What the twin tells."""
        vehicles = _vehicles(seen)
        with self._lock:
            if self._watchers:
                self._newest = vehicles


def _vehicles(seen: Positions) -> Vehicles:
    def column(values: bytes, digits: int) -> list[float]:
        # Rounded as float64: what rounds to 0.1 in float32 is written as 0.10000000149011612.
        exact = np.frombuffer(values, dtype="<f4").astype(np.float64)
        listed: list[float] = np.round(exact, digits).tolist()
        return listed

    return Vehicles(
        run=seen.run,
        city_time=iso(CityTime(seen.at)),
        ids=np.frombuffer(seen.ids, dtype="<i4").tolist(),
        x=column(seen.x, 1),
        y=column(seen.y, 1),
        angle=column(seen.angle, 0),
        speed=column(seen.speed, 1),
    )
