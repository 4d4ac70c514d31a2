"""The context: every entity as it is now, and the loops' memories; a fold of the log (law 1).

The database holds one packed row per entity and the log position it has reached. It is written
without fsync, behind the log: a query folds the log's tail over it, so it sees every acknowledged
position, and after a crash the log is folded again from the stored position.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from cityloop.interconnection.checkpoints import read_memory, write_memory
from cityloop.interconnection.database import Database, number
from cityloop.interconnection.picture import Picture, Sight
from cityloop.kernel.changes import Change, Operation, read_frames
from cityloop.kernel.clock import CityTime
from cityloop.kernel.errors import CorruptError
from cityloop.kernel.frame import Array
from cityloop.kernel.ports import Batch, Commit, Log, Position
from cityloop.kernel.view import Table
from cityloop.standards.attributes import event_types

_FAR_BEHIND = 3_000
"""Positions: further behind, the stored picture is nearer than the log's tail is short."""
_REACHED = "SELECT position FROM positions WHERE fold = 'context'"
_KEPT = "SELECT position, memory FROM checkpoints WHERE name = ?"
_FORGET = "DELETE FROM checkpoints WHERE name = ?"
_KEEP = "INSERT INTO checkpoints(name, position, memory) VALUES (?, ?, ?)"


class Written(NamedTuple):
    """An entity as the database keeps it: all its attributes in one body."""

    type: str
    id: str
    body: bytes


class _Held(msgspec.Struct, array_like=True, frozen=True):
    attribute: str
    run: str
    at: int
    value: Any
    operation: Operation
    dataset_id: str
    extras: dict[str, Any]


class News(NamedTuple):
    """What was said up to ``position`` since the news before; ``whole``: all that is known."""

    sights: list[Sight]
    position: Position
    whole: bool


_read_held = msgspec.msgpack.Decoder(list[_Held]).decode


class StoredContext(ABC):
    """The now of one tenant. One process writes it back, any number query it.

    ``place``: where it lies, for people. Safe from several threads. Raises OSError, BusyError and
    CorruptError as the log does.
    """

    def __init__(self, database: Database, place: str, log: Log) -> None:
        self._database = database
        self._place = place
        self._log = log
        self._lock = threading.Lock()
        self._picture: Picture | None = None
        self._position = Position(0)
        self.folded: Callable[[Commit], None] | None = None
        """Told of each commit that was taken in."""

    @abstractmethod
    def _put(self, database: Database, changed: Sequence[Written], position: Position) -> None:
        """Write entities in place of what they were, and the position reached."""

    @property
    def position(self) -> Position:
        """The log position that this picture has reached."""
        return self._position

    def fold(self, commits: Iterable[Commit]) -> None:
        """Take in commits that follow on; those already taken in are passed over."""
        with self._lock:
            self._fold(self._loaded(), commits)

    def entity(self, type_: str, entity: str) -> list[Change]:
        """The newest change of each attribute and dataset of an entity; empty when unknown."""
        with self._lock:
            held = self._current().held(type_, entity)
        return [change for change in held if change.operation == "set"]

    def table(self, type_: str, attributes: tuple[str, ...]) -> Table:
        """The newest numbers of all entities of a type; NaN where there is none."""
        with self._lock:
            return self._current().table(type_, attributes)

    def types(self) -> dict[str, int]:
        """How many entities of each type are known."""
        with self._lock:
            return self._current().types()

    def news(
        self, but: str, only: Collection[str] | None = None, again: Iterable[Sight] = ()
    ) -> News:
        """What changed since it was told here, but in the run ``but``; all there is at first.

        Of ``only`` some entities, the others' news being kept. ``again``: to be told once more, as
        far as it still holds. Who asks seldom goes on from what is stored, not from the log's long
        tail: all is told then.
        """
        with self._lock:
            if self._picture is not None and self._log.last() - self._position > _FAR_BEHIND:
                self._picture = None
            whole = self._picture is None
            picture = self._loaded()
            for sight in () if whole else again:
                picture.renew(sight)
            self._fold(picture, self._log.read(self._position))
            picture.forget_changed()
            return News(picture.sights(but, None if whole else only), self._position, whole)

    def store(self) -> Position:
        """Catch up with the log and write back what changed; the position reached."""
        with self._lock:
            picture = self._current()
            changed = [
                Written(type_, entity, _write(picture.held(type_, entity)))
                for type_, entity in picture.changed()
            ]
            with self._database.transaction():
                self._put(self._database, changed, self._position)
            picture.forget_changed()
            return self._position

    def save_checkpoint(self, name: str, position: Position, memory: Mapping[str, Array]) -> None:
        """Keep ``memory`` as of ``position`` under ``name``, in place of the one before.

        Raises ValueError for an array of Python objects.
        """
        body = write_memory(memory)
        with self._lock, self._database.transaction():
            self._database.execute(_FORGET, (name,))
            self._database.execute(_KEEP, (name, position, body))

    def checkpoint(self, name: str) -> tuple[Position, dict[str, Array]] | None:
        """The newest memory kept under ``name`` and its position; None when there is none."""
        with self._lock:
            found = self._database.execute(_KEPT, (name,))
        return (Position(found[0][0]), read_memory(found[0][1])) if found else None

    def close(self) -> None:
        """Let go of the file; what was not stored is folded again from the log."""
        with self._lock:
            self._database.close()

    def _current(self) -> Picture:
        picture = self._loaded()
        self._fold(picture, self._log.read(self._position))
        return picture

    def _fold(self, picture: Picture, commits: Iterable[Commit]) -> None:
        for commit in commits:
            if commit.position > self._position + 1:
                raise CorruptError(
                    f"the context is at {self._position}, so {commit.position} cannot come next"
                )
            if commit.position == self._position + 1:
                picture.fold(commit.batch)
                self._position = commit.position
                if self.folded is not None:
                    self.folded(commit)

    def _loaded(self) -> Picture:
        """The picture in memory; read from the file at first."""
        if self._picture is None:
            picture = Picture(event_types())
            with self._database.snapshot():
                self._position = Position(number(self._database, _REACHED))
                found = self._database.execute("SELECT type, id, body FROM entities")
            if self._position > self._log.last():
                raise CorruptError(
                    f"{self._place} is ahead of its log; have it rebuilt: cityloop rebuild"
                )
            changes = (c for type_, entity, body in found for c in _read(type_, entity, body))
            frames, rest = read_frames(changes)
            picture.fold(Batch("", "", 0, tuple(frames), tuple(rest)))
            picture.forget_changed()
            self._picture = picture
        return self._picture


def _write(changes: Iterable[Change]) -> bytes:
    return msgspec.msgpack.encode(
        [
            _Held(
                c.attribute,
                c.run,
                c.observed_at,
                c.value,
                c.operation,
                c.dataset_id,
                dict(c.extras),
            )
            for c in changes
        ]
    )


def _read(type_: str, entity: str, body: bytes) -> list[Change]:
    return [
        Change(
            type_,
            entity,
            held.attribute,
            held.run,
            CityTime(held.at),
            held.value,
            held.operation,
            held.dataset_id,
            held.extras,
        )
        for held in _read_held(body)
    ]
