"""Ground truth on its way from a twin to those who show and evaluate it; never to a loop."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from cityloop.city.wire import Demand, Line, Look, Positions, Truth, call, ready_among
from cityloop.twins.sumo.twin import SumoTwin

_EVERY_S = 0.2


class Witness:
    """Tells the reader at ``address`` what happens in ``twin``, under ``name``.

    Trips always; where every vehicle is only while the reader says that somebody looks, for asking
    SUMO costs microseconds per vehicle.
    """

    def __init__(self, name: str, address: Path, twin: SumoTwin) -> None:
        self._name = name
        self._address = address
        self._twin = twin
        self._line: Line | None = None
        self._next = 0.0
        self._told = 0
        self._watched = False
        self._numbers: dict[str, int] = {}

    def tell(self, at: int, *, now: float, force: bool = False) -> None:
        """At most every 0.2 s of wall time; a reader that is away misses no trip."""
        if now < self._next and not force:
            return
        self._next = now + _EVERY_S
        try:
            line = self._line or self._introduce()
            while line.ready():
                self._hear(line)
            if self._watched:
                line.send(self._positions())
            self._send(line, at)
        except (OSError, EOFError):
            self._lose()

    def attend(self, until: Line) -> None:
        """Answer who begins to look, until ``until`` has something to receive."""
        while self._line is not None and until not in ready_among((until, self._line)):
            try:
                self._hear(self._line)
                if self._watched:
                    self._line.send(self._positions())
            except (OSError, EOFError):
                self._lose()

    def _lose(self) -> None:
        self._line, self._told, self._watched = None, 0, False

    def _hear(self, line: Line) -> None:
        message = line.receive()
        if isinstance(message, Look):
            self._watched = message.wanted

    def _introduce(self) -> Line:
        line, twin = call(self._address), self._twin
        planned, free = _seconds(twin.planned_departures_s), _seconds(twin.free_flow_s())
        line.send(Demand(self._name, twin.run, twin.begins, planned, free))
        self._line, self._told = line, 0
        self._numbers = {name: number for number, name in enumerate(twin.vehicle_ids)}
        return line

    def _send(self, line: Line, at: int) -> None:
        truth = self._twin.truth()
        arrived = truth.arrived[self._told :].astype("<i8").tobytes()
        arrival_s = _seconds(truth.arrival_s[self._told :])
        counts = truth.vehicles, truth.waiting
        line.send(Truth(self._name, self._twin.run, at, *counts, arrived, arrival_s))
        self._told = len(truth.arrived)

    def _positions(self) -> Positions:
        seen, numbers = self._twin.positions(), self._numbers
        ids = np.array([numbers.setdefault(name, len(numbers)) for name in seen.ids], dtype="<i4")
        columns = (c.astype("<f4").tobytes() for c in (seen.x, seen.y, seen.angle, seen.speed))
        return Positions(self._name, self._twin.run, self._twin.now, ids.tobytes(), *columns)


def _seconds(values: npt.NDArray[np.float64]) -> bytes:
    return values.astype("<f8").tobytes()
