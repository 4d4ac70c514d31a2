"""The entities of a tenant as they are now, in PostgreSQL: a fold of the log (design law 1).

A commit goes in by a handful of statements, each with arrays for all its entities, in one round
trip. It is not waited for on the disk: what a crash of the server undoes is folded again from the
log, so ``renew`` says when that may be.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from cityloop.interconnection.broker.held import (
    Held,
    States,
    Written,
    changed_types,
    first_and_last,
)
from cityloop.interconnection.postgres.broker_database import PgDatabase
from cityloop.interconnection.postgres.broker_places import places_of
from cityloop.interconnection.postgres.broker_reader import PgReader
from cityloop.kernel.errors import BusyError
from cityloop.kernel.ports import Position

_COLUMNS = "e, id, types, doc, created, modified, expires"
_FIND = f"SELECT {_COLUMNS} FROM entities WHERE id = ?"
_FIND_MANY = f"SELECT {_COLUMNS} FROM entities WHERE id = ANY(?)"
_PUT = f"""INSERT INTO entities({_COLUMNS})
SELECT * FROM unnest(?::bigint[], ?::text[], ?::text[], ?::text[], ?::bigint[], ?::bigint[],
?::bigint[]) ON CONFLICT (tenant, e) DO UPDATE SET types = excluded.types, doc = excluded.doc,
created = excluded.created, modified = excluded.modified, expires = excluded.expires"""
_GONE = "DELETE FROM entities WHERE e = ANY(?)"
_TYPES = """INSERT INTO entity_types(type, e) SELECT * FROM unnest(?::text[], ?::bigint[])
ON CONFLICT DO NOTHING"""
_NO_TYPES = """DELETE FROM entity_types t USING unnest(?::text[], ?::bigint[]) gone(type, e)
WHERE t.type = gone.type AND t.e = gone.e"""
_NO_PLACES = "DELETE FROM places WHERE tenant = current_setting('cityloop.tenant') AND e = ANY(?)"
_PLACES = """INSERT INTO places(e, attribute, bounds)
SELECT e, attribute, bounds::box FROM unnest(?::bigint[], ?::text[], ?::text[])
p(e, attribute, bounds)"""
_SHAPES = """INSERT INTO places(e, attribute, bounds, shape)
SELECT e, attribute, bounds::box, shape::geometry
FROM unnest(?::bigint[], ?::text[], ?::text[], ?::text[]) p(e, attribute, bounds, shape)"""
_POSITION = "SELECT position FROM positions WHERE fold = ?"
_REACH = """INSERT INTO positions(fold, position) VALUES (?, ?)
ON CONFLICT (tenant, fold) DO UPDATE SET position = excluded.position"""
_EXPIRED = "SELECT id FROM entities WHERE expires <= ? LIMIT ?"
_LOCK = "(hashtext('cityloop broker'), hashtext(current_setting('cityloop.tenant')))"
_ALONE = f"SELECT pg_try_advisory_lock{_LOCK}"
_ALONE_SOON = f"SELECT pg_advisory_lock{_LOCK}"
"""The server may take a moment to notice that the one before was killed."""
_LAST_KEY = "SELECT coalesce(max(e), 0) FROM entities"
_OPEN = """INSERT INTO openings(of, opened) VALUES (?, 1)
ON CONFLICT (tenant, of) DO UPDATE SET opened = openings.opened + 1"""
_OPENED = "SELECT opened FROM openings WHERE of = ?"


def opening(database: PgDatabase, of: str) -> int:
    """How many times this was opened; durable, so that numbers made of it are never made again."""
    with database.transaction():
        database.execute("SELECT set_config('synchronous_commit', 'on', true)")
        database.execute(_OPEN, (of,))
        ((opened,),) = database.execute(_OPENED, (of,))
    return int(opened)


class PgState:
    """``ports.State`` over ``database``, which nobody else uses; one broker has it at a time.

    ``has_shapes``: whether PostGIS is there. Raises BusyError where another broker has it.
    """

    def __init__(self, database: PgDatabase, url: str, tenant: str, *, has_shapes: bool) -> None:
        self.database = database
        self._url = url
        self._tenant = tenant
        self._has_shapes = has_shapes
        self.reader = PgReader(database, has_shapes=has_shapes)
        try:
            database.execute(_ALONE_SOON)
        except BusyError as error:
            raise BusyError(f"{self.place} is served by another broker; end it first") from error
        ((last,),) = database.execute(_LAST_KEY)
        self._next = int(last) + 1
        self._number = opening(database, "outbox") << 32

    @property
    def place(self) -> str:
        """The database and the tenant."""
        return self.database.place

    def renew(self) -> bool:
        """Connect again where the connection was lost; whether it was. Raises OSError."""
        if not self.database.renew():
            return False
        ((alone,),) = self.database.execute(_ALONE)
        if not alone:
            self.database.close()  # lost again, until the other one is gone
            raise BusyError(f"{self.place} is served by another broker; end it first")
        return True

    @property
    def position(self) -> Position:
        """The log position that the tables have reached."""
        return Position(self._reached("entities"))

    @property
    def sequence(self) -> int:
        """Of the newest batch of the API that the tables hold, where ``count`` says so."""
        return self._reached("batches")

    def _reached(self, fold: str) -> int:
        found = self.database.execute(_POSITION, (fold,))
        return int(found[0][0]) if found else 0

    def count(self, sequence: int) -> None:
        """Note which batch of the API is taken in; within a transaction of the caller."""
        self.database.execute(_REACH, ("batches", sequence))

    def reach(self, position: Position) -> None:
        """Note the position that the tables have reached; within a transaction of the caller."""
        self.database.execute(_REACH, ("entities", position))

    def next_key(self) -> int:
        """A key that no entity ever had since the tables were opened."""
        self._next += 1
        return self._next - 1

    def next_number(self) -> int:
        """A number above all before: of this opening, so that no crash has it given twice."""
        self._number += 1
        return self._number

    def find(self, id_: str) -> Held | None:
        """The entity with an id."""
        found = self.database.execute(_FIND, (id_,))
        return Held.stored(found[0]) if found else None

    def find_many(self, ids: Sequence[str]) -> dict[str, Held]:
        """Those of ``ids`` that exist, by id."""
        found = self.database.execute(_FIND_MANY, (list(ids),))
        return {row[1]: Held.stored(row) for row in found}

    def expired(self, now: int, limit: int) -> list[str]:
        """The ids of some entities whose time has come."""
        return [id_ for (id_,) in self.database.execute(_EXPIRED, (now, limit))]

    def apply(self, done: Iterable[Written], position: Position) -> None:
        """Take in what the log holds at ``position``; within a transaction of the caller."""
        first, last = first_and_last(done)
        self._all(_GONE, [(key,) for key, held in last.items() if held is None])
        self._all(_PUT, [held.row() for held in last.values() if held])
        removed, added = changed_types(first, last)
        self._all(_NO_TYPES, removed)
        self._all(_TYPES, added)
        self._apply_places(first, last)
        self.reach(position)

    def _apply_places(self, first: States, last: States) -> None:
        before = {key: places_of(held) for key, held in first.items() if key in last}
        after = {key: places_of(held) for key, held in last.items()}
        moved = [key for key in last if before[key] != after[key]]
        self._all(_NO_PLACES, [(key,) for key in moved if before[key]])
        places = [(key, *place) for key in moved for place in after[key]]
        if self._has_shapes:
            self._all(_SHAPES, places)
        else:
            self._all(_PLACES, [place[:3] for place in places])

    def _all(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Do one thing for all rows at once: an array for each column."""
        if rows:
            columns = [list(column) for column in zip(*rows, strict=True)]
            self.database.execute(statement, columns)

    def open_reader(self) -> PgReader:
        """Another reader, for another thread."""
        database = PgDatabase(self._url, self._tenant, durable=False)
        return PgReader(database, has_shapes=self._has_shapes)

    @property
    def heavy(self) -> bool:
        """Never: the server sees to its own files."""
        return False

    def checkpoint(self) -> None:
        """The server sees to its own files."""

    def close(self) -> None:
        """Let go of the tables."""
        self.database.close()
