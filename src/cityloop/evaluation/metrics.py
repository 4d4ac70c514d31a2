"""What a trial did for those who travelled in it, from SUMO's own record of their trips."""

from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import iterparse

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Trips:
    """Every vehicle that was due to depart before the horizon, in order of ids.

    All arrays have shape (n,), times in seconds of the simulation. ``planned_s``: planned
    departure. ``departed_s``, ``arrived_s``: NaN where it never did. ``time_loss_s``: driven slower
    than it would have alone. ``stops``: how often it came to a halt, scheduled halts left out.
    """

    horizon_s: float
    ids: tuple[str, ...]
    planned_s: Floats
    departed_s: Floats
    arrived_s: Floats
    time_loss_s: Floats
    stops: Ints

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def travel_s(self) -> Floats:
        """From planned departure to arrival, or to the horizon for those still on their way."""
        end = np.where(np.isnan(self.arrived_s), self.horizon_s, self.arrived_s)
        return np.asarray(end - self.planned_s)


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one trial.

    ``att_all_s``: mean over all vehicles with planned departure p before the horizon T of
    (arrival or T) - p. ``resco_delay_s``: mean of time loss + departure delay over the same
    vehicles, unfinished and never inserted ones with what they had lost at T (Ault and Sharon,
    RESCO, NeurIPS 2021).
    """

    att_all_s: float
    resco_delay_s: float
    stops_per_vehicle: float
    finished: int
    departed: int
    never_inserted: int


def figures(trips: Trips) -> Figures:
    """The figures of ``trips``; all means are NaN when nobody travelled."""
    inserted = ~np.isnan(trips.departed_s)
    waited = np.where(inserted, trips.departed_s, trips.horizon_s) - trips.planned_s
    return Figures(
        att_all_s=_mean(trips.travel_s),
        resco_delay_s=_mean(trips.time_loss_s + waited),
        stops_per_vehicle=_mean(trips.stops.astype(np.float64)),
        finished=int((~np.isnan(trips.arrived_s)).sum()),
        departed=int(inserted.sum()),
        never_inserted=int((~inserted).sum()),
    )


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else float("nan")


def read_trips(tripinfo: Path, horizon_s: float) -> Trips:
    """Trips from a tripinfo file that names unfinished and undeparted vehicles, too (``SumoTwin``).

    The file must be complete: a cut one raises ``xml.etree.ElementTree.ParseError``.
    """
    rows: list[tuple[str, float, float, float, float, int]] = []
    for _, element in iterparse(tripinfo, events=("end",)):  # noqa: S314 (our own SUMO wrote it)
        if element.tag == "tripinfo":
            row = _trip(element.attrib, horizon_s)
            if row[1] < horizon_s:
                rows.append(row)
        element.clear()
    rows.sort()
    numbers = np.array([row[1:] for row in rows], dtype=np.float64).reshape(len(rows), 5)
    planned, departed, arrived, loss, stops = numbers.T
    ids = tuple(row[0] for row in rows)
    return Trips(horizon_s, ids, planned, departed, arrived, loss, stops.astype(np.int64))


def _trip(seen: dict[str, str], horizon_s: float) -> tuple[str, float, float, float, float, int]:
    depart, arrival = float(seen["depart"]), float(seen["arrival"])
    delay = float(seen["departDelay"])
    inserted = depart >= 0
    return (
        seen["id"],
        (depart if inserted else horizon_s) - delay,
        depart if inserted else float("nan"),
        arrival if arrival >= 0 else float("nan"),
        float(seen["timeLoss"]),
        int(seen["waitingCount"]),
    )
