"""The outbox: every notification that is still to go, in the tables of the entities.

It is written in the very transaction that takes in the writes it tells of, and emptied as
subscribers acknowledge; so after a kill each goes out, and none that was never due. A text that
goes to many is kept once, with whom it is for; a row for each of them is made only where they have
to wait, so a notification that is taken at once costs no more than its share of one row.
"""

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, TypeAlias

import msgspec

from cityloop.interconnection.database import Database

SQLITE_SCHEMA = """
CREATE TABLE IF NOT EXISTS news(
    n INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, whom BLOB NOT NULL DEFAULT x'',
    body BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS outbox(
    s INTEGER NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (s, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS outbox_news ON outbox(n);
DROP INDEX IF EXISTS news_whom;
CREATE INDEX IF NOT EXISTS news_due ON news(n) WHERE length(whom) > 0;
CREATE TABLE IF NOT EXISTS deliveries(s INTEGER PRIMARY KEY, told TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS outbox_begun(position INTEGER NOT NULL) STRICT;
"""
"""``news``: what is told, numbered once and never again; ``whom``: subscriptions that it was not
told yet, 64-bit numbers; ``outbox``: of those that have to wait each one's; ``deliveries``: what is
known of each one's notifications so far, as JSON; ``outbox_begun``: the log position from which on
writes are told of."""

_PUT = "INSERT INTO news(n, at, whom, body) VALUES (?, ?, ?, ?)"
_PAGE = "SELECT n, at, body, whom FROM news WHERE n > ? AND length(whom) > 0 \
ORDER BY n LIMIT ?"
_OF_ONE = "SELECT n, at, body FROM outbox JOIN news USING (n) \
WHERE s = ? AND n > ? ORDER BY n LIMIT ?"
_NEWEST = "SELECT n FROM outbox WHERE s = ? ORDER BY n DESC LIMIT 1000"
_TELLS = "SELECT at, body FROM news WHERE n = ? AND at >= ?"
_OLDEST = "SELECT at FROM outbox JOIN news USING (n) WHERE s = ? ORDER BY n LIMIT 1"
_LEFT = "UPDATE news SET whom = ? WHERE n = ? AND whom != ?"
_ERASE = "DELETE FROM news WHERE n = ? AND NOT EXISTS (SELECT 1 FROM outbox WHERE n = ?)"
_HOLD = "INSERT INTO outbox(s, n) VALUES (?, ?) ON CONFLICT DO NOTHING"
_ORPHANS = "SELECT n FROM news WHERE n > ? AND n <= ? ORDER BY n LIMIT ?"
_WAITS = "SELECT s FROM outbox WHERE s > ? ORDER BY s LIMIT 1"
_MOST_SHED, _MOST_SWEPT = 5_000, 500
"""What is dropped, and what is looked at, at a time."""

NextNumber: TypeAlias = Callable[[], int | None]


class News(NamedTuple):
    """What is told: its number, when it happened [ms of wall time], the entities' JSON."""

    n: int
    at: int
    body: bytes


class Outbox:
    """Tables in ``database``, for its thread; what writes does so in a transaction of the caller.

    ``position``: the log's last; where the tables are new, what lies before is not told.
    ``next_number``: see ``ports.State``.
    """

    def __init__(self, database: Database, position: int, next_number: NextNumber) -> None:
        self._database = database
        self._next_number = next_number
        if not database.execute("SELECT 1 FROM outbox_begun"):
            database.execute("INSERT INTO outbox_begun(position) VALUES (?)", (position,))
        ((self.begun,),) = database.execute("SELECT position FROM outbox_begun")

    def transaction(self) -> AbstractContextManager[object]:
        """All within happens, or nothing of it."""
        return self._database.transaction()

    def put(self, at: int, body: bytes, to: Iterable[int]) -> None:
        """Keep what is to be told to the subscriptions ``to``."""
        whom = array("q", to).tobytes()
        self._database.execute(_PUT, (self._next_number(), at, whom, body))

    def put_alone(self, at: int, body: bytes, s: int) -> None:
        """``put`` for one subscription, in a transaction of its own."""
        with self._database.transaction():
            self.put(at, body, (s,))

    def page(self, after: int, limit: int) -> list[tuple[News, list[int]]]:
        """The news beyond a number that nobody waits for yet, in order, and whom each is for."""
        return [
            (News(n, at, body), array("q", whom).tolist())
            for n, at, body, whom in self._database.execute(_PAGE, (after, limit))
        ]

    def of_one(self, s: int, after: int, limit: int) -> list[News]:
        """What waits for one subscription beyond a number, in order."""
        return [News(*row) for row in self._database.execute(_OF_ONE, (s, after, limit))]

    def waiting(self) -> list[int]:
        """The subscriptions for which something waits."""
        found, s = [], -1
        while row := self._database.execute(_WAITS, (s,)):
            s = row[0][0]
            found.append(s)
        return found

    def hold(self, waiting: Sequence[tuple[int, int]]) -> None:
        """Let these wait: (subscription, number)."""
        self._database.executemany(_HOLD, waiting)

    def left(self, whom: Iterable[tuple[int, Iterable[int]]]) -> None:
        """Of each number, to whom it has not been told and does not wait for."""
        blobs = [(array("q", to).tobytes(), n) for n, to in whom]
        self._database.executemany(_LEFT, [(blob, n, blob) for blob, n in blobs])

    def told(self, done: Sequence[tuple[int, int]]) -> None:
        """Forget what waited and was told: (subscription, number)."""
        self._database.executemany("DELETE FROM outbox WHERE s = ? AND n = ?", done)

    def erase(self, numbers: Iterable[int]) -> None:
        """Forget these that were told to all but those for whom they wait."""
        self._database.executemany(_ERASE, [(n, n) for n in numbers])

    def forget(self, s: int) -> None:
        """Drop all that waits for a subscription, and what is known of it."""
        with self._database.transaction():
            self._database.execute("DELETE FROM outbox WHERE s = ?", (s,))
            self._database.execute("DELETE FROM deliveries WHERE s = ?", (s,))

    def orphans(self, after: int, until: int) -> list[int]:
        """Some numbers that may be of no use any more, in order."""
        return [n for (n,) in self._database.execute(_ORPHANS, (after, until, _MOST_SWEPT))]

    def late(self, before: int) -> list[tuple[int, int]]:
        """Some that have waited since before a moment [ms]: (subscription, number)."""
        last = 0
        for n, at in self._database.execute("SELECT n, at FROM news ORDER BY n LIMIT 1000"):
            if at >= before:
                break
            last = n
        query = "SELECT s, n FROM outbox WHERE n <= ? LIMIT ?"
        return self._database.execute(query, (last, _MOST_SHED))

    def beyond(self, s: int, after: int, most: int) -> list[tuple[int, int]]:
        """Some of the oldest of what waits for a subscription beyond a number, of so many as are
        above ``most``."""
        above = min(self.pending(s) - most, _MOST_SHED)
        query = "SELECT s, n FROM outbox WHERE s = ? AND n > ? ORDER BY n LIMIT ?"
        return self._database.execute(query, (s, after, above)) if above > 0 else []

    def pending(self, s: int) -> int:
        """How many notifications wait for a subscription."""
        return self._number("SELECT count(*) FROM outbox WHERE s = ?", (s,))

    def waits(self, s: int, at: int, id_: str, under_way: Sequence[int]) -> int:
        """Since when [ms] a subscription is still to be told of an entity that was written at
        ``at``; 0 where it is not. ``under_way``: numbers that it is being told."""
        newest = [n for (n,) in self._database.execute(_NEWEST, (s,))]
        word = msgspec.json.encode(id_)
        for n in sorted({*newest, *under_way}):
            for since, body in self._database.execute(_TELLS, (n, at)):
                if word in body:
                    return int(since)
        # What is due goes in order: where the oldest is from before, all since then waits.
        return at if 0 < self._number(_OLDEST, (s,)) <= at else 0

    def when(self, n: int) -> int:
        """When [ms] that of which a number tells happened; 0 where it is not known any more."""
        return self._number("SELECT at FROM news WHERE n = ?", (n,))

    def deliveries(self) -> dict[int, dict[str, Any]]:
        """What is known of each subscription's notifications."""
        found = self._database.execute("SELECT s, told FROM deliveries")
        return {s: msgspec.json.decode(told) for s, told in found}

    def keep(self, deliveries: Mapping[int, object]) -> None:
        """Remember what is known of some subscriptions' notifications."""
        texts = [(s, msgspec.json.encode(told).decode()) for s, told in deliveries.items()]
        self._database.executemany("DELETE FROM deliveries WHERE s = ?", [(s,) for s, _ in texts])
        self._database.executemany("INSERT INTO deliveries(s, told) VALUES (?, ?)", texts)

    def _number(self, query: str, values: Sequence[Any]) -> int:
        """The one integer that ``query`` finds; 0 when it finds no row."""
        return next((int(found) for (found,) in self._database.execute(query, values)), 0)
