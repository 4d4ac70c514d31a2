"""The context of a tenant in PostgreSQL: what changed goes there in one statement, as arrays."""

from collections.abc import Sequence
from pathlib import Path

from cityloop.interconnection.context import StoredContext, Written
from cityloop.interconnection.database import Database
from cityloop.interconnection.postgres.database import TENANT, Layout, PostgresDatabase
from cityloop.kernel.ports import Log, Position

CONTEXT = Layout(
    "context",
    1,
    f"""
CREATE TABLE entities({TENANT}, type text, id text, body bytea NOT NULL,
    PRIMARY KEY (tenant, type, id)) WITH (fillfactor = 70);
CREATE TABLE positions({TENANT}, fold text, position bigint NOT NULL, PRIMARY KEY (tenant, fold));
CREATE TABLE checkpoints({TENANT}, name text, position bigint NOT NULL, memory bytea NOT NULL,
    PRIMARY KEY (tenant, name))
""",
    ("entities", "positions", "checkpoints"),
)
# Sorted, so that pages are met in order. Space left in each page (fillfactor) takes the new
# versions of its rows, so that no index has to hear of them.
_PUT = "INSERT INTO entities(type, id, body) \
SELECT * FROM unnest(?::text[], ?::text[], ?::bytea[]) AS changed(type, id, body) ORDER BY 1, 2 \
ON CONFLICT (tenant, type, id) DO UPDATE SET body = excluded.body"
_REACH = "INSERT INTO positions(fold, position) VALUES ('context', ?) \
ON CONFLICT (tenant, fold) DO UPDATE SET position = excluded.position"


class PostgresContext(StoredContext):
    """``StoredContext`` in the database at ``url``; ``folder`` is named as the tenant is."""

    def __init__(self, folder: Path, log: Log, url: str, *, readonly: bool = False) -> None:
        database = PostgresDatabase(url, folder.name, CONTEXT, durable=False, readonly=readonly)
        super().__init__(database, database.place, log)

    def _put(self, database: Database, changed: Sequence[Written], position: Position) -> None:
        if changed:
            database.execute(_PUT, tuple(map(list, zip(*changed, strict=True))))
        database.execute(_REACH, (position,))
