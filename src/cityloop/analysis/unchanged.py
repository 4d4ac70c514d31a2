"""Readings that never change although what they measure must: stuck sensors. Pure."""

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Unchanged:
    """Since when each of n devices repeats itself, as far as somebody looked."""

    def __init__(self, count: int) -> None:
        self._values = np.full((count, 1), np.nan)
        self._since = np.zeros(count, dtype=np.int64)
        self._looks = np.zeros(count, dtype=np.int64)
        self._run = ""

    def look(self, run: str, at: int, values: Floats) -> tuple[Floats, Ints]:
        """``values``: (n, k), the newest readings at ``at`` (ms). For each device, how many seconds
        and how many looks in a row all k were the same; NaN is another value each time. (n,), (n,).
        """
        if run != self._run or values.shape != self._values.shape:
            self._run = run
            self._values = np.full_like(values, np.nan)
        moved = (values != self._values).any(axis=1)
        self._values = values
        self._since = np.where(moved, at, self._since)
        self._looks = np.where(moved, 1, self._looks + 1)
        return (at - self._since) / 1000.0, self._looks
