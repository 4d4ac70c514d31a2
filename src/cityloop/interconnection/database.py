"""What all stores ask of a database: a small contract that SQLite and PostgreSQL fulfil alike.

All methods raise OSError while the database cannot be reached or written, BusyError where another
process holds it, CorruptError where what is stored fails its check. What a transaction raised has
not happened, or, where the connection broke while it was committed, is found when it has.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol


class Database(Protocol):
    """Tables that are asked in the SQL that SQLite and PostgreSQL share, a question mark for each
    parameter; of one tenant, for one thread at a time."""

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Do one thing; all rows that it finds."""
        ...

    def executemany(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Do one thing for each of ``rows``."""
        ...

    def transaction(self) -> AbstractContextManager[object]:
        """All within happens, or nothing of it."""
        ...

    def snapshot(self) -> AbstractContextManager[object]:
        """All reading within sees the same state."""
        ...

    def close(self) -> None:
        """Let go of the tables."""
        ...


Open = Callable[[], Database]


def number(database: Database, statement: str, values: Sequence[Any] = ()) -> int:
    """The one integer that ``statement`` finds; 0 when it finds NULL or no row."""
    found = database.execute(statement, values)
    return int(found[0][0] or 0) if found else 0
