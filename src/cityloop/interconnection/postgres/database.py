"""PostgreSQL as all stores ask it (``database.Database``): one connection, which comes back.

Every table has a column ``tenant``, which the server fills and holds rows apart by (row-level
security, forced on the owner too): a statement that forgets it sees and changes nothing of another
tenant. psycopg rather than asyncpg: the stores are synchronous, each thread with a connection.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import urlsplit

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus

from cityloop.interconnection.postgres.errors import postgres_errors
from cityloop.kernel.errors import CorruptError

TENANT = "tenant integer NOT NULL DEFAULT current_setting('cityloop.tenant')::integer"
"""The first column of every table; its keys begin with it."""

_LOCK_CLASS = 0x636C6F70
_NOBODY = 0
_OPTIONS = {
    "application_name": "cityloop",
    "connect_timeout": "3",
    # A server that vanished without a word is given up within some seconds, here and there.
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
_SERVER_OPTIONS = (
    "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3 "
    "-c tcp_user_timeout=10000 -c timezone=UTC"
)
_SHARED = """
CREATE SCHEMA IF NOT EXISTS cityloop;
CREATE TABLE IF NOT EXISTS cityloop.tenants(
    key integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE
);
CREATE TABLE IF NOT EXISTS cityloop.layouts(name text PRIMARY KEY, version integer NOT NULL)
"""
_APART = """
ALTER TABLE {0} ENABLE ROW LEVEL SECURITY;
ALTER TABLE {0} FORCE ROW LEVEL SECURITY;
CREATE POLICY tenants_apart ON {0}
    USING (tenant = nullif(current_setting('cityloop.tenant', true), '')::integer)
"""
_KEY = "current_setting('cityloop.tenant')::integer"
_LOCK = f"SELECT pg_try_advisory_lock(?, {_KEY} * 64 + ?)"
_TOLD = "SELECT set_config('cityloop.tenant', key::text, false) \
FROM cityloop.tenants WHERE name = %s"
_VERSION = "SELECT version FROM cityloop.layouts WHERE name = %s"
_DURABLE, _LAZY = "SET synchronous_commit = on", "SET synchronous_commit = off"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Layout:
    """Some tables that belong together, in a schema of their own: statements that make them, and
    the tables' names."""

    name: str
    version: int
    statements: str
    tables: tuple[str, ...]

    @property
    def path(self) -> str:
        """Where its tables are looked for; in ``public`` are the server's extensions."""
        return f"SET search_path = cityloop_{self.name}, public"


class PostgresDatabase:
    """Tables of ``layout`` of one tenant in the database at ``url``; made when new.

    ``durable``: what is committed outlasts a power cut; without, a restart of the server may cost
    the last moment, as the folds of the log can bear. After the connection broke the next call
    makes a new one; ``session`` counts them.
    """

    def __init__(
        self, url: str, tenant: str, layout: Layout, *, durable: bool, readonly: bool = False
    ) -> None:
        self.place = f"{place_of(url)} ({layout.name} of {tenant})"
        self.session = 0
        self._url, self._tenant, self._layout = url, tenant, layout
        self._durable, self._readonly = durable, readonly
        self._within = False
        with postgres_errors(self.place):
            if not readonly:
                _prepare(url, tenant, layout)
            self._connection = self._connect()

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Do one thing; all rows that it finds."""
        text = _translated(statement)

        def ask(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
            cursor = connection.execute(text, values or None, binary=True)
            return cursor.fetchall() if cursor.description else []

        return self._done(ask, again=statement.startswith("SELECT"))

    def executemany(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Do one thing for each of ``rows``."""
        text = _translated(statement)
        if rows:
            self._done(lambda connection: connection.cursor().executemany(text, rows))

    def lock(self, number: int) -> bool:
        """Hold lock ``number`` of the tenant until the session ends; whether nobody else does."""
        return bool(self.execute(_LOCK, (_LOCK_CLASS, number))[0][0])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All within happens, or nothing of it."""
        with self._begun("BEGIN"):
            yield
            self._done(lambda connection: connection.execute("COMMIT"))

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All reading within sees the same state."""
        with self._begun("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"):
            yield

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    def __del__(self) -> None:
        # As SQLite's: a thread that ends need not tell.
        if hasattr(self, "_connection"):
            self._connection.close()

    @contextmanager
    def _begun(self, how: str) -> Iterator[None]:
        """Within a transaction, which is taken back where nobody commits it."""
        self._done(lambda connection: connection.execute(how), again=True)
        self._within = True
        try:
            yield
        finally:
            self._within = False
            self._roll_back()

    def _roll_back(self) -> None:
        if self._connection.closed or self._is_idle():
            return
        try:
            self._connection.execute("ROLLBACK")
        except psycopg.Error:  # it broke: the server rolls back by itself
            self._connection.close()

    def _is_idle(self) -> bool:
        return self._connection.info.transaction_status == TransactionStatus.IDLE

    def _done(self, do: Callable[[psycopg.Connection], _T], *, again: bool = False) -> _T:
        """Do it; ``again``: once more where the server ended the connection since the last time."""
        with postgres_errors(self.place):
            if self._within:
                return do(self._connection)
            fresh = self._connection.closed
            if fresh:
                self._connection = self._connect()
            try:
                return do(self._connection)
            except psycopg.OperationalError:
                if fresh or not again or not self._connection.closed:
                    raise
            self._connection = self._connect()
            return do(self._connection)

    def _connect(self) -> "psycopg.Connection[tuple[Any, ...]]":
        """A new connection, which speaks for the tenant."""
        connection = _connected(self._url)
        try:
            connection.execute(self._layout.path.encode())
            if not connection.execute(_TOLD, (self._tenant,)).fetchall():
                raise FileNotFoundError(f"{self.place} does not exist; start its city first")
            connection.execute(_DURABLE if self._durable else _LAZY)
            if self._readonly:
                connection.execute("SET default_transaction_read_only = on")
            _check(connection, self._layout, self.place)
        except BaseException:
            connection.close()
            raise
        self.session += 1
        return connection


def place_of(url: str) -> str:
    """A URL as people may read it: without names and passwords."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def drop_rows(url: str, tenant: str, layout: Layout) -> None:
    """Remove a tenant's rows from tables that are derived from the log.

    Tables of another release go as a whole: those of every tenant are to be made anew.
    """
    schema, named = f"cityloop_{layout.name}", (layout.name,)
    with postgres_errors(place_of(url)), _connected(url) as connection, connection.transaction():
        found = connection.execute(_VERSION, named).fetchall()
        if found == [(layout.version,)]:
            connection.execute(_TOLD, (tenant,))
            for table in layout.tables:
                connection.execute(f"DELETE FROM {schema}.{table}".encode())
        elif found:
            connection.execute(f"DROP SCHEMA {schema} CASCADE".encode())
            connection.execute("DELETE FROM cityloop.layouts WHERE name = %s", named)
    _prepared.discard((url, tenant, layout.name))


def _connected(url: str) -> "psycopg.Connection[tuple[Any, ...]]":
    told = make_conninfo(url, options=_SERVER_OPTIONS, **_OPTIONS)
    return psycopg.connect(told, autocommit=True, prepare_threshold=2)


def _check(connection: psycopg.Connection, layout: Layout, place: str) -> None:
    found = connection.execute(_VERSION, (layout.name,)).fetchall()
    version = found[0][0] if found else None
    if version != layout.version:
        raise CorruptError(
            f"{place} has layout {version}, not {layout.version}; it is of another release"
        )


_prepared: set[tuple[str, str, str]] = set()
_preparing = threading.Lock()


def _prepare(url: str, tenant: str, layout: Layout) -> None:
    """Make the tables and the tenant where they are new; once a process."""
    with _preparing:
        if (url, tenant, layout.name) in _prepared:
            return
        with _connected(url) as connection, connection.transaction():
            # One process at a time: two that make the same table would hinder each other.
            connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_LOCK_CLASS, _NOBODY))
            connection.execute(_SHARED)
            new = "INSERT INTO cityloop.tenants(name) SELECT %s \
WHERE NOT EXISTS (SELECT 1 FROM cityloop.tenants WHERE name = %s)"
            connection.execute(new, (tenant, tenant))
            _make(connection, layout)
        _prepared.add((url, tenant, layout.name))


def _make(connection: psycopg.Connection, layout: Layout) -> None:
    if connection.execute(_VERSION, (layout.name,)).fetchall():
        return
    schema = f"CREATE SCHEMA cityloop_{layout.name}"
    apart = (_APART.format(table) for table in layout.tables)
    for statement in (schema, layout.path, layout.statements, *apart):
        connection.execute(statement.encode())
    made = "INSERT INTO cityloop.layouts VALUES (%s, %s)"
    connection.execute(made, (layout.name, layout.version))


@lru_cache(1000)
def _translated(statement: str) -> bytes:
    """With psycopg's placeholders."""
    return statement.replace("%", "%%").replace("?", "%s").encode()
