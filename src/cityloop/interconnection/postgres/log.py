"""The log of a tenant as an append table of PostgreSQL."""

import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from cityloop.interconnection.cold import Cold
from cityloop.interconnection.database import number
from cityloop.interconnection.log import IN_SEGMENT, LAST, SEQUENCE, Appended, StoredLog
from cityloop.interconnection.postgres.database import TENANT, Layout, PostgresDatabase, place_of
from cityloop.kernel.clock import Clock
from cityloop.kernel.errors import BusyError, ConfigError
from cityloop.standards.arrow import VERSION

# Bodies are columns already, packed as far as it pays: the server is not to compress them again.
LOG = Layout(
    "log",
    1,
    f"""
CREATE TABLE batches(
    {TENANT}, position bigint, committed_at bigint NOT NULL, source text NOT NULL,
    run text NOT NULL, sequence bigint NOT NULL, schema smallint NOT NULL, body bytea NOT NULL,
    PRIMARY KEY (tenant, position)
);
ALTER TABLE batches ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX batches_once ON batches(tenant, source, run, sequence);
CREATE TABLE id_lists({TENANT}, digest bytea, names bytea NOT NULL, PRIMARY KEY (tenant, digest));
CREATE TABLE segments(
    {TENANT}, first bigint, last bigint NOT NULL, folder text NOT NULL, PRIMARY KEY (tenant, first)
);
CREATE TABLE spans(
    {TENANT}, type text, run text, first bigint, since bigint NOT NULL, until bigint NOT NULL,
    PRIMARY KEY (tenant, type, run, first)
);
CREATE TABLE sequences(
    {TENANT}, source text, run text, first bigint, last bigint NOT NULL,
    PRIMARY KEY (tenant, source, run, first)
)
""",
    ("batches", "id_lists", "segments", "spans", "sequences"),
)
# One statement for all: arrays, not COPY, which the server refuses where rows are held apart.
_APPEND = "INSERT INTO batches(position, committed_at, source, run, sequence, schema, body) \
SELECT * FROM unnest(?::bigint[], ?::bigint[], ?::text[], ?::text[], ?::bigint[], ?::smallint[], \
?::bytea[])"
_LIST = "INSERT INTO id_lists(digest, names) VALUES (?, ?) ON CONFLICT DO NOTHING"
_KNOWN = "SELECT 1 FROM batches WHERE source = ? AND run = ? AND sequence = ?"
_DONE = "DELETE FROM batches WHERE position IN (SELECT position FROM batches \
WHERE position <= (SELECT max(last) FROM segments) ORDER BY position LIMIT ?) RETURNING 1"
_ROWS_A_STEP = 200
_PAUSE_S = 0.005
_WRITER = 1
_RUNS_KEPT = 10_000
_Key = tuple[str, str]


class PostgresLog(StoredLog):
    """``StoredLog`` in the database at ``url``; ``folder`` is named as the tenant is.

    Who appends first holds the log until its connection ends; another one is refused with
    BusyError. As the lock belongs to the very session that appends, nobody who was cut off can
    append behind the next one's back. Raises ConfigError for a server that does not fsync.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        url: str,
        *,
        readonly: bool = False,
        cold: Cold | None = None,
    ) -> None:
        self._url = url
        super().__init__(folder, f"{place_of(url)} (log of {folder.name})", clock, cold=cold)
        self._writer = None if readonly else self.open(readonly=False)
        self._session = 0
        self._last = 0
        self._highest: dict[_Key, int] = {}
        if self._writer is not None and self._writer.execute("SHOW fsync") != [("on",)]:
            raise ConfigError(f"{self.place}: the server runs without fsync; set fsync = on there")

    def open(self, *, readonly: bool) -> PostgresDatabase:
        """A connection of its own."""
        return self._opened(durable=True, readonly=readonly)

    def _opened(self, *, durable: bool, readonly: bool) -> PostgresDatabase:
        return PostgresDatabase(
            self._url, self.folder.name, LOG, durable=durable, readonly=readonly
        )

    def _commit(self, lists: Sequence[tuple[bytes, bytes]], batches: Sequence[Appended]) -> int:
        writer = self._writer
        if writer is None:
            raise PermissionError(f"{self.place} is open for reading only")
        with writer.transaction():
            self._claim(writer)
            writer.executemany(_LIST, lists)
            fresh = self._fresh(writer, batches)
            if fresh:
                writer.execute(_APPEND, _columns(fresh, self._last))
            inserted = time.perf_counter()
        self.fsync.add(time.perf_counter() - inserted)
        self._last += len(fresh)
        self._note(fresh)
        return self._last

    def _claim(self, writer: PostgresDatabase) -> None:
        """Be the one who appends, and know what is there: in a session, once."""
        if self._session == writer.session:
            return
        if not writer.lock(_WRITER):
            raise BusyError(f"another process appends to {self.place}; end one of the two cities")
        self._last = number(writer, LAST)
        self._highest.clear()
        self._session = writer.session

    def _fresh(self, writer: PostgresDatabase, batches: Sequence[Appended]) -> list[Appended]:
        """Those that were not committed before, each once. What has a higher sequence than any
        before of its source and run is new: only for others the tables are asked."""
        fresh: dict[tuple[str, str, int], Appended] = {}
        for appended in batches:
            batch = appended.batch
            key = batch.source, batch.run
            if key not in self._highest:
                self._highest[key] = number(writer, SEQUENCE, (*key, *key))
            whole = (*key, batch.sequence)
            if whole in fresh or (
                batch.sequence <= self._highest[key] and _is_known(writer, whole)
            ):
                continue
            fresh[whole] = appended
        return list(fresh.values())

    def _note(self, fresh: Sequence[Appended]) -> None:
        for appended in fresh:
            key = appended.batch.source, appended.batch.run
            self._highest[key] = max(self._highest[key], appended.batch.sequence)
        if len(self._highest) > _RUNS_KEPT:
            self._highest.clear()

    def clear_up(self) -> None:
        """Remove rows that chunks replace; the server's own vacuum gives the space back."""
        with closing(self._opened(durable=False, readonly=False)) as database:
            while database.execute(_DONE, (_ROWS_A_STEP,)):
                time.sleep(_PAUSE_S)

    def close(self) -> None:
        """Let go of the connections; nothing is lost without it."""
        super().close()
        if self._writer is not None:
            self._writer.close()


def _is_known(writer: PostgresDatabase, key: tuple[str, str, int]) -> bool:
    return bool(writer.execute(_KNOWN, key) or writer.execute(IN_SEGMENT, (*key, key[2])))


def _columns(fresh: Sequence[Appended], last: int) -> tuple[list[object], ...]:
    """The table's columns, with positions that follow ``last``."""
    rows = (
        (
            position,
            appended.committed_at,
            appended.batch.source,
            appended.batch.run,
            appended.batch.sequence,
            VERSION,
            appended.body,
        )
        for position, appended in enumerate(fresh, last + 1)
    )
    return tuple(map(list, zip(*rows, strict=True)))
