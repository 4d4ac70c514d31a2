"""Rows of a CSV table that a person wrote; what is wrong in one names file, line, what, how."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import NoReturn

from cityloop.kernel.errors import MistakeError


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table; what it gives is checked. Each method raises MistakeError."""

    table: str
    line: int
    cells: Mapping[str, str]

    def fail(self, what: str, mend: str) -> NoReturn:
        """Raise MistakeError: file, line, what is wrong, how to mend it."""
        raise MistakeError(self.table, self.line, what, mend)

    def text(self, column: str) -> str:
        """A cell that must not be empty."""
        value = self.cells[column]
        return value or self.fail(f"{column} is empty", "fill it in")

    def number(
        self, column: str, least: float = float("-inf"), most: float = float("inf")
    ) -> float:
        """A number from ``least`` to ``most``."""
        try:
            value = float(self.text(column))
        except ValueError:
            self.fail(f"{column} is {self.cells[column]!r}", "write a number")
        # A number that is none compares as false.
        if not least <= value <= most or value in (inf, -inf):
            self.fail(f"{column} is {value:g}", _span(least, most))
        return value

    def count(self, column: str, least: int = 0) -> int:
        """A whole number of at least ``least``."""
        value = self.number(column, least)
        return int(value) if value == int(value) else self.fail(f"{column} is {value}", "no part")

    def choice(self, column: str, among: Iterable[str]) -> str:
        """One of the words ``among``."""
        value, words = self.text(column), tuple(among)
        return value if value in words else self.fail(f"{column} is {value!r}", f"one of {words}")


def _span(least: float, most: float) -> str:
    if most == inf:
        return "write a number" if least == -inf else f"at least {least:g}"
    return f"{least:g} to {most:g}"


def read_rows(content: bytes, table: str, columns: Sequence[str]) -> list[Row]:
    """The lines of a table with at least ``columns``; ``table`` is its name in messages.

    Raises MistakeError when it is not UTF-8, lacks a column or has no line below the header. Quoted
    cells may span lines: a row's line is its last.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise MistakeError(table, line, "this is not UTF-8", "save the table as UTF-8") from None
    reader = csv.DictReader(io.StringIO(text, newline=""), restval="", restkey="")
    try:
        missing = [name for name in columns if name not in (reader.fieldnames or ())]
        if missing:
            mend = f"the header needs {', '.join(columns)}"
            raise MistakeError(table, 1, f"no column {missing[0]}", mend)
        rows = [Row(table, reader.line_num, {k: v for k, v in r.items() if k}) for r in reader]
    except csv.Error as error:
        raise MistakeError(
            table, reader.line_num, f"this is no CSV: {error}", "mend the line"
        ) from None
    if not rows:
        raise MistakeError(table, 2, "the table is empty", "add at least one line")
    return rows
