"""The context of a tenant in one SQLite file, ``state.db``."""

from collections.abc import Sequence
from pathlib import Path

from cityloop.interconnection.context import StoredContext, Written
from cityloop.interconnection.database import Database
from cityloop.interconnection.sqlite_database import SqliteDatabase
from cityloop.kernel.ports import Log, Position

LAYOUT = 1
_SCHEMA = """
CREATE TABLE entities(
    key INTEGER PRIMARY KEY, type TEXT NOT NULL, id TEXT NOT NULL, body BLOB NOT NULL,
    UNIQUE (type, id)
) STRICT;
CREATE TABLE positions(fold TEXT PRIMARY KEY, position INTEGER NOT NULL) STRICT;
CREATE TABLE checkpoints(
    name TEXT PRIMARY KEY, position INTEGER NOT NULL, memory BLOB NOT NULL
) STRICT;
"""
_PUT = "INSERT INTO entities VALUES (NULL, ?, ?, ?) \
ON CONFLICT (type, id) DO UPDATE SET body = excluded.body"
_REACH = "INSERT OR REPLACE INTO positions VALUES ('context', ?)"


class SqliteContext(StoredContext):
    """``StoredContext`` in ``folder/state.db``."""

    def __init__(self, folder: Path, log: Log, *, readonly: bool = False) -> None:
        path = folder / "state.db"
        database = SqliteDatabase.open(path, _SCHEMA, LAYOUT, "NORMAL", readonly=readonly)
        super().__init__(database, str(path), log)

    def _put(self, database: Database, changed: Sequence[Written], position: Position) -> None:
        database.executemany(_PUT, changed)
        database.execute(_REACH, (position,))
