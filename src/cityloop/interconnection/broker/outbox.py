"""The outbox: every notification that is still to go, in the tables of the entities.

It is written in the very transaction that takes in the writes it tells of, and emptied as
subscribers acknowledge; so after a kill each goes out, and none that was never due. A text that
goes to many is kept once, with whom it is for; a row for each of them is made only where they have
to wait, so a notification that is taken at once costs no more than its share of one row.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import apsw
import msgspec

from cityloop.interconnection.sqlite import number, rows, transaction

SCHEMA = """
CREATE TABLE IF NOT EXISTS news(
    n INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, whom BLOB NOT NULL DEFAULT x'',
    body BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS outbox(
    s INTEGER NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (s, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS outbox_news ON outbox(n);
CREATE INDEX IF NOT EXISTS news_whom ON news(n) WHERE whom != x'';
CREATE TABLE IF NOT EXISTS deliveries(s INTEGER PRIMARY KEY, told TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS outbox_begun(position INTEGER NOT NULL) STRICT;
"""
"""``news``: what is told, numbered once and never again; ``whom``: subscriptions that it was not
told yet, 64-bit numbers; ``outbox``: of those that have to wait each one's; ``deliveries``: what is
known of each one's notifications so far, as JSON; ``outbox_begun``: the log position from which on
writes are told of."""

_PUT = "INSERT INTO news(at, whom, body) VALUES (?, ?, ?)"
_PAGE = "SELECT n, at, body, whom FROM news WHERE n > ? AND whom != x'' ORDER BY n LIMIT ?"
_OF_ONE = "SELECT n, at, body FROM outbox JOIN news USING (n) \
WHERE s = ? AND n > ? ORDER BY n LIMIT ?"
_NEWEST = "SELECT n FROM outbox WHERE s = ? ORDER BY n DESC LIMIT 1000"
_TELLS = "SELECT at FROM news WHERE n = ? AND at >= ? AND instr(body, ?)"
_OLDEST = "SELECT at FROM outbox JOIN news USING (n) WHERE s = ? ORDER BY n LIMIT 1"
_LEFT = "UPDATE news SET whom = ?1 WHERE n = ?2 AND whom != ?1"
_ERASE = "DELETE FROM news WHERE n = ? AND NOT EXISTS (SELECT 1 FROM outbox WHERE n = ?1)"
_ORPHANS = "SELECT n FROM news WHERE n > ? AND n <= ? ORDER BY n LIMIT ?"
_MOST_SHED, _MOST_SWEPT = 5_000, 500
"""What is dropped, and what is looked at, at a time."""


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
        self._connection.execute(_PUT, (at, array("q", to).tobytes(), body))

    def put_alone(self, at: int, body: bytes, s: int) -> None:
        """``put`` for one subscription, in a transaction of its own."""
        with transaction(self._connection):
            self.put(at, body, (s,))

    def page(self, after: int, limit: int) -> list[tuple[News, list[int]]]:
        """The news beyond a number that nobody waits for yet, in order, and whom each is for."""
        return [
            (News(n, at, body), array("q", whom).tolist())
            for n, at, body, whom in rows(self._connection, _PAGE, (after, limit))
        ]

    def of_one(self, s: int, after: int, limit: int) -> list[News]:
        """What waits for one subscription beyond a number, in order."""
        return [News(*row) for row in rows(self._connection, _OF_ONE, (s, after, limit))]

    def waiting(self) -> list[int]:
        """The subscriptions for which something waits."""
        found, s = [], -1
        while row := rows(self._connection, "SELECT s FROM outbox WHERE s > ? LIMIT 1", (s,)):
            s = row[0][0]
            found.append(s)
        return found

    def hold(self, waiting: Sequence[tuple[int, int]]) -> None:
        """Let these wait: (subscription, number)."""
        self._connection.executemany("INSERT OR IGNORE INTO outbox VALUES (?, ?)", waiting)

    def left(self, whom: Iterable[tuple[int, Iterable[int]]]) -> None:
        """Of each number, to whom it has not been told and does not wait for."""
        blobs = [(array("q", to).tobytes(), n) for n, to in whom]
        self._connection.executemany(_LEFT, blobs)

    def told(self, done: Sequence[tuple[int, int]]) -> None:
        """Forget what waited and was told: (subscription, number)."""
        self._connection.executemany("DELETE FROM outbox WHERE s = ? AND n = ?", done)

    def erase(self, numbers: Iterable[int]) -> None:
        """Forget these that were told to all but those for whom they wait."""
        self._connection.executemany(_ERASE, [(n,) for n in numbers])

    def forget(self, s: int) -> None:
        """Drop all that waits for a subscription, and what is known of it."""
        with transaction(self._connection):
            self._connection.execute("DELETE FROM outbox WHERE s = ?", (s,))
            self._connection.execute("DELETE FROM deliveries WHERE s = ?", (s,))

    def orphans(self, after: int, until: int) -> list[int]:
        """Some numbers that may be of no use any more, in order."""
        return [n for (n,) in rows(self._connection, _ORPHANS, (after, until, _MOST_SWEPT))]

    def late(self, before: int) -> list[tuple[int, int]]:
        """Some that have waited since before a moment [ms]: (subscription, number)."""
        last = 0
        for n, at in rows(self._connection, "SELECT n, at FROM news ORDER BY n LIMIT 1000"):
            if at >= before:
                break
            last = n
        query = "SELECT s, n FROM outbox WHERE n <= ? LIMIT ?"
        return rows(self._connection, query, (last, _MOST_SHED))

    def beyond(self, s: int, after: int, most: int) -> list[tuple[int, int]]:
        """Some of the oldest of what waits for a subscription beyond a number, of so many as are
        above ``most``."""
        above = min(self.pending(s) - most, _MOST_SHED)
        query = "SELECT s, n FROM outbox WHERE s = ? AND n > ? ORDER BY n LIMIT ?"
        return rows(self._connection, query, (s, after, above)) if above > 0 else []

    def pending(self, s: int) -> int:
        """How many notifications wait for a subscription."""
        return number(self._connection, "SELECT count(*) FROM outbox WHERE s = ?", (s,))

    def waits(self, s: int, at: int, id_: str, under_way: Sequence[int]) -> int:
        """Since when [ms] a subscription is still to be told of an entity that was written at
        ``at``; 0 where it is not. ``under_way``: numbers that it is being told."""
        newest = [n for (n,) in rows(self._connection, _NEWEST, (s,))]
        word = msgspec.json.encode(id_)
        for n in sorted({*newest, *under_way}):
            found = number(self._connection, _TELLS, (n, at, word))
            if found:
                return found
        # What is due goes in order: where the oldest is from before, all since then waits.
        return at if 0 < number(self._connection, _OLDEST, (s,)) <= at else 0

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
