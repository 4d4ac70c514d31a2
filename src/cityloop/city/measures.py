"""What the live page measures: the loop's twin beside the baseline at the same second."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
import numpy as np
import numpy.typing as npt
import structlog

from cityloop.city.surface import Measures
from cityloop.city.wire import Demand, Truth
from cityloop.evaluation.compare import BLOCK_S, compare
from cityloop.evaluation.metrics import Trips
from cityloop.interconnection.measured import StoredMeasured
from cityloop.interconnection.tenant import Place, open_measured
from cityloop.kernel.clock import CityTime, after
from cityloop.kernel.errors import BusyError

_log = structlog.get_logger()
LOOP_TWIN, _BASELINE = "twin", "baseline"
_INTERVAL_EVERY_S = 2.0
_KEEP_EVERY_S = 20
_NOTHING = Measures(None, None, None, None, None, 0, 0, 0, 0, 0)


@dataclass(slots=True, eq=False)
class Witnessed:
    """Every planned trip of one twin: planned departure and arrival (s of the run, NaN: none), and
    what its route takes on an empty road (s)."""

    run: str
    begins: CityTime
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


class MeasureKeeper:
    """Keeps figures where the tenant's are; opens them in the thread that first keeps any."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._store: StoredMeasured | None = None

    def keep(self, run: str, at: CityTime, measures: Measures) -> None:
        """Keep the figures of one second; where the disk fails the chart has a hole, no more."""
        try:
            self._store = self._store or open_measured(self._place)
            self._store.keep(run, at, msgspec.json.encode(measures))
        except (OSError, BusyError) as error:
            _log.warning("measures were not kept", run=run, why=str(error))


class Scoreboard:
    """Ground truth of the twins of one run; thread-safe.

    ``keep`` is given the figures every 20 s of city time: run, city time, measures.
    """

    def __init__(self, keep: Callable[[str, CityTime, Measures], None]) -> None:
        self._keep = keep
        self._kept = "", 0
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
                self._trips[demand.twin] = Witnessed(
                    demand.run, CityTime(demand.begins), planned, free
                )
                self._interval = None

    def take(self, truth: Truth) -> None:
        """What a twin witnessed."""
        with self._lock:
            trips = self._trips.get(truth.twin)
            if trips is None or trips.run != truth.run:
                return
            trips.take(truth)
            self._measures = self._measure()
            self._tell_keeper(trips.run, trips.begins)

    def _tell_keeper(self, run: str, begins: CityTime) -> None:
        at = self._at()
        mark = run, at // _KEEP_EVERY_S
        if mark != self._kept and self._measures.att_loop_s is not None:
            self._kept = mark
            self._keep(run, after(begins, at), self._measures)

    def _at(self) -> int:
        """The second that the figures are of."""
        loop, base = self._trips.get(LOOP_TWIN), self._trips.get(_BASELINE)
        if loop is None:
            return 0
        alone = base is None or base.run != loop.run or base.at == 0
        return loop.at if base is None or alone else min(loop.at, base.at)

    def measures(self) -> Measures:
        """The newest figures."""
        return self._measures

    def _measure(self) -> Measures:
        loop, base = self._trips.get(LOOP_TWIN), self._trips.get(_BASELINE)
        if loop is None or loop.at == 0:
            return _NOTHING
        at = self._at()
        if base is None or base.run != loop.run or base.at == 0:
            alone = loop.trips(loop.at)
            counts = loop.vehicles, loop.waiting, loop.finished, 0, 0
            delay_s = loop.delay_s(alone)
            return Measures(_mean(alone), None, None, None, None, *counts, delay_s)
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
