"""What the gate refused, in one SQLite file: ``rejects.db``."""

from pathlib import Path

from cityloop.interconnection.sqlite_database import SqliteDatabase

LAYOUT = 1
_SCHEMA = """
CREATE TABLE rejects(
    number INTEGER PRIMARY KEY, rejected_at INTEGER NOT NULL, source TEXT NOT NULL,
    run TEXT NOT NULL, at INTEGER NOT NULL, entity TEXT NOT NULL, attribute TEXT NOT NULL,
    value TEXT NOT NULL, reason TEXT NOT NULL
) STRICT;
CREATE TABLE totals(name TEXT PRIMARY KEY, count INTEGER NOT NULL) STRICT;
INSERT INTO totals VALUES ('rejects', 0);
"""
_CONTENTS = "CREATE TABLE IF NOT EXISTS contents(number INTEGER PRIMARY KEY, \
content BLOB NOT NULL) STRICT"


def sqlite_rejects(folder: Path, *, readonly: bool) -> SqliteDatabase:
    """The tables of ``StoredRejects`` in ``folder/rejects.db``, made when new."""
    path = folder / "rejects.db"
    database = SqliteDatabase.open(path, _SCHEMA, LAYOUT, "NORMAL", readonly=readonly)
    if not readonly:
        database.execute(_CONTENTS)
    return database
