"""Opening SQLite databases the way the log and its folds need, and saying their errors in ours.

apsw rather than the standard library's sqlite3: it ships a current SQLite whatever the machine
has, never begins a transaction by itself, and lets go of the GIL while SQLite waits for the disk.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import apsw

from cityloop.interconnection.durable import sync
from cityloop.kernel.errors import BusyError, CorruptError

SqlValue = None | int | float | str | bytes

_WAIT_MS = 10_000
_PAGE = 8192
_JOURNAL_LIMIT = 4 << 20

_DISK_ERRORS = (apsw.FullError, apsw.IOError, apsw.CantOpenError, apsw.ReadOnlyError)


def open_database(
    path: Path, schema: str, *, version: int, synchronous: Literal["FULL", "NORMAL"], readonly: bool
) -> apsw.Connection:
    """A connection to ``path`` in WAL mode; made with ``schema`` where it does not exist yet.

    FULL survives a power cut with every commit, NORMAL a kill with every commit and a power cut
    with some state of the past. Raises CorruptError when the file's layout is not ``version``, and
    OSError when it cannot be opened.
    """
    with sqlite_errors(path):
        flags = apsw.SQLITE_OPEN_READONLY if readonly else apsw.SQLITE_OPEN_READWRITE
        create = 0 if readonly else apsw.SQLITE_OPEN_CREATE
        connection = apsw.Connection(str(path), flags=flags | create)
        connection.set_busy_timeout(_WAIT_MS)
        if not readonly:
            _prepare(connection, schema, version, synchronous)
            if synchronous == "FULL":
                sync(path.parent)
        found = connection.pragma("user_version")
    if found != version:
        raise CorruptError(f"{path} has layout {found}, not {version}; it is of another release")
    return connection


def _prepare(connection: apsw.Connection, schema: str, version: int, synchronous: str) -> None:
    # Both only take effect before the first table exists.
    connection.pragma("page_size", _PAGE)
    connection.pragma("auto_vacuum", "INCREMENTAL")
    connection.pragma("journal_mode", "WAL")
    connection.pragma("synchronous", synchronous)
    connection.pragma("journal_size_limit", _JOURNAL_LIMIT)
    connection.pragma("wal_autocheckpoint", _JOURNAL_LIMIT // _PAGE)
    with transaction(connection):
        if connection.pragma("user_version") == 0:
            connection.execute(schema)
            connection.pragma("user_version", version)


@contextmanager
def transaction(connection: apsw.Connection) -> Iterator[apsw.Connection]:
    """One write transaction: committed whole at the end, or rolled back when anything raises."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    finally:
        # SQLite has rolled back by itself after some errors, a full disk among them.
        if connection.in_transaction:
            connection.execute("ROLLBACK")


@contextmanager
def snapshot(connection: apsw.Connection) -> Iterator[apsw.Connection]:
    """One read transaction: all reads inside see the same state."""
    connection.execute("BEGIN")
    try:
        yield connection
    finally:
        connection.execute("ROLLBACK")


def rows(
    connection: apsw.Connection, query: str, values: Sequence[SqlValue] = ()
) -> list[tuple[Any, ...]]:
    """All rows that ``query`` finds."""
    return connection.execute(query, values).fetchall()


def number(connection: apsw.Connection, query: str, values: Sequence[SqlValue] = ()) -> int:
    """The one integer that ``query`` finds; 0 when it finds NULL or no row."""
    found = rows(connection, query, values)
    return int(found[0][0] or 0) if found else 0


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """Turns SQLite's errors into OSError (disk), BusyError (lock held), CorruptError (content)."""
    try:
        yield
    except _DISK_ERRORS as error:
        raise OSError(f"{path}: {error}") from error
    except (apsw.BusyError, apsw.LockedError) as error:
        raise BusyError(f"{path} is locked by another process: {error}") from error
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise CorruptError(f"{path}: {error}; restore it from a backup") from error
