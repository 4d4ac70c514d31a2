"""Pauses that grow with each failure, with jitter: a thousand clients must not call as one."""

from random import Random

_GROWTH_MOST = 32
"""Doublings after which the pause is at its most anyway."""


class Backoff:
    """How long to wait after the n-th failure in a row: ``first_s`` doubled each time, at most
    ``most_s``, times a random share from one half to one (AWS's "equal jitter")."""

    def __init__(self, first_s: float, most_s: float, random: Random) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._random = random
        self.failures = 0

    def next_s(self, at_least_s: float = 0.0) -> float:
        """The pause after one more failure; never shorter than the other side asked for."""
        pause = min(self._most_s, self._first_s * 2.0 ** min(self.failures, _GROWTH_MOST))
        self.failures += 1
        return max(at_least_s, pause * self._random.uniform(0.5, 1.0))

    def reset(self) -> None:
        """It went well again."""
        self.failures = 0
