"""The outbox: every notification that is still to go, in the tables of the entities.

It is written in the very transaction that takes in the writes it tells of, and emptied as
subscribers acknowledge; so after a kill each goes out, and none that was never due. A text that
goes to many is kept once.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import apsw
import msgspec

from cityloop.interconnection.sqlite import number, rows, transaction

SCHEMA = """
CREATE TABLE IF NOT EXISTS news(
    n INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, body BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS outbox(
    s INTEGER NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (s, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS outbox_news ON outbox(n);
CREATE TABLE IF NOT EXISTS deliveries(s INTEGER PRIMARY KEY, told TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS outbox_begun(position INTEGER NOT NULL) STRICT;
"""
"""``news``: what is told, numbered once and never again; ``outbox``: to which subscriptions ``s``
it is still to go; ``deliveries``: what is known of each one's notifications so far, as JSON;
``outbox_begun``: the log position from which on writes are told of."""

_PAGE = "SELECT n, at, body FROM news WHERE n > ? ORDER BY n LIMIT ?"
_TO = "SELECT n, s FROM outbox WHERE n > ? AND n <= ?"
_OF_ONE = "SELECT n, at, body FROM outbox JOIN news USING (n) \
WHERE s = ? AND n > ? AND n <= ? ORDER BY n LIMIT ?"
_WAITS = "SELECT at FROM (SELECT n, at, body FROM outbox JOIN news USING (n) \
WHERE s = ? ORDER BY n DESC LIMIT 1000) WHERE at >= ? AND instr(body, ?) ORDER BY n LIMIT 1"
_OLDEST = "SELECT at FROM outbox JOIN news USING (n) WHERE s = ? ORDER BY n LIMIT 1"
_UNTOLD = "DELETE FROM news WHERE n = ? AND NOT EXISTS (SELECT 1 FROM outbox WHERE n = ?1)"


class News(NamedTuple):
    """What is told: its number, when it happened [ms of wall time], the entities' JSON."""

    n: int
    at: int
    body: bytes


class Outbox:
    """The tables; for the thread of ``connection``. What writes does so in a transaction of the
    caller."""

    def __init__(self, connection: apsw.Connection, position: int) -> None:
        """``position``: the log's last; where the tables are new, what lies before is not told."""
        self._connection = connection
        connection.execute(SCHEMA)
        if not rows(connection, "SELECT 1 FROM outbox_begun"):
            connection.execute("INSERT INTO outbox_begun VALUES (?)", (position,))
        self.begun = number(connection, "SELECT position FROM outbox_begun")

    def put(self, at: int, body: bytes, to: Iterable[int]) -> None:
        """Keep what is to be told to the subscriptions ``to``."""
        self._connection.execute("INSERT INTO news(at, body) VALUES (?, ?)", (at, body))
        n = self._connection.last_insert_rowid()
        self._connection.executemany("INSERT INTO outbox VALUES (?, ?)", [(s, n) for s in to])

    def put_alone(self, at: int, body: bytes, s: int) -> None:
        """``put`` for one subscription, in a transaction of its own."""
        with transaction(self._connection):
            self.put(at, body, (s,))

    def page(self, after: int, limit: int) -> list[tuple[News, list[int]]]:
        """The news beyond a number, in order, and whom each is still to be told."""
        found = [News(*row) for row in rows(self._connection, _PAGE, (after, limit))]
        to: dict[int, list[int]] = defaultdict(list)
        if found:
            for n, s in rows(self._connection, _TO, (after, found[-1].n)):
                to[n].append(s)
        return [(news, to[news.n]) for news in found]

    def of_one(self, s: int, after: int, until: int, limit: int) -> list[News]:
        """What one subscription is still to be told, with ``after < n <= until``, in order."""
        found = rows(self._connection, _OF_ONE, (s, after, until, limit))
        return [News(*row) for row in found]

    def told(self, done: Sequence[tuple[int, int]]) -> None:
        """Forget what was told: (subscription, number)."""
        self._connection.executemany("DELETE FROM outbox WHERE s = ? AND n = ?", done)
        numbers = {n for _, n in done}
        self._connection.executemany(_UNTOLD, [(n,) for n in numbers])

    def forget(self, s: int) -> None:
        """Drop all that a subscription was to be told, and what is known of it."""
        with transaction(self._connection):
            self.told(rows(self._connection, "SELECT s, n FROM outbox WHERE s = ?", (s,)))
            self._connection.execute("DELETE FROM deliveries WHERE s = ?", (s,))

    def late(self, before: int) -> list[tuple[int, int]]:
        """Some that have waited since before a moment [ms]: (subscription, number)."""
        last = 0
        for n, at in rows(self._connection, "SELECT n, at FROM news ORDER BY n LIMIT 1000"):
            if at >= before:
                break
            last = n
        return rows(self._connection, "SELECT s, n FROM outbox WHERE n <= ?", (last,))

    def beyond(self, s: int, most: int) -> list[tuple[int, int]]:
        """The oldest of what waits for a subscription, so many as are above ``most``."""
        above = self.pending(s) - most
        query = "SELECT s, n FROM outbox WHERE s = ? ORDER BY n LIMIT ?"
        return rows(self._connection, query, (s, above)) if above > 0 else []

    def pending(self, s: int) -> int:
        """How many notifications wait for a subscription."""
        return number(self._connection, "SELECT count(*) FROM outbox WHERE s = ?", (s,))

    def waits(self, s: int, at: int, id_: str) -> int:
        """Since when [ms] a subscription is still to be told of an entity that was written at
        ``at``; 0 where it is not."""
        word = msgspec.json.encode(id_)
        found = number(self._connection, _WAITS, (s, at, word))
        # What is due goes in order: where the oldest is from before, all since then waits.
        return found or (at if 0 < number(self._connection, _OLDEST, (s,)) <= at else 0)

    def when(self, n: int) -> int:
        """When [ms] that of which a number tells happened; 0 where it is not known any more."""
        return number(self._connection, "SELECT at FROM news WHERE n = ?", (n,))

    def deliveries(self) -> dict[int, dict[str, Any]]:
        """What is known of each subscription's notifications."""
        found = rows(self._connection, "SELECT s, told FROM deliveries")
        return {s: msgspec.json.decode(told) for s, told in found}

    def keep(self, deliveries: Mapping[int, object]) -> None:
        """Remember what is known of some subscriptions' notifications."""
        texts = [(s, msgspec.json.encode(told).decode()) for s, told in deliveries.items()]
        self._connection.executemany("INSERT OR REPLACE INTO deliveries VALUES (?, ?)", texts)
