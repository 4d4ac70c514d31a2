"""The conductor: how far the twins of a run may go, in lock-step and at the speed a person set."""

from collections.abc import Iterable
from math import floor

AS_FAST_AS_IT_GOES = 0.0
_WINDOW = 20
_DEBT_S = 2.0


class Conductor:
    """Grants seconds of city time. Pure: the wall time (s) comes in with each call.

    No twin ever gets more than the window ahead of the slowest, so that both stay comparable at
    the same second; what they compute depends on neither speed nor window.
    """

    def __init__(self, twins: Iterable[str], speed: float, paused: bool, now: float) -> None:
        self._reached = dict.fromkeys(twins, 0)
        self.speed = speed
        self.paused = paused
        self._since = now
        self._base = 0
        self._stop_at = 0

    @property
    def at(self) -> int:
        """The second that every twin has reached."""
        return min(self._reached.values(), default=0)

    def reached(self, twin: str, at: int) -> None:
        """A twin's progress."""
        self._reached[twin] = at

    def drive(self, speed: float, paused: bool, step: int, now: float) -> None:
        """Change pace; while paused, ``step`` seconds more."""
        self.speed, self.paused = speed, paused
        self._since, self._base = now, self.at
        self._stop_at = self.at + step

    def grant(self, now: float) -> int:
        """The second up to which all twins may run."""
        if self.paused:
            return self._stop_at
        ahead = self.at + _WINDOW
        if self.speed == AS_FAST_AS_IT_GOES:
            return ahead
        due = self._base + floor((now - self._since) * self.speed)
        if due - self.at > max(_WINDOW, _DEBT_S * self.speed):
            self._since, self._base = now, self.at
            due = self.at
        return min(due, ahead)

    def wait_s(self, now: float) -> float:
        """Seconds until the next grant can grow by time alone; a long time when it cannot."""
        if self.paused or self.speed == AS_FAST_AS_IT_GOES:
            return 3600.0
        due = self._base + floor((now - self._since) * self.speed)
        return max(0.001, self._since + (due + 1 - self._base) / self.speed - now)
