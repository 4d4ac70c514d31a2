"""Arrow batches as files that people open: CSV while it is read, a workbook in one piece."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from tempfile import mkstemp
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from cityloop.kernel.errors import BusyError

CSV = "text/csv; charset=utf-8"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
FORMULA = r"^([=+\-@\t\r\n])"
"""How a text begins that a spreadsheet would carry out when it opens a CSV file (OWASP, CSV
Injection)."""


async def csv_pieces(batches: "AsyncIterator[pa.RecordBatch]") -> AsyncIterator[bytes]:
    """A CSV file (RFC 4180, UTF-8), a piece per batch, the names of the columns first."""
    header = True
    async for batch in batches:
        into = BytesIO()
        options = csv.WriteOptions(include_header=header)
        csv.write_csv(harmless(batch), into, options)
        header = False
        yield into.getvalue()


def harmless(batch: "pa.RecordBatch") -> "pa.RecordBatch":
    """The batch with an apostrophe before every text that a spreadsheet would take as a formula."""
    columns = [
        pc.replace_substring_regex(column, FORMULA, r"'\1")
        if pa.types.is_string(column.type)
        else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


async def write_workbook(batches: "AsyncIterator[pa.RecordBatch]", sheet: str) -> Path:
    """A temporary XLSX file of the batches; whoever asked for it removes it.

    A spreadsheet costs a second of CPU per 100,000 cells, so another process writes it, at low
    priority. Raises BusyError when that process fails.
    """
    handle, name = mkstemp(prefix="cityloop-", suffix=".xlsx")
    os.close(handle)
    command = [sys.executable, "-m", "cityloop.web.workbook", sheet, name]
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE)
    try:
        await _feed(process, batches)
    except BaseException:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await asyncio.to_thread(Path(name).unlink)
        raise
    return Path(name)


async def _feed(process: asyncio.subprocess.Process, batches: AsyncIterator[Any]) -> None:
    """Send the batches as an Arrow IPC stream and wait for the end."""
    if process.stdin is None:
        raise TypeError("the process was started without a pipe")
    into, writer = BytesIO(), None
    async for batch in batches:
        writer = writer or pa.ipc.new_stream(into, batch.schema)
        writer.write_batch(batch)
        process.stdin.write(into.getvalue())
        into.seek(0)
        into.truncate()
        await process.stdin.drain()
    if writer is not None:
        writer.close()
        process.stdin.write(into.getvalue())
    process.stdin.close()
    if await process.wait():
        raise BusyError("The workbook could not be written; the server's log says why.")
