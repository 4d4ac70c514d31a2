"""The entities of a tenant as they are now: one SQLite file, a fold of the log (design law 1).

``broker.db`` is written without fsync, behind the log, by one thread: the one that answers
requests, since every step of SQLite in another would have to win the interpreter back. It holds
the position it has reached, and after a crash the log is folded again from there.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import apsw
import msgspec

from cityloop.interconnection.broker.held import Held, Written, changed_types, first_and_last
from cityloop.interconnection.broker.outbox import SQLITE_SCHEMA
from cityloop.interconnection.broker.sqlite_reader import SqliteReader
from cityloop.interconnection.sqlite import number, open_database, rows, sqlite_errors
from cityloop.interconnection.sqlite_database import SqliteDatabase
from cityloop.kernel.ports import Position

LAYOUT = 1
SCHEMA = """
CREATE TABLE entities(
    e INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, types TEXT NOT NULL, doc TEXT NOT NULL,
    created INTEGER NOT NULL, modified INTEGER NOT NULL, expires INTEGER
) STRICT;
CREATE INDEX entities_expire ON entities(expires) WHERE expires IS NOT NULL;
CREATE TABLE entity_types(
    type TEXT NOT NULL, e INTEGER NOT NULL, PRIMARY KEY (type, e)
) STRICT, WITHOUT ROWID;
CREATE TABLE positions(fold TEXT PRIMARY KEY, position INTEGER NOT NULL) STRICT;
"""
"""``entities.doc``: the kept form as JSON text. ``entities.types``: its types, one a line; each is
a row of ``entity_types`` too."""

_FIND = "SELECT * FROM entities WHERE id = ?"
_FIND_MANY = "SELECT x.* FROM json_each(?) y CROSS JOIN entities x ON x.id = y.value"
_PUT = "INSERT INTO entities VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (e) DO UPDATE SET \
types = excluded.types, doc = excluded.doc, created = excluded.created, \
modified = excluded.modified, expires = excluded.expires"
_GONE = "DELETE FROM entities WHERE e = ?"
_TYPE = "INSERT OR IGNORE INTO entity_types VALUES (?, ?)"
_NO_TYPE = "DELETE FROM entity_types WHERE type = ? AND e = ?"
_REACHED = "SELECT position FROM positions WHERE fold = 'entities'"
_REACH = "INSERT OR REPLACE INTO positions VALUES ('entities', ?)"
_COUNTED = "SELECT position FROM positions WHERE fold = 'batches'"
_COUNT = "INSERT OR REPLACE INTO positions VALUES ('batches', ?)"
_EXPIRED = "SELECT id FROM entities WHERE expires <= ? LIMIT ?"

_CACHE_KIB = 65_536
_WAL_PAGES = 4_096
"""Beyond so many pages (32 MiB) the journal is folded into the file."""


class SqliteState:
    """``ports.State`` in one file in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "broker.db"
        self.connection = self._open()
        self.connection.execute(SQLITE_SCHEMA)
        self.database = SqliteDatabase(self.connection, self.path)
        self.reader = SqliteReader(self.connection)
        # Folding the journal in waits for the disk: ``checkpoint`` does it, in another thread.
        self.connection.wal_autocheckpoint(0)
        self.connection.pragma("cache_size", -_CACHE_KIB)
        self._pages = 0
        self.connection.set_wal_hook(self._grown)
        self._next = number(self.connection, "SELECT max(e) FROM entities") + 1

    def _open(self) -> apsw.Connection:
        return open_database(
            self.path, SCHEMA, version=LAYOUT, synchronous="NORMAL", readonly=False
        )

    def _grown(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self._pages = pages
        return apsw.SQLITE_OK

    @property
    def place(self) -> str:
        """The file."""
        return self.path.absolute().as_uri()

    @property
    def position(self) -> Position:
        """The log position that the tables have reached."""
        return Position(number(self.connection, _REACHED))

    @property
    def sequence(self) -> int:
        """Of the newest batch of the API that the tables hold, where ``count`` says so."""
        return number(self.connection, _COUNTED)

    def renew(self) -> bool:
        """A file is not lost."""
        return False

    def count(self, sequence: int) -> None:
        """Note which batch of the API is taken in; within a transaction of the caller."""
        self.connection.execute(_COUNT, (sequence,))

    def reach(self, position: Position) -> None:
        """Note the position that the tables have reached; within a transaction of the caller."""
        self.connection.execute(_REACH, (position,))

    def next_number(self) -> None:
        """The table of the outbox numbers its rows."""

    def open_reader(self) -> SqliteReader:
        """Another reader, for another thread."""
        connection = open_database(
            self.path, "", version=LAYOUT, synchronous="NORMAL", readonly=True
        )
        return SqliteReader(connection)

    def next_key(self) -> int:
        """A key that no entity ever had since the file was opened."""
        self._next += 1
        return self._next - 1

    def find(self, id_: str) -> Held | None:
        """The entity with an id."""
        found = self.connection.execute(_FIND, (id_,)).fetchone()
        return Held.stored(found) if found else None

    def find_many(self, ids: Sequence[str]) -> dict[str, Held]:
        """Those of ``ids`` that exist, by id."""
        found = self.connection.execute(_FIND_MANY, (msgspec.json.encode(ids).decode(),))
        return {row[1]: Held.stored(row) for row in found}

    def expired(self, now: int, limit: int) -> list[str]:
        """The ids of some entities whose time has come."""
        return [id_ for (id_,) in rows(self.connection, _EXPIRED, (now, limit))]

    def apply(self, done: Iterable[Written], position: Position) -> None:
        """Take in what the log holds at ``position``; within a transaction of the caller."""
        first, last = first_and_last(done)
        put, into = [held.row() for held in last.values() if held], self.connection
        into.executemany(_GONE, [(key,) for key, held in last.items() if held is None])
        into.executemany(_PUT, put)
        removed, added = changed_types(first, last)
        into.executemany(_NO_TYPE, removed)
        into.executemany(_TYPE, added)
        into.execute(_REACH, (position,))

    @property
    def heavy(self) -> bool:
        """Whether the journal has grown so long that it is to be folded in."""
        return self._pages > _WAL_PAGES

    def checkpoint(self) -> None:
        """Fold the journal into the file; from any thread, beside reading and writing."""
        with sqlite_errors(self.path):
            connection = self._open()
            try:
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            finally:
                connection.close()

    def close(self) -> None:
        """Let go of the file."""
        self.connection.close()
