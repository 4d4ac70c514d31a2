"""What a process tells of itself in figures, and how long things took, counted in fixed intervals.

A counter in an interval is what Prometheus calls a histogram: it is added to in the time of one
look-up, costs the same memory for ever, and those of several processes can be summed.
"""

from bisect import bisect_left

import msgspec

BOUNDS_S = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
"""Upper ends of the intervals, s; the last interval has none."""


class Figure(msgspec.Struct, frozen=True, array_like=True, tag="figure"):
    """The value of one metric now. ``labels``: values in the order of the metric's own labels."""

    name: str
    value: float
    labels: tuple[str, ...] = ()


class Spread(msgspec.Struct, frozen=True, array_like=True, tag="spread"):
    """How long one thing took so far: ``counts``, one more than ``BOUNDS_S``, and their sum."""

    name: str
    counts: tuple[int, ...]
    sum_s: float
    labels: tuple[str, ...] = ()


Told = Figure | Spread
read_told = msgspec.json.Decoder(list[Told]).decode
write_told = msgspec.json.Encoder().encode


class Durations:
    """Durations counted by interval. One thread adds, any may read."""

    __slots__ = ("_counts", "_sum_s")

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self._sum_s = 0.0

    def add(self, took_s: float) -> None:
        """One more, in seconds."""
        self._counts[bisect_left(BOUNDS_S, took_s)] += 1
        self._sum_s += took_s

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self._counts)

    def spread(self, name: str, *labels: str) -> Spread:
        """All so far, as the metric ``name``."""
        return Spread(name, tuple(self._counts), self._sum_s, labels)
