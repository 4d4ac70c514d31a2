"""The clock of a city without a twin: it turns the hub, as a twin's seconds do elsewhere.

City time is wall time there, but it never goes back: where somebody sets the machine's clock back,
it stands still until that has caught up. Each tick is on record, so that memory is a fold of it.
"""

import math
from collections.abc import Iterable

from cityloop.city.alarm_rules import SourceHealth
from cityloop.kernel.clock import CityTime, WallTime
from cityloop.kernel.ports import Batch
from cityloop.kernel.waiting import CITY_CLOCK, CLOCK_IDS, clock_frame
from cityloop.perception.gate import DeviceSource

CLOCK_SOURCE = "clock"
"""What the clock is called in the log."""
_LONGEST_S = 10
"""A city whose loops look seldom, or that has none, ticks so often all the same."""
_BACK_MS = 2_000


def clock_source() -> DeviceSource:
    """The clock as the gate knows it: it may stand still while nobody turns it."""
    return DeviceSource(CLOCK_SOURCE, {CITY_CLOCK: CLOCK_IDS}, tick_s=1e9)


def pace_s(every_s: Iterable[float]) -> int:
    """Seconds between two ticks: as often as the most eager of the loops looks."""
    return max(1, math.floor(min([_LONGEST_S, *every_s])))


class LiveClock:
    """Ticks of one run: a batch at its begin, then at each full ``every_s`` of wall time.

    ``sequence``: of the newest tick on record; ``at``: up to when the record tells of the city.
    """

    def __init__(self, run: str, every_s: int, sequence: int, at: CityTime) -> None:
        self.run = run
        self._every_ms = every_s * 1000
        self._sequence = sequence
        self._at = at

    def tick(self, wall: WallTime) -> Batch | None:
        """The tick that is due at ``wall``; None where there is none."""
        if self._sequence and wall < self._due():
            return None
        at = max(self._at, CityTime(wall - wall % (self._every_ms if self._sequence else 1000)))
        self._sequence += 1
        self._at = at
        told = clock_frame(self.run, at, WallTime(at))
        return Batch(CLOCK_SOURCE, self.run, self._sequence, (told,))

    def _due(self) -> int:
        return self._at - self._at % self._every_ms + self._every_ms

    def wait_s(self, wall: WallTime) -> float:
        """Seconds until the next tick is due."""
        return max(0, self._due() - wall) / 1000 if self._sequence else 0.0

    def health(self, wall: WallTime) -> SourceHealth:
        """Whether the machine's clock was set back."""
        back_ms = self._at - wall
        if back_ms <= _BACK_MS:
            return SourceHealth("ok")
        reason = (
            f"the machine's clock was set back by {back_ms / 1000:.0f} s;"
            " city time stands still until it has caught up"
        )
        return SourceHealth("failing", reason)
