"""How entities evolved, as files: Parquet sorted by entity, attribute and time, a fold of the log.

``history/`` holds segments and ``history.db``, which names them, keeps what later writes changed
about the past (``corrections``), and says which position all this has reached. A segment is written
and fsynced first, then named, so a kill anywhere leaves a history that reads the same; without the
folder it is made anew from the log. Few small segments become one larger one, and so on.

One process folds (``HistoryFold``), others read meanwhile (``evolutions``).
"""

import fcntl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cityloop.interconnection.broker.corrections import Corrections, corrects
from cityloop.interconnection.broker.past_rows import (
    SCHEMA,
    TEXTS,
    PastRows,
    in_order,
    integers,
    numbered,
)
from cityloop.interconnection.durable import make_folder, sync
from cityloop.interconnection.log import StoredLog
from cityloop.interconnection.sqlite import (
    SqlValue,
    number,
    open_database,
    rows,
    sqlite_errors,
    transaction,
)
from cityloop.kernel.ports import Commit, Position
from cityloop.standards.cim.writes import Write

LAYOUT = 1
_SCHEMA = """
CREATE TABLE segments(
    name TEXT PRIMARY KEY, level INTEGER NOT NULL, rows INTEGER NOT NULL,
    since INTEGER NOT NULL, until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE forgotten(
    id TEXT NOT NULL, attribute TEXT NOT NULL, dataset TEXT NOT NULL, number INTEGER NOT NULL,
    PRIMARY KEY (id, attribute, dataset)
) STRICT, WITHOUT ROWID;
CREATE TABLE revised(
    id TEXT NOT NULL, number INTEGER NOT NULL, place INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (id, number, place)
) STRICT, WITHOUT ROWID;
CREATE TABLE described(id TEXT PRIMARY KEY, doc TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE reached(one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER NOT NULL) STRICT;
"""
"""``segments.since``, ``until``: the first and last time [ms] of their rows."""

_POSITION = "SELECT position FROM reached"
_REACH = "INSERT OR REPLACE INTO reached VALUES (1, ?)"
_SEGMENT = "INSERT INTO segments VALUES (?, ?, ?, ?, ?)"
_COUNT = "SELECT count(*) FROM segments WHERE level < 2"
_LEVEL = "SELECT name, rows FROM segments WHERE level = ? ORDER BY name"

ROW_GROUP = 32_768
_SEGMENT_ROWS = 131_072
_AT_ONCE = 8
"""Segments of one level that become one of the next."""
_CROWD = 100
"""So many segments are merged before anything else is folded."""
_MOST_ROWS = 3_000_000
"""A segment of so many rows stays as it is: a merge holds all its rows in memory."""
_STORED = pa.schema(
    [field.with_type(pa.string()) if field.name in TEXTS else field for field in SCHEMA]
)
_COMPRESSION: Any = dict.fromkeys(SCHEMA.names, "zstd") | {"value": "lz4"}
"""Numbers hardly compress: what counts is that they are there at once."""
_FEW = 8
"""Numbers with this many rows for each that is distinct are written with a dictionary."""
_ENCODINGS = dict.fromkeys(
    ("time", "createdAt", "modifiedAt", "write", "place"), "DELTA_BINARY_PACKED"
)

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def open_history(folder: Path, *, readonly: bool) -> apsw.Connection:
    """``history.db`` in ``folder``, which is made where it is not there."""
    if not readonly:
        make_folder(folder, 0o700)
    return open_database(
        folder / "history.db", _SCHEMA, version=LAYOUT, synchronous="NORMAL", readonly=readonly
    )


def reached(connection: apsw.Connection) -> Position:
    """The position up to which the files hold the history."""
    return Position(number(connection, _POSITION))


def corrections_of(connection: apsw.Connection, id_: str) -> Corrections:
    """What the files hold about corrections of one entity."""
    forgotten = "SELECT attribute, dataset, number FROM forgotten WHERE id = ?"
    revised = "SELECT number, place, body FROM revised WHERE id = ?"
    described = rows(connection, "SELECT doc FROM described WHERE id = ?", (id_,))
    return Corrections(
        {
            (attribute, dataset): last
            for attribute, dataset, last in rows(connection, forgotten, (id_,))
        },
        {(write, place): _decode(body) for write, place, body in rows(connection, revised, (id_,))},
        _decode(described[0][0]) if described else None,
    )


class HistoryFold:
    """Writes the files in ``folder``, alone: waits until another that does has ended.

    Raises OSError when the disk fails.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "history.db"
        self._connection = open_history(folder, readonly=False)
        self._lock = (folder / "fold.lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._clear_up()

    def fold(self, log: StoredLog, until: Position) -> Position:
        """Take in what the log holds up to ``until``; the position that is reached."""
        with sqlite_errors(self._path):
            position = reached(self._connection)
            if position < until:
                first, past, said = position, PastRows(), list[tuple[int, Write]]()
                for commit in log.writes(position, until):
                    _gather(commit, past, said)
                    position = commit.position
                    if len(past) >= _SEGMENT_ROWS:
                        self._keep(first, position, past, said)
                        first, past, said = position, PastRows(), []
                self._keep(first, max(position, until), past, said)
            while number(self._connection, _COUNT) > _CROWD and self.merge():
                pass
            return reached(self._connection)

    def _keep(
        self, first: Position, last: Position, past: PastRows, said: Sequence[tuple[int, Write]]
    ) -> None:
        """Write one segment; from the end of the transaction on the files have reached ``last``."""
        segment = self._written(f"{first + 1:012d}-{last:012d}.0", past.table()) if past else None
        with transaction(self._connection):
            if segment is not None:
                self._connection.execute(_SEGMENT, segment)
            self._correct(said)
            self._connection.execute(_REACH, (last,))

    def _written(self, name: str, table: pa.Table) -> tuple[SqlValue, ...]:
        """Write a segment, wait until the disk has it; its row."""
        path = self._folder / f"{name}.parquet"
        _write_table(path, table)
        sync(path)
        sync(self._folder)
        times = integers(table, "time")
        level = int(name.rpartition(".")[2])
        return name, level, table.num_rows, int(times.min()), int(times.max())

    def _correct(self, said: Sequence[tuple[int, Write]]) -> None:
        by_id: dict[str, Corrections] = {}
        for number_, write in said:
            if write.id not in by_id:
                by_id[write.id] = corrections_of(self._connection, write.id)
            by_id[write.id].take(number_, write)
        self._put_forgotten(by_id)
        self._connection.executemany(
            "INSERT OR REPLACE INTO revised VALUES (?, ?, ?, ?)",
            [
                (id_, *place, _encode(instance).decode())
                for id_, known in by_id.items()
                for place, instance in known.revised.items()
            ],
        )

    def _put_forgotten(self, by_id: dict[str, Corrections]) -> None:
        self._connection.executemany(
            "INSERT OR REPLACE INTO forgotten VALUES (?, ?, ?, ?)",
            [
                (id_, *place, last)
                for id_, known in by_id.items()
                for place, last in known.forgotten.items()
            ],
        )
        self._connection.executemany(
            "DELETE FROM described WHERE id = ?",
            [(id_,) for id_, known in by_id.items() if known.described is None],
        )
        self._connection.executemany(
            "INSERT OR REPLACE INTO described VALUES (?, ?)",
            [
                (id_, _encode(known.described).decode())
                for id_, known in by_id.items()
                if known.described is not None
            ],
        )

    def merge(self) -> bool:
        """Make one larger segment of some; False when nothing is to do."""
        with sqlite_errors(self._path):
            for level in range(number(self._connection, "SELECT max(level) FROM segments") + 1):
                names = self._mergeable(level)
                if len(names) > 1:
                    self._merge(names, level + 1)
                    return True
        return False

    def _mergeable(self, level: int) -> list[str]:
        """The oldest segments of a level, where there are enough of them."""
        found = rows(self._connection, _LEVEL, (level,))
        if len(found) < _AT_ONCE:
            return []
        names, total = list[str](), 0
        for name, count in found[:_AT_ONCE]:
            total += count
            if total > _MOST_ROWS:
                break
            names.append(name)
        return names

    def _merge(self, names: Sequence[str], level: int) -> None:
        """Make one segment of several that follow each other in the log."""
        table = pa.concat_tables(read_file(self._folder / f"{name}.parquet") for name in names)
        span = f"{names[0].partition('-')[0]}-{names[-1].partition('-')[2].partition('.')[0]}"
        segment = self._written(f"{span}.{level}", in_order(table.unify_dictionaries()))
        with transaction(self._connection):
            self._connection.execute(_SEGMENT, segment)
            self._connection.executemany(
                "DELETE FROM segments WHERE name = ?", [(name,) for name in names]
            )
        self._clear_up()

    def _clear_up(self) -> None:
        """Remove files that are not named: replaced ones, and what a kill left behind."""
        named = {
            f"{name}.parquet" for (name,) in rows(self._connection, "SELECT name FROM segments")
        }
        for path in self._folder.glob("*.parquet"):
            if path.name not in named:
                path.unlink()

    def close(self) -> None:
        """Let go of the files."""
        self._connection.close()
        self._lock.close()


def _write_table(path: Path, table: pa.Table) -> None:
    """Each row group with dictionaries of its own, which hold no more than it needs."""
    some = table["value"].slice(0, ROW_GROUP)
    has_few = pc.count_distinct(some).as_py() * _FEW <= len(some)
    with pq.ParquetWriter(
        path,
        _STORED,
        compression=_COMPRESSION,
        use_dictionary=[*TEXTS, "value"] if has_few else list(TEXTS),  # type: ignore[arg-type]
        column_encoding=_ENCODINGS,
        write_page_checksum=True,
    ) as file:
        for start in range(0, len(table), ROW_GROUP):
            file.write_table(table.slice(start, ROW_GROUP).cast(_STORED))


def read_file(path: Path) -> pa.Table:
    """All rows of a segment."""
    return pq.read_table(path, read_dictionary=list(TEXTS))


def _gather(commit: Commit, past: PastRows, said: list[tuple[int, Write]]) -> None:
    for number_, body in enumerate(commit.batch.writes, numbered(commit.position, 0)):
        write = past.read(number_, body)
        if write is not None and corrects(write):
            said.append((number_, write))
