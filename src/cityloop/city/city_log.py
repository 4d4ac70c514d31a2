"""The city's log as the broker's store uses it: read where it lies, written through the hub."""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np

from cityloop.city.wire import Committed, Hello, Line, Names, Sensed, Welcome, call
from cityloop.interconnection.tenant import Place, open_log
from cityloop.kernel.clock import Clock
from cityloop.kernel.errors import BusyError
from cityloop.kernel.frame import EntityIds
from cityloop.kernel.ports import API_RUN, API_SOURCE, Batch, Commit, Position
from cityloop.kernel.rows import Rows
from cityloop.standards.arrow import ids_of, write_batch, write_ids
from cityloop.standards.readings import Decoded, Readings

PATIENCE_S = 10.0
"""So long a write waits for a hub that is away, or for its disk."""
_RETRY_S = 0.1
_RECENT = 1_000


class Speak(Protocol):
    """What writes, as bytes, say of declared types (``city.speaker``)."""

    def __call__(self, bodies: Sequence[bytes], /) -> Decoded:
        """Raises OSError."""
        ...

    def close(self) -> None:
        """Let go of the files."""
        ...


class CityLog:
    """``broker.store.StoreLog`` of a running city: the hub, at ``hub``, stays the one who writes.

    Of the log it shows what clients of the API wrote. ``append`` is for one thread at a time.
    """

    def __init__(self, place: Place, hub: Path, clock: Clock, speak: Speak) -> None:
        self.folder = place.folder
        self._log = open_log(place, clock, readonly=True)
        self._hub = hub
        self._speak = speak
        self._line: Line | None = None
        self._pause = threading.Event()

    def append(self, batches: Sequence[Batch]) -> Position:
        """Have the hub commit one batch, and wait for it.

        Raises BusyError when it does not within ``PATIENCE_S``: then it may have, or do so later,
        which reading tells. So too while an older batch is not read yet.
        """
        (batch,) = batches
        said = self._speak(batch.writes)
        batch = replace(batch, rows=tuple(map(_rows, said.readings)))
        message = Sensed(
            batch.sequence,
            write_batch(batch),
            faults=msgspec.msgpack.encode(said.faults) if said.faults else b"",
        )
        self._deliver(message, ids_of(batch))
        return self._where(batch.sequence)

    def _deliver(self, message: Sensed, ids: dict[bytes, EntityIds]) -> None:
        give_up = time.monotonic() + PATIENCE_S
        sent = False
        while True:
            try:
                line, known = self._connected()
                if known >= message.sequence and not sent:
                    raise BusyError("an older write has just been committed; try again")
                if known < message.sequence:
                    sent = True
                    for listed in ids.values():
                        line.send(Names(write_ids(listed)))
                    line.send(message)
                self._await(line, message.sequence)
            except (OSError, EOFError) as error:
                self._lose()
                if time.monotonic() > give_up:
                    why = f"the hub does not answer ({error}): this may still happen, look first"
                    raise BusyError(why) from error
                self._pause.wait(_RETRY_S)
            else:
                return

    def _connected(self) -> tuple[Line, int]:
        """The line to the hub, and the newest batch that it has taken."""
        if self._line is None:
            self._line = call(self._hub, PATIENCE_S)
        self._line.send(Hello(API_SOURCE, API_RUN))
        while not isinstance(welcome := self._line.receive(), Welcome):
            pass
        return self._line, max(welcome.committed, welcome.taken)

    def _await(self, line: Line, sequence: int) -> None:
        while True:
            message = line.receive()
            if isinstance(message, Committed) and message.sequence >= sequence:
                return

    def _lose(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None

    def _where(self, sequence: int) -> Position:
        """The position of a batch that is committed."""
        found = self._log.position(API_SOURCE, API_RUN, sequence)
        if found is None:  # compaction was quick
            recent = self.read(Position(max(0, self._log.last() - _RECENT)))
            found = next((c.position for c in recent if c.batch.sequence == sequence), None)
        if found is None:
            raise BusyError(f"batch {sequence} of the API is committed but not found; try again")
        return found

    def read(self, after: Position, until: Position | None = None) -> Iterator[Commit]:
        """Commits of clients of the API, bare of what they said of declared types."""
        return self._log.writes(after, until)

    def last(self) -> Position:
        """The newest position, whoever committed it."""
        return self._log.last()

    def sequence(self, source: str, run: str) -> int:
        """The highest committed sequence of a source in a run."""
        return self._log.sequence(source, run)

    def close(self) -> None:
        """Let go of the files."""
        self._lose()
        self._speak.close()
        self._log.close()


def _rows(readings: Readings) -> Rows:
    ids = EntityIds(tuple(dict.fromkeys(readings.entities.tolist())))
    entity = ids.rows(readings.entities.tolist())
    times = np.asarray(readings.observed_at, np.int64)
    return Rows(readings.type, API_RUN, ids, entity, times, readings.columns)
