"""What was measured of a run over its time: ground truth for display, which no log carries.

It is written without fsync: a power cut may cost the newest rows of a chart, nothing else.
"""

from pathlib import Path

from cityloop.interconnection.database import Database
from cityloop.interconnection.sqlite_database import SqliteDatabase
from cityloop.kernel.clock import CityTime

LAYOUT = 1
_SCHEMA = """
CREATE TABLE measured(
    run TEXT, at INTEGER, body BLOB NOT NULL, PRIMARY KEY (run, at)
) STRICT, WITHOUT ROWID;
"""
_FORGET = "DELETE FROM measured WHERE run = ? AND at = ?"
_KEEP = "INSERT INTO measured(run, at, body) VALUES (?, ?, ?)"
_SPAN = "SELECT at, body FROM measured WHERE run = ? AND at >= ? AND at < ? ORDER BY at"
_NEWEST = "SELECT body FROM measured WHERE run = ? AND at <= ? ORDER BY at DESC LIMIT 1"


class StoredMeasured:
    """The measurements of a tenant, each as bytes; for one thread. Raises OSError and BusyError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, run: str, at: CityTime, body: bytes) -> None:
        """Keep what was measured at one second of a run, in place of what was there."""
        with self._database.transaction():
            self._database.execute(_FORGET, (run, at))
            self._database.execute(_KEEP, (run, at, body))

    def span(self, run: str, since: CityTime, until: CityTime) -> list[tuple[CityTime, bytes]]:
        """Measurements with ``since <= at < until``, in order of time."""
        found = self._database.execute(_SPAN, (run, since, until))
        return [(CityTime(at), body) for at, body in found]

    def newest(self, run: str, at: CityTime) -> bytes | None:
        """The last measurement up to ``at``; None when there is none."""
        found = self._database.execute(_NEWEST, (run, at))
        return found[0][0] if found else None

    def close(self) -> None:
        """Let go of the tables."""
        self._database.close()


def sqlite_measured(folder: Path) -> StoredMeasured:
    """Those in ``folder/measured.db``, made when new."""
    path = folder / "measured.db"
    return StoredMeasured(SqliteDatabase.open(path, _SCHEMA, LAYOUT, "NORMAL"))
