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


Mark = tuple[Position, int]
"""How far a reader of the bus is: a position, and which of its letters."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What one commit says of one type and partition, as the bus carries it: number ``part`` of the
    ``parts`` letters of its position. ``standards.letters`` writes and reads ``body``.

    ``after``: the newest earlier position on the same subject, 0 where there is none; so a reader
    finds out what it misses. ``cut``: by which rule the commit was cut in parts.
    """

    subject: str
    position: Position
    part: int
    parts: int
    committed_at: WallTime
    source: str
    run: str
    sequence: int
    form: str
    body: bytes
    cut: str = ""
    after: Position = Position(0)

    @property
    def mark(self) -> Mark:
        """Where in the order of all letters it stands."""
        return self.position, self.part


@dataclass(frozen=True, slots=True)
class Gap:
    """The bus no longer holds all letters of ``subject`` with ``after < position <= until``; the
    log has them.
    """

    subject: str
    after: Position
    until: Position


class Subscription(Protocol):
    """One reader's letters: in order of their marks, each once for as long as the reader lives, and
    a ``Gap`` in the place of those that are gone.
    """

    async def next(self, most: int, patience_s: float) -> Sequence[Letter | Gap]:
        """Up to about ``most``, as soon as there is one; none after ``patience_s``. Raises OSError
        when the bus is away: subscribe again, after the mark that was reached.
        """
        ...

    async def done(self) -> None:
        """All that ``next`` has given is dealt with: a durable reader is not given it again."""
        ...

    async def close(self) -> None:
        """Read no more; a durable reader keeps its place."""
        ...


class Bus(Protocol):
    """Committed batches for whoever wants to hear of them, in processes and on machines of others.

    It is a copy of the log, made again from it where it is lost, and never the truth.
    """

    async def send(self, letters: Sequence[Letter]) -> None:
        """Hand over letters in order; durable when it returns. Raises OSError when the bus is away
        and BusyError when it is full: the first of them may be there then, as ``last`` tells.
        """
        ...

    async def last(self) -> Letter | None:
        """The newest letter; None where there is none."""
        ...

    async def subscribe(
        self, subjects: Sequence[str], *, name: str = "", after: Mark | None = None
    ) -> Subscription:
        """Letters whose subject fits any of ``subjects`` (``*`` one word, ``>`` all that follow).

        ``after``: the mark from which a new reader goes on, None for the oldest that there is. A
        reader with a ``name`` is durable: it goes on after what it was ``done`` with.
        """
        ...


class History(Protocol):
    """Observations over time, hot and cold alike."""

    def frames(self, type_: str, run: str, since: CityTime, until: CityTime) -> Iterator[Frame]:
        """Frames of a type with ``since <= observed_at < until``, in order of city time."""
        ...
