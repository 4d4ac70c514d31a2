"""What the live page measures: the loop's twin beside the baseline at the same second."""

import threading
import time
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from cityloop.city.surface import Measures
from cityloop.city.wire import Demand, Truth
from cityloop.evaluation.compare import BLOCK_S, compare
from cityloop.evaluation.metrics import Trips

LOOP_TWIN, _BASELINE = "twin", "baseline"
_INTERVAL_EVERY_S = 2.0
_NOTHING = Measures(None, None, None, None, None, 0, 0, 0, 0, 0)


@dataclass(slots=True, eq=False)
class Witnessed:
    """Every planned trip of one twin: planned departure and arrival (s of the run, NaN: none), and
    what its route takes on an empty road (s)."""

    run: str
    planned_s: npt.NDArray[np.float64]
    free_s: npt.NDArray[np.float64]
    arrived_s: npt.NDArray[np.float64] = field(init=False)
    at: int = 0
    vehicles: int = 0
    waiting: int = 0
    finished: int = 0

    def __post_init__(self) -> None:
        self.arrived_s = np.full(len(self.planned_s), np.nan)

    def take(self, truth: Truth) -> None:
        """Take in what was witnessed since the last."""
        rows = np.frombuffer(truth.arrived, dtype="<i8")
        self.arrived_s[rows] = np.frombuffer(truth.arrival_s, dtype="<f8")
        self.at, self.vehicles, self.waiting = truth.at, truth.vehicles, truth.waiting
        self.finished = int(np.isfinite(self.arrived_s).sum())

    def delay_s(self, trips: Trips) -> float | None:
        """The mean delay of ``trips``, which are ours."""
        due = self.planned_s < trips.horizon_s
        late = np.maximum(trips.travel_s - self.free_s[due], 0.0)
        return float(late.mean()) if len(late) else None

    def trips(self, at: float) -> Trips:
        """The trips planned before ``at``, as they stood then."""
        due = np.flatnonzero(self.planned_s < at)
        arrived = np.where(self.arrived_s[due] <= at, self.arrived_s[due], np.nan)
        unknown = np.full(len(due), np.nan)
        return Trips(
            horizon_s=at,
            ids=tuple(map(str, due.tolist())),
            planned_s=self.planned_s[due],
            departed_s=unknown,
            arrived_s=arrived,
            time_loss_s=unknown,
            stops=np.zeros(len(due), dtype=np.int64),
        )


class Scoreboard:
    """Ground truth of the twins of one run; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._trips: dict[str, Witnessed] = {}
        self._measures = _NOTHING
        self._interval: tuple[float, float] | None = None
        self._interval_at = 0.0

    def begin(self, demand: Demand) -> None:
        """A twin introduces itself; a new run takes the place of the old."""
        with self._lock:
            current = self._trips.get(demand.twin)
            if current is None or current.run != demand.run:
                planned = np.frombuffer(demand.planned, dtype="<f8")
                free = np.frombuffer(demand.free, dtype="<f8")
                self._trips[demand.twin] = Witnessed(demand.run, planned, free)
                self._interval = None

    def take(self, truth: Truth) -> None:
        """What a twin witnessed."""
        with self._lock:
            trips = self._trips.get(truth.twin)
            if trips is None or trips.run != truth.run:
                return
            trips.take(truth)
            self._measures = self._measure()

    def measures(self) -> Measures:
        """The newest figures."""
        return self._measures

    def _measure(self) -> Measures:
        loop, base = self._trips.get(LOOP_TWIN), self._trips.get(_BASELINE)
        if loop is None or loop.at == 0:
            return _NOTHING
        if base is None or base.run != loop.run or base.at == 0:
            alone = loop.trips(loop.at)
            counts = loop.vehicles, loop.waiting, loop.finished, 0, 0
            delay_s = loop.delay_s(alone)
            return Measures(_mean(alone), None, None, None, None, *counts, delay_s)
        at = min(loop.at, base.at)
        ours, theirs = loop.trips(at), base.trips(at)
        low, high = self._bounds(ours, theirs)
        att_loop, att_base = _mean(ours), _mean(theirs)
        return Measures(
            att_loop,
            att_base,
            None if att_loop is None or att_base is None else att_loop - att_base,
            low,
            high,
            loop.vehicles,
            loop.waiting,
            loop.finished,
            base.vehicles,
            base.finished,
            loop.delay_s(ours),
            base.delay_s(theirs),
        )

    def _bounds(self, ours: Trips, theirs: Trips) -> tuple[float | None, float | None]:
        now = time.monotonic()
        if now >= self._interval_at and ours.horizon_s >= 3 * BLOCK_S:
            self._interval_at = now + _INTERVAL_EVERY_S
            difference = compare([ours], [theirs])
            self._interval = difference.low_s, difference.high_s
        return self._interval or (None, None)


def _mean(trips: Trips) -> float | None:
    return float(trips.travel_s.mean()) if len(trips) else None
