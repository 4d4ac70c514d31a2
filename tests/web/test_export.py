"""Tables as files: complete, and harmless to whoever opens them."""

import asyncio
import csv
import io
import zipfile
from collections.abc import AsyncIterator
from xml.etree import ElementTree as ET

import httpx
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.web.conftest import Served

from cityloop.web.export import csv_pieces, harmless, write_workbook

SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


async def batches(*tables: dict[str, list[object]]) -> AsyncIterator[pa.RecordBatch]:
    for table in tables:
        yield pa.RecordBatch.from_pydict(table)


def cells(xlsx: bytes, sheet: int = 1) -> list[list[str | float | None]]:
    """The values of a sheet, read as the standard says (ECMA-376)."""
    with zipfile.ZipFile(io.BytesIO(xlsx)) as book:
        root = ET.fromstring(book.read(f"xl/worksheets/sheet{sheet}.xml"))
    rows: list[list[str | float | None]] = []
    for row in root.iter(f"{SHEET}row"):
        rows.append([])
        for cell in row:
            assert cell.find(f"{SHEET}f") is None, "a formula"
            text = cell.find(f"{SHEET}is/{SHEET}t")
            value = cell.find(f"{SHEET}v")
            number = None if value is None else float(value.text or "nan")
            rows[-1].append(number if text is None else text.text)
    return rows


def test_every_decision_of_a_run_is_exported_once(served: Served, client: httpx.Client) -> None:
    served.advance(600)
    answer = client.get("/api/export/decisions.csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="decisions.csv"'
    assert [int(row["number"]) for row in rows] == [r.number for r in served.city.recorded]
    assert rows[0]["reason"] == served.city.recorded[0].reason


def test_a_workbook_holds_what_the_csv_holds(served: Served, client: httpx.Client) -> None:
    served.advance(60)
    told = list(csv.reader(io.StringIO(client.get("/api/export/decisions.csv").text)))
    head, *rows = cells(client.get("/api/export/decisions.xlsx").content)
    assert head == told[0]
    assert [row[0] for row in rows] == [float(row[0]) for row in told[1:]]
    assert [row[4] for row in rows] == [row[4] for row in told[1:]]


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("calendar", "plan"),
        ("loops", "group"),
        ("plans", "junction"),
        ("rejects", "reason"),
        ("retention", "type"),
        ("sensors", "id"),
        ("sources", "name"),
    ],
)
def test_what_has_no_history_is_exported_as_it_is_now(
    client: httpx.Client, table: str, column: str
) -> None:
    told = client.get(f"/api/export/{table}.csv")
    assert column in next(csv.reader(io.StringIO(told.text)))
    head = cells(client.get(f"/api/export/{table}.xlsx").content)[0]
    assert column in head


def test_a_table_that_does_not_exist_is_told_with_those_that_do(client: httpx.Client) -> None:
    answer = client.get("/api/export/secrets.csv")
    assert answer.status_code == 404
    assert "decisions" in answer.json()["detail"]
    assert client.get("/api/export/decisions.exe").status_code == 404


@given(st.text(max_size=20))
def test_no_text_of_a_csv_begins_like_a_formula(text: str) -> None:
    batch = harmless(pa.RecordBatch.from_pydict({"a": [text]}))
    (told,) = batch.column(0).to_pylist()
    assert told[:1] not in {"=", "+", "-", "@", "\t", "\r", "\n"}
    assert told in (text, f"'{text}")


def test_negative_numbers_of_a_csv_stay_numbers() -> None:
    async def story() -> bytes:
        return b"".join([piece async for piece in csv_pieces(batches({"gain_s": [-3.5]}))])

    assert asyncio.run(story()) == b'"gain_s"\n-3.5\n'


@pytest.mark.parametrize("text", ["=1+1", "http://evil.example", "+491", "007", "@here"])
def test_text_of_a_workbook_stays_text(text: str) -> None:
    async def story() -> bytes:
        path = await write_workbook(batches({"a": [text]}), "table")
        try:
            return path.read_bytes()
        finally:
            path.unlink()

    assert cells(asyncio.run(story())) == [["a"], [text]]
