"""Where a broker keeps what it knows: in a folder, or in a PostgreSQL database beside it."""

from pathlib import Path
from urllib.parse import quote, unquote

from cityloop.interconnection.broker.ports import BrokerTables
from cityloop.interconnection.broker.sqlite_tables import SqliteTables, sqlite_contexts
from cityloop.interconnection.database import Database
from cityloop.interconnection.durable import make_folder
from cityloop.kernel.clock import Clock

_DEFAULT = "default"
_NAMED = "tenant-"


class BrokerStores:
    """Of all tenants of a broker. ``root``: a folder, with one of its own for each tenant; ``url``:
    of the database, empty for files in the folder alone.

    Raises ConfigError, OSError and CorruptError for what cannot be opened.
    """

    def __init__(self, root: Path, clock: Clock, url: str = "") -> None:
        make_folder(root, 0o700)
        self._root = root
        self._clock = clock
        self._url = url

    def contexts(self) -> Database:
        """The table of its @contexts."""
        if not self._url:
            return sqlite_contexts(self._root / "contexts.db")
        from cityloop.interconnection.postgres.broker_tables import pg_contexts

        return pg_contexts(self._url)

    def tables(self, name: str) -> BrokerTables:
        """Those of a tenant, empty for the default one."""
        place = _NAMED + quote(name, safe="") if name else _DEFAULT
        if not self._url:
            return SqliteTables(self._root / place, self._clock)
        from cityloop.interconnection.postgres.broker_tables import PgTables

        return PgTables(self._url, place, self._root / place, self._clock)

    def names(self) -> list[str]:
        """Tenants that there are beside the default one."""
        if self._url:
            from cityloop.interconnection.postgres.broker_tables import pg_tenants

            places = pg_tenants(self._url)
        else:
            places = [folder.name for folder in self._root.iterdir() if folder.is_dir()]
        named = (place for place in sorted(places) if place.startswith(_NAMED))
        return [unquote(place.removeprefix(_NAMED)) for place in named]
