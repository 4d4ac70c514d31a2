"""SQLite as all stores ask it (``database.Database``)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import apsw

from cityloop.interconnection.sqlite import open_database, snapshot, sqlite_errors, transaction


class SqliteDatabase:
    """``Database`` over a connection to the file ``path``."""

    def __init__(self, connection: apsw.Connection, path: Path) -> None:
        self.connection = connection
        self._path = path

    @classmethod
    def open(
        cls,
        path: Path,
        schema: str,
        version: int,
        synchronous: Literal["FULL", "NORMAL"],
        *,
        readonly: bool = False,
    ) -> "SqliteDatabase":
        """The database in ``path``, made with ``schema`` when new."""
        connection = open_database(
            path, schema, version=version, synchronous=synchronous, readonly=readonly
        )
        return cls(connection, path)

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Do one thing; all rows that it finds."""
        with sqlite_errors(self._path):
            return self.connection.execute(statement, values).fetchall()

    def executemany(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Do one thing for each of ``rows``."""
        with sqlite_errors(self._path):
            self.connection.executemany(statement, rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All within happens, or nothing of it."""
        with sqlite_errors(self._path), transaction(self.connection):
            yield

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All reading within sees the same state."""
        with sqlite_errors(self._path), snapshot(self.connection):
            yield

    def close(self) -> None:
        """Let go of the file."""
        self.connection.close()
