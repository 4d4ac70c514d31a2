"""How long things take: the newest durations, and their percentiles."""

import time

import numpy as np

from cityloop.kernel.figures import Durations

_SAMPLES = 4096


class Meter:
    """The newest durations, in ms. One thread adds, any may read. ``all``: every one so far."""

    def __init__(self) -> None:
        self._samples = np.zeros(_SAMPLES)
        self._added = 0
        self.all = Durations()

    def add(self, started: float) -> None:
        """A duration that began at ``started`` of ``time.perf_counter`` and ends now."""
        took_s = time.perf_counter() - started
        self._samples[self._added % _SAMPLES] = took_s * 1000
        self.all.add(took_s)
        self._added += 1

    def percentile(self, share: float) -> float | None:
        """None while there are no samples."""
        held = self._samples[: self._added]
        return float(np.percentile(held, share)) if len(held) else None
