"""Writes a workbook: ``python -m cityloop.web.workbook SHEET FILE`` reads Arrow IPC from stdin.

A process of its own, at low priority; memory stays constant. XlsxWriter rather than openpyxl: it
writes row by row without holding the sheet, and never reads, which is all that is needed.
"""

import os
import sys
from io import IOBase
from typing import Any, cast

import pyarrow as pa
import xlsxwriter

_NICE = 10
_MOST_ROWS = 1_048_575
"""Of a sheet, less the row of names (Excel's specification)."""


def write_workbook(stream: "pa.RecordBatchStreamReader", name: str, path: str) -> None:
    """All batches of ``stream`` as sheets ``name``, ``name 2``, … of a file. Text stays text: it
    never becomes a formula, a number or a link."""
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "nan_inf_to_errors": True,
    }
    with xlsxwriter.Workbook(path, options) as book:
        writer = _Sheets(book, name, stream.schema.names)
        for batch in stream:
            writer.write(batch)


class _Sheets:
    """Rows one after another; a new sheet when one is full."""

    def __init__(self, book: Any, name: str, columns: list[str]) -> None:
        self._book, self._name, self._columns = book, name, columns
        self._bold = book.add_format({"bold": True})
        self._number = 0
        self._begin()

    def _begin(self) -> None:
        self._number += 1
        name = self._name if self._number == 1 else f"{self._name} {self._number}"
        self._sheet = self._book.add_worksheet(name)
        self._sheet.freeze_panes(1, 0)
        self._sheet.write_row(0, 0, self._columns, self._bold)
        self._row = 1

    def write(self, batch: "pa.RecordBatch") -> None:
        """Append the rows of a batch."""
        for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            if self._row > _MOST_ROWS:
                self._begin()
            self._sheet.write_row(self._row, 0, values)
            self._row += 1


def main() -> None:
    """See the module."""
    os.nice(_NICE)
    _, name, path = sys.argv
    write_workbook(pa.ipc.open_stream(cast(IOBase, sys.stdin.buffer)), name, path)


if __name__ == "__main__":
    main()
