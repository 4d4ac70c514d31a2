"""Tables as files: every row of a table, as CSV while it is read, or as a workbook."""

import re
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Annotated, Literal, TypeAlias, get_args

import msgspec
import pyarrow as pa
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response, StreamingResponse

from cityloop.city.surface_past import RecordTable
from cityloop.kernel.errors import MissingError
from cityloop.web.export import CSV, XLSX, csv_pieces, write_workbook
from cityloop.web.port import CityPort
from cityloop.web.route import get
from cityloop.web.tables_now import NOW

Form = Literal["csv", "xlsx"]
Time = Annotated[datetime, msgspec.Meta(tz=True)]
Batches: TypeAlias = "AsyncIterator[pa.RecordBatch]"


class ExportQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Query of ``GET /api/export/{table}.{form}``: the newest run, whole, where nothing is said."""

    run: str | None = None
    since: Time | None = None
    until: Time | None = None


Source = Callable[[ExportQuery], Batches]


class ExportRoutes:
    """/api/export: one address for every table that somebody may take away."""

    def __init__(self, city: CityPort) -> None:
        self._city = city
        self._tables: dict[str, Source] = {}
        for name in get_args(RecordTable):
            self._tables[name] = self._recorded(name)
        for name in NOW:
            self._tables[name] = self._now(name)

    def _now(self, name: str) -> Source:
        async def rows(_query: ExportQuery) -> Batches:
            yield await NOW[name](self._city)

        return rows

    def _recorded(self, name: RecordTable) -> Source:
        return lambda q: self._city.past.table(name, q.run, q.since, q.until)

    @get(
        "/api/export/{table}.{form}",
        "A table as CSV or as a workbook",
        media=(CSV, XLSX),
    )
    async def export(self, table: str, form: Form, query: ExportQuery) -> Response:
        """Times in UTC. Texts that a spreadsheet would take as formulas get an apostrophe."""
        if table not in self._tables:
            there = ", ".join(sorted(self._tables))
            raise MissingError(f"There is no table {table}; there are: {there}.")
        batches = await _begun(self._tables[table](query))
        name = re.sub(r"[^\w.-]", "_", "-".join(filter(None, (table, query.run)))) + f".{form}"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        headers["cache-control"] = "no-store"
        if form == "csv":
            return StreamingResponse(csv_pieces(batches), headers=headers, media_type=CSV)
        path = await write_workbook(batches, table)
        done = BackgroundTask(path.unlink)
        return FileResponse(path, headers=headers, media_type=XLSX, background=done)


async def _begun(batches: Batches) -> Batches:
    """The same, after the first piece was read: what is missing is told before the answer begins.

    Raises whatever reading raises.
    """
    first = await anext(batches, None)

    async def again() -> Batches:
        if first is not None:
            yield first
        async for batch in batches:
            yield batch

    return again()
