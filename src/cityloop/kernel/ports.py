"""The ports by which the stages meet; each states what it promises (design, section 4)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NewType, Protocol

from cityloop.kernel.changes import Change
from cityloop.kernel.clock import CityTime, WallTime
from cityloop.kernel.frame import Frame
from cityloop.kernel.rows import Rows

Position = NewType("Position", int)
API_SOURCE, API_RUN = "ngsi-ld", "api"
"""Of the batches that hold what clients of the NGSI-LD API wrote."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one source delivers at once; the unit that is committed whole or not at all.

    ``sequence`` counts up from 1 within (source, run): a batch sent again is recognised by it.
    ``writes``: what clients of the NGSI-LD API did, each as ``standards.cim.writes`` wrote it.
    """

    source: str
    run: str
    sequence: int
    frames: tuple[Frame, ...] = ()
    changes: tuple[Change, ...] = ()
    rows: tuple[Rows, ...] = ()
    writes: tuple[bytes, ...] = ()

    @property
    def parts(self) -> tuple[Frame | Rows, ...]:
        """All that is columnar: frames, then rows."""
        return (*self.frames, *self.rows)


@dataclass(frozen=True, slots=True)
class Commit:
    """A batch as the log holds it."""

    position: Position
    committed_at: WallTime
    batch: Batch


class Log(Protocol):
    """The durable, append-only sequence of one tenant's committed batches.

    Order: positions rise by one; a reader sees them in order and without a gap. Loss: what
    ``append`` has returned survives a power cut. Idempotence: a batch whose (source, run,
    sequence) is already committed is not committed again.
    """

    def append(self, batches: Sequence[Batch]) -> Position:
        """Commit in order with one fsync; the position of the last. Raises OSError on a full disk
        (nothing of the call is committed then)."""
        ...

    def read(self, after: Position, until: Position | None = None) -> Iterator[Commit]:
        """Commits with ``after < position <= until``; empty when there are none."""
        ...

    def last(self) -> Position:
        """The newest position; 0 when nothing was ever committed."""
        ...

    def sequence(self, source: str, run: str) -> int:
        """The highest committed sequence of a source in a run; 0 when there is none."""
        ...


class History(Protocol):
    """Observations over time, hot and cold alike."""

    def frames(self, type_: str, run: str, since: CityTime, until: CityTime) -> Iterator[Frame]:
        """Frames of a type with ``since <= observed_at < until``, in order of city time."""
        ...
