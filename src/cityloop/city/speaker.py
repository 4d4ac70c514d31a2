"""What writes of the API say of declared types, for the loops: looked up where they change part of
an entity only.
"""

from collections.abc import Sequence
from pathlib import Path

import apsw
import msgspec

from cityloop.interconnection.broker.state import LAYOUT
from cityloop.interconnection.sqlite import open_database, rows, sqlite_errors
from cityloop.standards.attributes import AttributeTable
from cityloop.standards.cim.kept import Kept
from cityloop.standards.cim.observed import iri_of
from cityloop.standards.cim.spoken import spoken
from cityloop.standards.cim.writes import read_kept, read_write
from cityloop.standards.readings import Decoded

_OF_DECLARED = "SELECT DISTINCT x.id, x.doc FROM json_each(?) y CROSS JOIN entities x \
ON x.id = y.value JOIN entity_types t ON t.e = x.e \
WHERE t.type IN (SELECT value FROM json_each(?))"


class Speaker:
    """Reads the entities at ``path``; for one thread at a time. Raises OSError."""

    def __init__(self, path: Path, table: AttributeTable) -> None:
        self._path = path
        self._table = table
        self._types = msgspec.json.encode([iri_of(name) for name in table]).decode()
        self._connection: apsw.Connection | None = None

    def __call__(self, bodies: Sequence[bytes]) -> Decoded:
        """What writes, as bytes, say of declared types."""
        writes = [read_write(body) for body in bodies]
        known = self._find({write.id for write in writes})
        return spoken(writes, known.get, self._table)

    def _find(self, ids: set[str]) -> dict[str, Kept]:
        """Those of ``ids`` that have a declared type, as they are."""
        with sqlite_errors(self._path):
            if self._connection is None:
                self._connection = open_database(
                    self._path, "", version=LAYOUT, synchronous="NORMAL", readonly=True
                )
            wanted = msgspec.json.encode(list(ids)).decode()
            found = rows(self._connection, _OF_DECLARED, (wanted, self._types))
        return {id_: read_kept(doc) for id_, doc in found}

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
