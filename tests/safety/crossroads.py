"""A crossroads with a crossing, small enough to follow by hand."""

from collections.abc import Sequence

import numpy as np

from cityloop.kernel.clock import CityTime
from cityloop.kernel.loop import Orders, Priority
from cityloop.safety.cabinet import CabinetBank, CabinetReport, LocalSensing
from cityloop.safety.envelope import Limits
from cityloop.standards.signals import Junction, Link, Phase, SignalBank

NORTH_SOUTH, EAST_WEST, WALK = 0, 1, 2
CLEARANCE = 5
"""Seconds: 3 of yellow, 2 of all-red; the crossing takes 5 to walk."""


def link(*foes: int, crossing_m: float = 0.0, turns_on_red: bool = False) -> Link:
    return Link("a", "b", "", "s", 13.9, frozenset(foes), frozenset(), crossing_m, turns_on_red)


def crossroads(name: str = "x", fixed_order: bool = False) -> Junction:
    """Link 0 north-south, 1 east-west, 2 the crossing over both; 3 turns on red beside link 0."""
    return Junction(
        id=name,
        x=0.0,
        y=0.0,
        links=(
            link(1, 2),
            link(0, 2, 3),
            link(0, 1, 3, crossing_m=6),
            link(1, 2, turns_on_red=True),
        ),
        phases=(Phase("GrrG", 20), Phase("rGrr", 15), Phase("rrGr", 10)),
        min_green_s=(6.0, 6.0, 10.0),
        yellow_s=(3.0,) * 4,
        all_red_s=2.0,
        fixed_order=fixed_order,
    )


class Street:
    """Cabinets of some crossroads and the second it is there."""

    def __init__(self, *junctions: Junction, limits: Limits | None = None) -> None:
        self.bank = SignalBank(junctions or (crossroads(),))
        self.cabinets = CabinetBank(self.bank, limits or Limits(), CityTime(0))
        self.second = 0

    def step(self, *orders: Orders, sensed: LocalSensing | None = None) -> CabinetReport:
        self.second += 1
        return self.cabinets.step(CityTime(self.second * 1000), orders, sensed or LocalSensing())

    def run(
        self, seconds: int, action: int | None = None, sensed: LocalSensing | None = None
    ) -> list[str]:
        """Letters of the first junction, second by second, while ``action`` is ordered."""
        shown = []
        for _ in range(seconds):
            given = () if action is None else (self.order(action, ahead_s=1),)
            self.step(*given, sensed=sensed)
            shown.append(self.cabinets.letters(0))
        return shown

    def order(
        self,
        *actions: int,
        priority: Priority = Priority.OPTIMISATION,
        ahead_s: float = 1,
        valid_s: float = 5,
        epoch: int = 1,
        rows: Sequence[int] | None = None,
    ) -> Orders:
        """An order issued ``ahead_s`` after now, in time for the next step."""
        issued = round((self.second + ahead_s) * 1000)
        return Orders(
            issued_at=CityTime(issued),
            expires_at=CityTime(issued + round(valid_s * 1000)),
            epoch=epoch,
            priority=priority,
            rows=np.array(range(len(actions)) if rows is None else rows, dtype=np.int64),
            actions=np.array(actions, dtype=np.int64),
        )
