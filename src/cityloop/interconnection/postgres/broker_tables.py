"""Where a broker keeps what it knows in PostgreSQL; files that are folds of the log stay here."""

from pathlib import Path
from urllib.parse import urlsplit

from cityloop.interconnection.postgres.broker_database import PgDatabase
from cityloop.interconnection.postgres.broker_schema import prepare
from cityloop.interconnection.postgres.broker_state import PgState, opening
from cityloop.interconnection.postgres.log import PostgresLog
from cityloop.kernel.clock import Clock
from cityloop.kernel.errors import ConfigError

_ADD = "INSERT INTO tenants VALUES (?) ON CONFLICT DO NOTHING"


class PgTables:
    """``ports.BrokerTables`` of ``tenant`` in the database at ``url``.

    ``folder``: for files that are folds of the log; ``clock`` stamps what the log takes.
    """

    def __init__(self, url: str, tenant: str, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self.log_place = f"{folder}\n{url}"  # what ``tenant.read_place`` reads
        self._url = url
        self._tenant = tenant
        self._clock = clock

    def log(self) -> PostgresLog:
        """A log of its own."""
        return PostgresLog(self.folder, self._clock, self._url)

    def state(self) -> PgState:
        """Its entities, and the outbox beside them."""
        database = PgDatabase(self._url, self._tenant, durable=False, lasting=True)
        try:
            has_postgis = prepare(database)
            database.execute(_ADD, (self._tenant,))
            return PgState(database, self._url, self._tenant, has_shapes=has_postgis)
        except BaseException:
            database.close()
            raise

    def register(self) -> tuple[PgDatabase, int]:
        """The tables of its subscriptions; the highest number that may have been given to one."""
        database = PgDatabase(self._url, self._tenant, durable=True)
        return database, opening(database, "register") << 20


def pg_contexts(url: str) -> PgDatabase:
    """The table of a broker's @contexts."""
    database = PgDatabase(url, "", durable=True)
    prepare(database)
    return database


def pg_tenants(url: str) -> list[str]:
    """The names of all tenants that a database ever had."""
    database = PgDatabase(url, "", durable=True)
    try:
        prepare(database)
        return [name for (name,) in database.execute("SELECT name FROM tenants ORDER BY name")]
    finally:
        database.close()


def check_url(url: str) -> None:
    """Raise ConfigError for a URL that has a password in it, or names no database."""
    said = urlsplit(url)
    if said.password:
        raise ConfigError(f"{said.hostname}: no password in a URL; put it in PGPASSFILE's file")
    if not said.path.strip("/"):
        raise ConfigError(f"{url} names no database; write postgresql://host/database")
