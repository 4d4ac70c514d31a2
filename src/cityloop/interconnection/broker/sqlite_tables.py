"""Where a broker without any service keeps what it knows: SQLite files in a folder."""

from pathlib import Path

from cityloop.interconnection.broker.context_book import CONTEXTS_LAYOUT, CONTEXTS_SCHEMA
from cityloop.interconnection.broker.register import LAYOUT, SCHEMA
from cityloop.interconnection.broker.state import SqliteState
from cityloop.interconnection.sqlite_database import SqliteDatabase
from cityloop.interconnection.sqlite_log import SqliteLog
from cityloop.kernel.clock import Clock

_LAST = "SELECT seq FROM sqlite_sequence WHERE name = 'subscriptions'"


class SqliteTables:
    """``ports.BrokerTables`` in ``folder``; ``clock`` stamps what the log takes."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self.log_place = str(folder)
        self._clock = clock

    def log(self) -> SqliteLog:
        """A log of its own."""
        return SqliteLog(self.folder, self._clock)

    def state(self) -> SqliteState:
        """Its entities, and the outbox beside them."""
        return SqliteState(self.folder)

    def register(self) -> tuple[SqliteDatabase, int]:
        """The tables of its subscriptions; the highest number that was given to one."""
        database = SqliteDatabase.open(self.folder / "subscriptions.db", SCHEMA, LAYOUT, "FULL")
        return database, next((seq for (seq,) in database.execute(_LAST)), 0)


def sqlite_contexts(path: Path) -> SqliteDatabase:
    """The table of a broker's @contexts in the file ``path``."""
    return SqliteDatabase.open(path, CONTEXTS_SCHEMA, CONTEXTS_LAYOUT, "FULL")
