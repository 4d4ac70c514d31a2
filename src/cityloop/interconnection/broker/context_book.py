"""The @contexts that the broker keeps: hosted here, made here, fetched once; durable."""

import secrets
import threading
from typing import Any

import msgspec

from cityloop.interconnection.database import Database
from cityloop.standards.cim.hosted import KeptContext, Kind

CONTEXTS_LAYOUT = 2
CONTEXTS_SCHEMA = """
CREATE TABLE contexts (
    id TEXT PRIMARY KEY, url TEXT UNIQUE, kind TEXT NOT NULL, created INTEGER NOT NULL,
    document BLOB NOT NULL, tenant TEXT NOT NULL
) WITHOUT ROWID
"""
_COLUMNS = "id, url, kind, created, document, tenant"
_PUT = f"INSERT INTO contexts({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"
_REMOVE = "DELETE FROM contexts WHERE id = ?"


class ContextBook:
    """All kept @contexts, in memory and in ``database``; what was written survives a power cut.

    Found by id or URL. Methods that write wait for the disk: call them in a thread.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        rows = database.execute(f"SELECT {_COLUMNS} FROM contexts ORDER BY created")
        kept = [
            KeptContext(name, url, kind, created, msgspec.json.decode(document), tenant)
            for name, url, kind, created, document, tenant in rows
        ]
        self._by_id = {each.id: each for each in kept}
        self._by_url = {each.url: each for each in kept if each.url is not None}

    def find(self, name: str) -> KeptContext | None:
        """The @context of this id or URL."""
        return self._by_id.get(name) or self._by_url.get(name)

    def all(self) -> list[KeptContext]:
        """Every kept @context, the oldest first."""
        return list(self._by_id.values())

    def add(
        self, kind: Kind, document: Any, now: int, url: str | None = None, tenant: str = ""
    ) -> KeptContext:
        """Keep a @context; one of the same URL is replaced, and keeps its id and its count."""
        body = msgspec.json.encode(document)
        with self._lock:
            known = self._by_url.get(url) if url else None
            kept = known or KeptContext(secrets.token_hex(16), url, kind, now, document, tenant)
            with self._database.transaction():
                self._database.execute(_REMOVE, (kept.id,))
                self._database.execute(_PUT, (kept.id, url, kind, now, body, tenant))
            kept.document, kept.created = document, now
            self._by_id[kept.id] = kept
            if url:
                self._by_url[url] = kept
        return kept

    def delete(self, kept: KeptContext) -> None:
        """Forget a @context."""
        with self._lock:
            self._database.execute(_REMOVE, (kept.id,))
            self._by_id.pop(kept.id, None)
            if kept.url:
                self._by_url.pop(kept.url, None)

    def close(self) -> None:
        """Close the database."""
        self._database.close()
