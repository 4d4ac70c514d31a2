"""A broker's log grows small again: what lies long in rows becomes segments of the same log."""

import asyncio
from pathlib import Path

from cityloop.city.clock import wall_time
from cityloop.city.history_process import HistoryProcess
from cityloop.interconnection.broker.packing import Packing
from cityloop.interconnection.broker.sqlite_tables import SqliteTables
from cityloop.interconnection.broker.store import EntityStore
from cityloop.interconnection.sqlite_log import SqliteLog
from cityloop.kernel.ports import API_RUN, API_SOURCE, Batch, Position

START = Position(0)
BODY = b'["delete","urn:x:%d",1]'


def writes(log: SqliteLog) -> list[bytes]:
    return [body for commit in log.read(START) for body in commit.batch.writes]


def test_a_log_that_is_packed_says_the_same_in_less_room(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path, wall_time)
    for sequence in range(1, 6):
        bodies = tuple(BODY % number for number in range(300_000))
        log.append([Batch(API_SOURCE, API_RUN, sequence, writes=bodies)])
    before, size = writes(log), log.path.stat().st_size

    async def pack() -> int:
        process = HistoryProcess()
        try:
            return await process.pack(tmp_path)
        finally:
            await process.close()

    assert asyncio.run(pack()) == 1
    assert log.compacted() == Position(4)  # the rest is too little for a segment
    assert writes(log) == before
    assert sum(f.stat().st_size for f in (tmp_path / "segments").rglob("*.bin")) < size / 5
    log.append([Batch(API_SOURCE, API_RUN, 6, writes=(BODY % 0,))])
    assert log.last() == Position(6)
    log.close()


def test_a_long_log_is_packed_when_nothing_is_written(tmp_path: Path) -> None:
    async def walk() -> Path:
        store = EntityStore(SqliteTables(tmp_path, wall_time), wall_time)
        asked: asyncio.Future[Path] = asyncio.get_running_loop().create_future()

        async def pack(folder: Path) -> int:
            asked.set_result(folder)
            return 0

        packing = Packing(store, pack, quiet_s=0.001, long_bytes=0)
        packing.start()
        found = await asyncio.wait_for(asked, 10)
        await packing.close()
        await store.close()
        return found

    assert asyncio.run(walk()) == tmp_path
