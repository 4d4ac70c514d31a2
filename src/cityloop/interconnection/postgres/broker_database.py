"""The tables of a broker in PostgreSQL, of one tenant: connecting, asking, saying errors in ours.

psycopg rather than asyncpg: what the broker asks between reading an entity and queueing its write
must not be awaited, and psycopg's pipelines send a whole transaction in one round trip.

Every row names its tenant; a connection sees its own tenant's rows alone (row-level security),
whatever a statement forgets.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from cityloop.kernel.errors import BusyError, ConfigError, CorruptError

try:
    import psycopg
    from psycopg import errors
except ImportError as error:
    raise ConfigError("PostgreSQL needs psycopg; run: pip install 'cityloop[scaled]'") from error

_WAIT_S, _LOCK_S = 10, 3
_STATEMENT_MS = 30_000

_BUSY = (
    errors.LockNotAvailable,
    errors.QueryCanceled,
    errors.DeadlockDetected,
    errors.SerializationFailure,
)
_CORRUPT = (errors.DataCorrupted, errors.IndexCorrupted)
_AWAY = (psycopg.OperationalError, psycopg.InterfaceError, errors.ReadOnlySqlTransaction)


class PgDatabase:
    """``ports.Database`` over one connection; for one thread at a time.

    ``durable``: whether a transaction is on the disk when it ends; else a crash of the server may
    undo the newest, and ``renew`` says so. ``lasting``: once lost, the connection comes back by
    ``renew`` alone. Raises OSError while the server is away, BusyError where it took too long.
    """

    def __init__(self, url: str, tenant: str, *, durable: bool, lasting: bool = False) -> None:
        self.place = f"{url}#{tenant}"
        self._url = url
        self._tenant = tenant
        self._durable = durable
        self._lasting = lasting
        self._within = False
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self._open()

    def _open(self) -> "psycopg.Connection[tuple[Any, ...]]":
        settings = {
            "cityloop.tenant": self._tenant,
            "search_path": "broker, public",
            "synchronous_commit": "on" if self._durable else "off",
            "statement_timeout": str(_STATEMENT_MS),
            "lock_timeout": f"{_LOCK_S}s",
        }
        with self._errors():
            connection = psycopg.connect(
                self._url,
                autocommit=True,
                connect_timeout=_WAIT_S,
                keepalives_idle=30,
                tcp_user_timeout=1000 * _WAIT_S,
            )
            for name, value in settings.items():
                connection.execute("SELECT set_config(%s, %s, false)", (name, value))
            self._connection = connection
        return connection

    @property
    def lost(self) -> bool:
        """Whether there is no connection."""
        return self._connection is None or self._connection.closed

    def renew(self) -> bool:
        """Connect again where the connection was lost; whether it was."""
        if not self.lost:
            return False
        self._open()
        return True

    def _asked(self) -> "psycopg.Connection[tuple[Any, ...]]":
        if self._connection is None or self._connection.closed:
            if self._lasting or self._within:
                raise OSError(f"{self.place}: the connection is lost; it is made again soon")
            return self._open()
        return self._connection

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Do one thing; all rows that it finds."""
        with self._errors():
            cursor = self._asked().execute(_marked(statement), values)
            # In a transaction nothing waits for the server but what is read.
            reads = statement.startswith(("SELECT", "WITH"))
            return cursor.fetchall() if reads else []

    def executemany(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Do one thing for each of ``rows``."""
        if rows:
            with self._errors():
                self._asked().cursor().executemany(_marked(statement), rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All within happens, or nothing of it; what writes goes in one round trip."""
        with self._errors():
            connection = self._asked()
            self._within = True
            try:
                with connection.pipeline(), connection.transaction():
                    yield
            finally:
                self._within = False

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All reading within sees the same state."""
        with self._errors():
            connection = self._asked()
            self._within = True
            try:
                with connection.transaction():
                    connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                    yield
            finally:
                self._within = False

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except _BUSY as error:
            raise BusyError(f"{self.place} is busy: {_first(error)}; try again") from error
        except _CORRUPT as error:
            raise CorruptError(f"{self.place}: {_first(error)}; restore a backup") from error
        except _AWAY as error:
            self._forget()
            raise OSError(f"{self.place}: {_first(error)}") from error

    def _forget(self) -> None:
        """A disk that is full keeps its connection, a server that is away does not."""
        connection = self._connection
        if connection is not None and connection.broken:
            self._connection = None

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()


def _first(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


@lru_cache(maxsize=256)
def _marked(statement: str) -> str:
    """With psycopg's marks."""
    return statement.replace("?", "%s")
