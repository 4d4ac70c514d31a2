"""Processes that ended and have not lived steadily since, as the supervisor keeps count of them."""

from collections.abc import Mapping

from cityloop.kernel.clock import WallTime


class Troubles:
    """Name → (first end in wall ms, how often), until the process has lived ``steady_s``."""

    def __init__(self, steady_s: float) -> None:
        self._steady_s = steady_s
        self._ended: dict[str, tuple[WallTime, int]] = {}

    def ended(self, name: str, wall: WallTime) -> None:
        """A process ended that should not have."""
        since, times = self._ended.get(name, (wall, 0))
        self._ended[name] = since, times + 1

    def now(self, lived_s: Mapping[str, float]) -> dict[str, tuple[int, int]]:
        """What is left, given how long each process that lives has lived."""
        for name in [n for n in self._ended if lived_s.get(n, 0.0) > self._steady_s]:
            del self._ended[name]
        return {name: (int(since), times) for name, (since, times) in self._ended.items()}
