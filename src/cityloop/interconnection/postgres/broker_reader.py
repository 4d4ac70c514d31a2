"""Reads many entities at once from PostgreSQL (``ports.Reader``): pages, counts, what there is.

What the server cannot tell exactly it narrows down; those candidates are tested in memory, some
hundred at a time.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any

from cityloop.interconnection.postgres.broker_condition import document
from cityloop.interconnection.postgres.broker_database import PgDatabase
from cityloop.interconnection.postgres.broker_sql import Rows
from cityloop.standards.cim.asked import Asked
from cityloop.standards.cim.found import Described, Found
from cityloop.standards.cim.kept import Kept
from cityloop.standards.cim.selection.ast import Selection
from cityloop.standards.cim.selection.memory import matcher
from cityloop.standards.cim.selection.order import Ordering, in_order, sort_keys
from cityloop.standards.cim.writes import read_kept

_AT_ONCE = 500
_BY_KEYS = "SELECT x.e, x.doc FROM entities x WHERE x.e = ANY(?)"
_BY_IDS = "SELECT x.doc FROM entities x WHERE x.id = ANY(?) \
AND (x.expires IS NULL OR x.expires > ?)"
_BY_ID = "SELECT x.doc FROM entities x WHERE x.id = ?"
_ALIVE = "(x.expires IS NULL OR x.expires > ?)"

_TYPES = f"""WITH RECURSIVE named(type) AS (
    (SELECT type FROM entity_types ORDER BY type LIMIT 1)
    UNION ALL
    SELECT (SELECT t.type FROM entity_types t WHERE t.type > named.type ORDER BY t.type LIMIT 1)
    FROM named WHERE named.type IS NOT NULL
)
SELECT type FROM named WHERE EXISTS (
    SELECT 1 FROM entity_types y JOIN entities x USING (e) WHERE y.type = named.type AND {_ALIVE}
) ORDER BY type"""
_COUNT = f"SELECT count(*) FROM entity_types y JOIN entities x USING (e) \
WHERE y.type = ? AND {_ALIVE}"
_NAMES = f"SELECT DISTINCT a.k COLLATE \"C\" AS k FROM entities x {document('x', 'd')}, \
jsonb_object_keys(d.j->'attrs') a(k) WHERE {_ALIVE} ORDER BY 1"
_HOLDERS = f"SELECT count(*) FROM entities x {document('x', 'd')} \
WHERE {_ALIVE} AND jsonb_exists(d.j->'attrs', ?)"
_KINDS = f"""SELECT DISTINCT y.type, a.k, i.v->>'type'
FROM entity_types y JOIN entities x USING (e) {document("x", "d")},
jsonb_each(d.j->'attrs') a(k, v), jsonb_each(a.v) i(k, v) WHERE {_ALIVE}"""


class PgReader:
    """Of the tables behind ``database``. ``has_shapes``: whether PostGIS is there."""

    def __init__(self, database: PgDatabase, *, has_shapes: bool) -> None:
        self._database = database
        self._has_shapes = has_shapes

    def answer(self, asked: Asked, now: int) -> Found:
        """The page that is asked for, in the order in which the entities were created."""
        rows = Rows(asked.selection, now, has_shapes=self._has_shapes)
        if asked.ordering is not None:
            return self._ordered(rows, asked, asked.ordering, now)
        if not rows.exact:
            return self._tested(rows, asked, now)
        total = self._database.execute(*rows.all("count(*)"))[0][0] if asked.count else None
        page = rows.page("x.doc", asked.limit + 1, asked.offset)
        documents = [doc for (doc,) in self._database.execute(*page)] if asked.limit else []
        return Found(documents[: asked.limit], total, len(documents) > asked.limit)

    def _tested(self, rows: Rows, asked: Asked, now: int) -> Found:
        meant = (doc for _, doc, _ in self._meant(rows, asked.selection, now))
        if not asked.count and not asked.limit:
            return Found([], None, False)
        page = list(islice(meant, asked.offset, asked.offset + asked.limit))
        first = next(meant, None) if len(page) == asked.limit else None
        more = first is not None
        total = None
        if asked.count:
            seen = asked.offset + len(page) + more
            total = seen + sum(1 for _ in meant) if page or more else self._many(rows, asked, now)
        return Found(page, total, more and bool(asked.limit))

    def _many(self, rows: Rows, asked: Asked, now: int) -> int:
        return sum(1 for _ in self._meant(rows, asked.selection, now))

    def _ordered(self, rows: Rows, asked: Asked, ordering: Ordering, now: int) -> Found:
        """Only keys and what they are ordered by are held of all; documents of the page alone."""
        keys_of = sort_keys(ordering)
        keyed = [(key, keys_of(kept)) for key, _, kept in self._meant(rows, asked.selection, now)]
        page = in_order(keyed, ordering, lambda row: row[1])[asked.offset :][: asked.limit]
        documents = dict(self._database.execute(_BY_KEYS, ([key for key, _ in page],)))
        shown = [documents[key] for key, _ in page]
        total = len(keyed) if asked.count else None
        return Found(shown, total, len(keyed) > asked.offset + len(page) and bool(asked.limit))

    def _meant(self, rows: Rows, selection: Selection, now: int) -> Iterator[tuple[int, str, Kept]]:
        """Key, document and entity of all that is meant, in the order of their keys."""
        holds = matcher(selection, self._lookup(now))
        last = -1
        while page := self._database.execute(*rows.after("x.e, x.doc", last, _AT_ONCE)):
            for key, doc in page:
                kept = read_kept(doc)
                if rows.exact or holds(kept):
                    yield key, doc, kept
            last = page[-1][0]
            if len(page) < _AT_ONCE:
                return

    def _lookup(self, now: int) -> Any:
        """Finds linked entities, each once."""
        known: dict[str, Kept | None] = {}

        def find(id_: str) -> Kept | None:
            if id_ not in known:
                known[id_] = next(map(read_kept, self.documents([id_], now)), None)
            return known[id_]

        return find

    def ids(self, selection: Selection, now: int) -> list[str]:
        """The ids of all entities that are meant."""
        rows = Rows(selection, now, has_shapes=self._has_shapes)
        if rows.exact:
            return [id_ for (id_,) in self._database.execute(*rows.all("x.id"))]
        return [kept["id"] for _, _, kept in self._meant(rows, selection, now)]

    def documents(self, ids: Iterable[str], now: int) -> list[str]:
        """The entities with these ids as JSON, as far as they exist, in no order."""
        return [doc for (doc,) in self._database.execute(_BY_IDS, (list(ids), now))]

    def document(self, id_: str) -> str | None:
        """One entity as JSON, though its time may have come; None where there is none."""
        return next((doc for (doc,) in self._database.execute(_BY_ID, (id_,))), None)

    def type_names(self, now: int) -> list[str]:
        """All types that an entity has."""
        return [name for (name,) in self._database.execute(_TYPES, (now,))]

    def attribute_names(self, now: int) -> list[str]:
        """All attributes that an entity has."""
        return [name for (name,) in self._database.execute(_NAMES, (now,))]

    def attributes_by_type(self, now: int) -> dict[str, set[str]]:
        """Of every type, the attributes that its entities have."""
        found: dict[str, set[str]] = {name: set() for name in self.type_names(now)}
        for type_, attribute, _ in self._database.execute(_KINDS, (now,)):
            found[type_].add(attribute)
        return found

    def types_by_attribute(self, now: int) -> dict[str, set[str]]:
        """Of every attribute, the types of the entities that have it."""
        found: dict[str, set[str]] = defaultdict(set)
        for type_, attribute, _ in self._database.execute(_KINDS, (now,)):
            found[attribute].add(type_)
        return found

    def described_type(self, type_: str, now: int) -> Described | None:
        """A type: how many entities have it, each attribute's kinds; None where none has it."""
        described = Described(self._database.execute(_COUNT, (type_, now))[0][0])
        for _, name, kind in self._database.execute(f"{_KINDS} AND y.type = ?", (now, type_)):
            described.kinds[name].add(kind)
        return described if described.count else None

    def described_attribute(self, name: str, now: int) -> Described | None:
        """An attribute: how many entities have it, its kinds by type; None where none has it."""
        described = Described(self._database.execute(_HOLDERS, (now, name))[0][0])
        for type_, _, kind in self._database.execute(f"{_KINDS} AND a.k = ?", (now, name)):
            described.kinds[type_].add(kind)
        return described if described.count else None

    def snapshot(self) -> AbstractContextManager[None]:
        """All reading within sees the same state."""
        return self._database.snapshot()

    def close(self) -> None:
        """Let go of the connection."""
        self._database.close()
