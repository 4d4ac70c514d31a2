"""Where the broker of a test keeps what it knows: in SQLite or in PostgreSQL."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cityloop.city.clock import wall_time
from cityloop.interconnection.broker.ports import BrokerTables
from cityloop.interconnection.broker.sqlite_tables import SqliteTables
from cityloop.interconnection.postgres.broker_tables import PgTables

STORES = ("sqlite", "postgresql", "postgresql without PostGIS")
"""``postgresql``: with PostGIS where the machine has it."""


class Place:
    """``url``: of a database, empty for SQLite; ``tables`` may be opened again and again."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url

    def tables(self, clock: Any = wall_time, tenant: str = "north") -> BrokerTables:
        folder = self.folder / tenant
        folder.mkdir(exist_ok=True, parents=True)
        if self.url:
            return PgTables(self.url, tenant, folder, clock)
        return SqliteTables(folder, clock)

    def options(self) -> tuple[str, ...]:
        """Those of ``cityloop broker``."""
        if self.url:
            return "--store", self.url, "--data", str(self.folder)
        return "--store", str(self.folder)


@contextmanager
def placed(store: str, folder: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    """A place in a new folder and, where a database is asked for, a new one."""
    if store == "sqlite":
        yield Place(folder, "")
        return
    server = request.getfixturevalue("postgres_server")
    with_postgis = store == "postgresql" and server.has_postgis
    name = f"broker_{uuid.uuid4().hex}"
    try:
        yield Place(folder, server.create(name, postgis=with_postgis))
    finally:
        server.drop(name)
