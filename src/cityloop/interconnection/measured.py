"""What was measured of a run over its time: ground truth for display, which no log carries.

``measured.db`` holds one row per measurement. It is written without fsync: a power cut may cost
the newest rows of a chart, nothing else.
"""

from pathlib import Path

from cityloop.interconnection.sqlite import open_database, rows, sqlite_errors, transaction
from cityloop.kernel.clock import CityTime

LAYOUT = 1
_SCHEMA = """
CREATE TABLE measured(
    run TEXT, at INTEGER, body BLOB NOT NULL, PRIMARY KEY (run, at)
) STRICT, WITHOUT ROWID;
"""
_KEEP = "INSERT OR REPLACE INTO measured VALUES (?, ?, ?)"
_SPAN = "SELECT at, body FROM measured WHERE run = ? AND at >= ? AND at < ? ORDER BY at"
_NEWEST = "SELECT body FROM measured WHERE run = ? AND at <= ? ORDER BY at DESC LIMIT 1"


class SqliteMeasured:
    """The measurements of a tenant, each as bytes; for one thread. Raises OSError and BusyError."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "measured.db"
        self._database = open_database(
            self._path, _SCHEMA, version=LAYOUT, synchronous="NORMAL", readonly=False
        )

    def keep(self, run: str, at: CityTime, body: bytes) -> None:
        """Keep what was measured at one second of a run, in place of what was there."""
        with sqlite_errors(self._path), transaction(self._database) as into:
            into.execute(_KEEP, (run, at, body))

    def span(self, run: str, since: CityTime, until: CityTime) -> list[tuple[CityTime, bytes]]:
        """Measurements with ``since <= at < until``, in order of time."""
        with sqlite_errors(self._path):
            found = rows(self._database, _SPAN, (run, since, until))
        return [(CityTime(at), body) for at, body in found]

    def newest(self, run: str, at: CityTime) -> bytes | None:
        """The last measurement up to ``at``; None when there is none."""
        with sqlite_errors(self._path):
            found = rows(self._database, _NEWEST, (run, at))
        return found[0][0] if found else None

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()
