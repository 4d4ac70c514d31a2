"""Every store is opened for a tenant, so no call can forget whose data it touches (law 11)."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cityloop.interconnection.context import StoredContext
from cityloop.interconnection.database import Database
from cityloop.interconnection.durable import make_folder
from cityloop.interconnection.history import ParquetHistory
from cityloop.interconnection.log import StoredLog
from cityloop.interconnection.measured import StoredMeasured, sqlite_measured
from cityloop.interconnection.rejects import StoredRejects
from cityloop.interconnection.sqlite_context import SqliteContext
from cityloop.interconnection.sqlite_log import SqliteLog
from cityloop.interconnection.sqlite_rejects import sqlite_rejects
from cityloop.kernel.clock import Clock
from cityloop.kernel.errors import ConfigError
from cityloop.kernel.ports import Log

SQLITE = "sqlite"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tenant's stores lie: its ``folder`` on this machine, named as the tenant is, and the
    ``store``: "sqlite", in that folder, or the URL of a PostgreSQL database.
    """

    folder: Path
    store: str = SQLITE

    @property
    def tenant(self) -> str:
        """The tenant's name."""
        return self.folder.name

    def __str__(self) -> str:
        """For another process (``read_place``)."""
        return str(self.folder) if self.embedded else f"{self.folder}\n{self.store}"

    @property
    def embedded(self) -> bool:
        """Whether all lies in the folder."""
        return self.store == SQLITE


def read_place(text: str) -> Place:
    """What ``str`` made of a place."""
    folder, _, store = text.partition("\n")
    return Place(Path(folder), store or SQLITE)


@dataclass(frozen=True, slots=True)
class Tenant:
    """The stores of one tenant; close it when done."""

    name: str
    log: StoredLog
    context: StoredContext
    history: ParquetHistory
    rejects: StoredRejects

    def close(self) -> None:
        """Write what is queued and let go of all files."""
        self.rejects.close()
        self.context.close()
        self.log.close()


def open_tenant(
    root: Path, name: str, clock: Clock, *, store: str = SQLITE, readonly: bool = False
) -> Tenant:
    """The stores of tenant ``name``, with its folder ``root/name``, made when new; one process
    opens to write.

    Raises ConfigError for a name that cannot be a folder's, or, readonly, for an unknown tenant.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"tenant {name!r}: use 1 to 63 of a-z, 0-9, - and _, beginning with a letter or digit"
        )
    place = Place(root / name, store)
    if readonly and not place.folder.is_dir():
        raise ConfigError(f"tenant {name!r} does not exist in {root}; start its city first")
    make_folder(place.folder, 0o700)
    log = open_log(place, clock, readonly=readonly)
    context = open_context(place, log, readonly=readonly)
    rejects = open_rejects(place, clock, readonly=readonly)
    return Tenant(name, log, context, ParquetHistory(log), rejects)


def open_log(place: Place, clock: Clock, *, readonly: bool = False) -> StoredLog:
    """The log; raises ConfigError where the store's library is absent."""
    if place.embedded:
        return SqliteLog(place.folder, clock, readonly=readonly)
    with _needing_psycopg():
        from cityloop.interconnection.postgres.log import PostgresLog
    return PostgresLog(place.folder, clock, place.store, readonly=readonly)


def open_context(place: Place, log: Log, *, readonly: bool = False) -> StoredContext:
    """The context of ``log``; raises ConfigError where the store's library is absent."""
    if place.embedded:
        return SqliteContext(place.folder, log, readonly=readonly)
    with _needing_psycopg():
        from cityloop.interconnection.postgres.context import PostgresContext
    return PostgresContext(place.folder, log, place.store, readonly=readonly)


def drop_context(place: Place) -> None:
    """Forget the context and the checkpoints, of whatever release; nobody has them open."""
    if place.embedded:
        for file in place.folder.glob("state.db*"):
            file.unlink()
        return
    with _needing_psycopg():
        from cityloop.interconnection.postgres.context import CONTEXT
        from cityloop.interconnection.postgres.database import drop_rows
    drop_rows(place.store, place.tenant, CONTEXT)


def open_rejects(
    place: Place,
    clock: Clock,
    *,
    readonly: bool = False,
    keep: int = 100_000,
    max_waiting: int = 10_000,
) -> StoredRejects:
    """The rejects; raises ConfigError where the store's library is absent."""
    database = _rejects_tables(place, readonly=readonly)
    return StoredRejects(database, clock, readonly=readonly, keep=keep, max_waiting=max_waiting)


def _rejects_tables(place: Place, *, readonly: bool) -> Database:
    if place.embedded:
        return sqlite_rejects(place.folder, readonly=readonly)
    with _needing_psycopg():
        from cityloop.interconnection.postgres.rejects import postgres_rejects
    return postgres_rejects(place.folder, place.store, readonly=readonly)


def open_measured(place: Place) -> StoredMeasured:
    """What was measured; raises ConfigError where the store's library is absent."""
    if place.embedded:
        return sqlite_measured(place.folder)
    with _needing_psycopg():
        from cityloop.interconnection.postgres.rejects import postgres_measured
    return StoredMeasured(postgres_measured(place.folder, place.store))


@contextmanager
def _needing_psycopg() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise ConfigError(
            f"PostgreSQL needs a library that is absent ({error}); pip install 'cityloop[scaled]'"
        ) from error
