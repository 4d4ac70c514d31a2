"""How much of what sensors should say arrives: per minute and device, over the last hour. Pure."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from cityloop.kernel.frame import Array, Bools

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MINUTES = 60
_MINUTE_MS = 60_000
NEVER = -1


class Availability:
    """Readings of n devices that speak every ``every_s`` seconds; a fold of their frames.

    The hour is that in which the city ran: between two runs nothing was expected. ``last_seen``:
    (n,), city time of the newest reading in ms, ``NEVER`` where there was none.
    """

    def __init__(self, count: int, every_s: float) -> None:
        self._every_ms = round(every_s * 1000)
        self._expected = np.zeros(MINUTES, dtype=np.int64)
        self._present = np.zeros((MINUTES, count), dtype=np.uint16)
        self._seen = np.full(count, NEVER, dtype=np.int64)
        self._run = ""
        self._begins = self._newest = NEVER
        self._cursor = 0
        # All devices at once cost one addition a frame; they are put down when somebody looks.
        self._whole, self._whole_at = 0, NEVER

    def see(self, run: str, at: int, rows: Ints | None = None, whole: Bools | None = None) -> None:
        """Readings at city time ``at``: of all devices, or of ``rows`` where given.

        ``whole``: which of them hold a usable value; None where all do.
        """
        if run != self._run:
            self._run, self._begins, self._newest = run, at, NEVER
        if at > self._newest:
            self._advance(at)
        if rows is None and whole is None:
            self._whole, self._whole_at = self._whole + 1, at
            return
        heard = np.arange(len(self._seen)) if rows is None else rows
        heard = heard if whole is None else heard[whole]
        self._present[self._cursor, heard] += 1
        self._seen[heard] = np.maximum(self._seen[heard], at)

    def _advance(self, at: int) -> None:
        first = self._begins if self._newest == NEVER else self._newest + self._every_ms
        if self._newest == NEVER or at // _MINUTE_MS != self._newest // _MINUTE_MS:
            self._flush()
            gone = 1 if self._newest == NEVER else at // _MINUTE_MS - self._newest // _MINUTE_MS
            for _ in range(min(gone, MINUTES)):
                self._cursor = (self._cursor + 1) % MINUTES
                self._expected[self._cursor] = 0
                self._present[self._cursor] = 0
        # What is missing between two readings is expected all the same.
        due = max(0, at - first) // self._every_ms + 1
        self._expected[self._cursor] += min(due, MINUTES * _MINUTE_MS // self._every_ms)
        self._newest = at

    def _flush(self) -> None:
        """Put down what is counted for all devices at once."""
        if self._whole:
            self._present[self._cursor] += self._whole
            np.maximum(self._seen, self._whole_at, out=self._seen)
            self._whole = 0

    def last_seen(self) -> Ints:
        """(n,), ms of city time."""
        self._flush()
        return self._seen

    def share(self) -> Floats:
        """(n,): readings in the last hour among those expected; NaN where none was."""
        self._flush()
        expected = int(self._expected.sum())
        if not expected:
            return np.full(len(self._seen), np.nan)
        present = self._present.sum(axis=0, dtype=np.int64)
        return np.asarray(np.minimum(1.0, present / expected))

    def save(self) -> dict[str, Array]:
        """The state as named arrays."""
        self._flush()
        return {
            "expected": self._expected.copy(),
            "present": self._present.copy(),
            "seen": self._seen.copy(),
            "run": np.array(self._run),
            "times": np.array([self._begins, self._newest, self._cursor]),
        }

    def load(self, state: Mapping[str, Array]) -> None:
        """Go on from what ``save`` gave; other devices than then start afresh."""
        if state["present"].shape != self._present.shape:
            return
        self._expected = state["expected"].astype(np.int64)
        self._present = state["present"].astype(np.uint16)
        self._seen = state["seen"].astype(np.int64)
        self._run = str(state["run"])
        self._begins, self._newest, self._cursor = (int(n) for n in state["times"])
