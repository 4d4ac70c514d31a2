"""Delta tables below one URL: opened once, followed, and changed so that a kill doubles nothing."""

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import (
    ColumnProperties,
    CommitProperties,
    DeltaTable,
    Transaction,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import DeltaError, TableNotFoundError

from cityloop.kernel.errors import CorruptError

_APP = "cityloop"
_THINNED = "cityloop-thinned"
_PATIENCE = {
    "max_retries": "2",
    "retry_timeout": "15s",
    "connect_timeout": "5s",
    "timeout": "60s",
}
"""Who waits tries again by himself; a table that hangs must not hang him."""
_SETTINGS = {
    "delta.checkpointInterval": "60",
    "delta.logRetentionDuration": "interval 1 days",
    "delta.deletedFileRetentionDuration": "interval 1 hours",
}
_ZSTD_LEVEL = 3
_COLOUR = re.compile(r"\x1b\[\d+m")
_CODE = re.compile(r"<Code>(\w+)</Code>")


class Lake:
    """The tables of one tenant; one process changes them, any number read. Safe from threads.

    ``options``: what the storage needs, as environment variables name it (``AWS_*``). Raises
    OSError while the storage does not answer or refuses, CorruptError for tables that are garbled.
    """

    def __init__(self, url: str, options: Mapping[str, str]) -> None:
        self.url = url.rstrip("/")
        self._options = {**_PATIENCE, **options}
        self._lock = threading.Lock()
        self._tables: dict[str, DeltaTable] = {}

    def reached(self, name: str) -> int:
        """The position up to which a table was written; 0 where there is none."""
        return self._told(name, _APP)

    def thinned(self, name: str) -> int:
        """The position up to which rows may have been taken out of what a table tells of."""
        return self._told(name, _THINNED)

    def _told(self, name: str, app: str) -> int:
        with self._errors(name):
            table = self._newest(name)
            return (table.transaction_version(app) or 0) if table else 0

    def schema(self, name: str) -> pa.Schema | None:
        """The columns of a table; None where there is none."""
        with self._errors(name):
            table = self._newest(name)
            told: Any = table.schema().to_arrow() if table else None
            return None if told is None else pa.schema(told)

    def append(self, name: str, rows: pa.Table, position: int, title: str) -> None:
        """Add rows and that the table reached ``position``, in one commit; made where it is new."""
        with self._errors(name):
            write_deltalake(
                self._newest(name) or f"{self.url}/{name}",
                rows,
                mode="append",
                schema_mode="merge",
                partition_by=["day"] if "day" in rows.column_names else None,
                name=title,
                configuration=_SETTINGS,
                storage_options=self._options,
                writer_properties=_written_as(rows.schema),
                commit_properties=_commit(_APP, position),
            )

    def replace(self, name: str, rows: pa.Table, first: int, last: int) -> None:
        """Put rows in place of all those from ``first`` to ``last`` position, in one commit."""
        where = f"position >= {first} AND position <= {last}"
        with self._errors(name):
            table = self._newest(name)
            if table is None:
                return
            if not rows.num_rows:
                table.delete(where)
                return
            write_deltalake(
                table,
                rows,
                mode="overwrite",
                predicate=where,
                writer_properties=_written_as(rows.schema),
            )

    def thin(self, name: str, position: int) -> None:
        """Note that from now on rows may be missing up to ``position``."""
        with self._errors(name):
            table = self._newest(name)
            if table is not None and position > (table.transaction_version(_THINNED) or 0):
                table.create_write_transaction(
                    [], "append", table.schema(), commit_properties=_commit(_THINNED, position)
                )

    def read(
        self, name: str, first: int, last: int, columns: list[str] | None = None, **equal: object
    ) -> pa.Table | None:
        """Rows from ``first`` to ``last`` position whose columns ``equal`` something; None where
        there is no such table."""
        where = (pc.field("position") >= first) & (pc.field("position") <= last)
        for column, value in equal.items():
            where &= pc.field(column) == value
        with self._errors(name):
            try:
                return self._read(self._newest(name), where, columns)
            except FileNotFoundError:  # merged and swept since
                return self._read(self._newest(name), where, columns)

    def _read(
        self, table: DeltaTable | None, where: pc.Expression, columns: list[str] | None
    ) -> pa.Table | None:
        if table is None:
            return None
        return table.to_pyarrow_dataset().to_table(columns, filter=where)

    def sweep(self, name: str, readers_stay_h: int = 1) -> None:
        """Remove files that no snapshot of the last hours names."""
        with self._errors(name):
            table = self._newest(name)
            if table is not None:
                table.vacuum(
                    readers_stay_h, dry_run=False, enforce_retention_duration=False, full=True
                )
                table.cleanup_metadata()

    def bytes(self, name: str) -> int:
        """What a table's files hold."""
        with self._errors(name):
            table = self._newest(name)
            if table is None:
                return 0
            return int(np.sum(pa.table(table.get_add_actions())["size_bytes"].to_numpy()))

    def _newest(self, name: str) -> DeltaTable | None:
        """The table as it is now."""
        with self._lock:
            table = self._tables.get(name)
            if table is not None:
                table.update_incremental()
                return table
            try:
                table = DeltaTable(f"{self.url}/{name}", storage_options=self._options)
            except TableNotFoundError:
                return None
            return self._tables.setdefault(name, table)

    @contextmanager
    def _errors(self, name: str) -> Iterator[None]:
        place = f"{self.url}/{name}"
        try:
            yield
        except FileNotFoundError as error:
            raise CorruptError(f"{place} lacks a file that it names: {_brief(error)}") from error
        except (OSError, DeltaError) as error:
            raise OSError(f"{place}: {_brief(error)}") from error
        except pa.ArrowInvalid as error:
            raise CorruptError(f"{place}: {error}; restore it from a backup") from error


def _commit(app: str, position: int) -> CommitProperties:
    return CommitProperties(app_transactions=[Transaction(app, position)])


def _written_as(schema: pa.Schema) -> WriterProperties:
    """Numbers that rise row by row as differences; the rest with dictionaries where they pay."""
    rising = ColumnProperties(dictionary_enabled=False, encoding="DELTA_BINARY_PACKED")
    return WriterProperties(
        compression="ZSTD",
        compression_level=_ZSTD_LEVEL,
        column_properties={
            name: rising for name in ("observedAt", "position") if name in schema.names
        },
    )


def _brief(error: Exception) -> str:
    """The cause in a few words: what the storage calls it, or else the end of a chain of causes."""
    text = _COLOUR.sub("", str(error))
    if code := _CODE.search(text):
        return f"the storage answers {code[1]}"
    causes: list[Any] = [line.strip(" ↳\t") for line in text.splitlines() if line.strip(" ↳\t")]
    return str(causes[-1]) if causes else type(error).__name__
