"""The process that folds the history may be killed: it goes on where it was."""

import asyncio
from pathlib import Path

import psutil

from cityloop.city.clock import wall_time
from cityloop.city.history_process import HistoryProcess
from cityloop.interconnection.broker.past_files import PastFiles
from cityloop.interconnection.sqlite_log import SqliteLog
from cityloop.kernel.ports import Batch, Position
from cityloop.standards.cim.writes import Put, write_write


def put(number: int) -> bytes:
    instance = {"type": "Property", "value": number, "createdAt": 1, "modifiedAt": number}
    kept = {"id": "urn:a:1", "type": ["T"], "createdAt": 1, "modifiedAt": number}
    return write_write(Put({**kept, "attrs": {"https://example.org/a": {"": instance}}}))


def append(log: SqliteLog, sequence: int) -> None:
    writes = tuple(put(sequence * 100 + number) for number in range(100))
    log.append([Batch("ngsi-ld", "api", sequence, writes=writes)])


def values(history: Path) -> list[float]:
    files = PastFiles(history)
    found = [
        value
        for segment in files.now().segments
        for piece in segment.of("urn:a:1")
        for value in piece.table()["value"].to_pylist()
    ]
    files.close()
    return sorted(found)


def test_each_write_is_in_the_files_once_though_the_process_is_killed(tmp_path: Path) -> None:
    history = tmp_path / "history"

    async def run() -> None:
        log, process = SqliteLog(tmp_path, wall_time), HistoryProcess()
        append(log, 1)
        assert await process.fold(str(tmp_path), history, Position(1)) == 1
        (child,) = psutil.Process().children()
        append(log, 2)
        child.kill()
        assert await process.fold(str(tmp_path), history, Position(2)) == 2
        await process.close()
        log.close()

    asyncio.run(run())
    assert values(history) == list(range(100, 300))


def test_a_file_that_a_kill_left_without_a_name_goes(tmp_path: Path) -> None:
    history = tmp_path / "history"

    async def run() -> None:
        log, process = SqliteLog(tmp_path, wall_time), HistoryProcess()
        append(log, 1)
        await process.fold(str(tmp_path), history, Position(1))
        await process.close()
        half = history / "000000000002-000000000009.0.parquet"
        half.write_bytes(b"half")
        append(log, 2)
        again = HistoryProcess()
        await again.fold(str(tmp_path), history, Position(2))
        await again.close()
        log.close()
        assert not half.exists()

    asyncio.run(run())
    assert values(history) == list(range(100, 300))
