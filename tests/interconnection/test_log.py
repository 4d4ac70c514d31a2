"""The log: in order, without a gap, each batch once, and what was acknowledged is never missing."""

import os
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from cityloop.interconnection.sqlite_log import SqliteLog
from cityloop.interconnection.tenant import Place, open_log
from cityloop.kernel.clock import CityTime, Clock
from cityloop.kernel.errors import CorruptError
from cityloop.kernel.frame import EntityIds, frame
from cityloop.kernel.ports import Batch, Position
from cityloop.standards.arrow import write_batch

Tick = Callable[..., Batch]
START = Position(0)

WRITER = """
import sys
from cityloop.interconnection.tenant import open_log, read_place
from cityloop.interconnection.writer import LogWriter
from cityloop.kernel.clock import CityTime, WallTime
from cityloop.kernel.frame import EntityIds, frame
from cityloop.kernel.ports import Batch

clock = lambda: WallTime(0)
log = open_log(read_place(sys.argv[1]), clock)
writer = LogWriter(log, clock)
ids = EntityIds([f"urn:ngsi-ld:Lamp:{i}" for i in range(50)])

def tell(sequence, done):
    if not done.exception():
        print(sequence, flush=True)

for sequence in range(log.sequence("s", "r") + 1, 1_000_000):
    level = [sequence + i for i in range(50)]
    part = frame("Lamp", "r", CityTime(sequence), ids, level=level)
    future = writer.submit(Batch("s", "r", sequence, (part,)))
    future.add_done_callback(lambda done, sequence=sequence: tell(sequence, done))
    if sequence % 7 == 0:
        future.result()
"""


def test_batches_are_read_back_in_order_as_they_were(
    place: Place, clock: Clock, tick: Tick
) -> None:
    log = open_log(place, clock)
    batches = [tick(sequence) for sequence in range(1, 400)]
    assert log.append(batches) == log.last() == 399
    commits = list(log.read(START))
    assert [commit.position for commit in commits] == list(range(1, 400))
    assert [write_batch(c.batch) for c in commits] == [write_batch(b) for b in batches]


def test_reading_starts_after_a_position_and_ends_at_one(
    place: Place, clock: Clock, tick: Tick
) -> None:
    log = open_log(place, clock)
    log.append([tick(sequence) for sequence in range(1, 9)])
    assert [c.position for c in log.read(Position(3), Position(5))] == [4, 5]
    assert list(log.read(Position(8))) == []


def test_a_batch_sent_again_is_not_committed_again(place: Place, clock: Clock, tick: Tick) -> None:
    log = open_log(place, clock)
    log.append([tick(1), tick(2)])
    assert log.append([tick(2), tick(3), tick(3)]) == 3
    assert [commit.batch.sequence for commit in log.read(START)] == [1, 2, 3]


def test_sequences_are_counted_per_source_and_run(place: Place, clock: Clock, tick: Tick) -> None:
    log = open_log(place, clock)
    log.append([tick(1, "r1"), tick(2, "r1"), tick(1, "r2")])
    assert [log.sequence("twin", run) for run in ("r1", "r2", "r3")] == [2, 1, 0]


def test_another_log_at_the_same_place_reads_what_this_one_commits(
    place: Place, clock: Clock, tick: Tick
) -> None:
    log = open_log(place, clock)
    reader = open_log(place, clock, readonly=True)
    for sequence in range(1, 4):
        log.append([tick(sequence)])
        assert reader.last() == sequence
    assert len(list(reader.read(START))) == 3
    with pytest.raises(PermissionError, match="reading only"):
        reader.append([tick(4)])


def test_of_a_failed_append_nothing_is_committed(place: Place, clock: Clock, tick: Tick) -> None:
    log = open_log(place, clock)
    bad = Batch("twin", "r1", 2, (frame("L", "r1", CityTime(0), EntityIds("a"), level=[1j]),))
    with pytest.raises(ValueError, match="complex128"):
        log.append([tick(1), bad])
    assert log.last() == 0


def test_on_a_full_disk_nothing_is_committed_and_later_it_goes_on(
    tmp_path: Path, clock: Clock, tick: Tick
) -> None:
    log = SqliteLog(tmp_path, clock)
    log.append([tick(1)])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "log.db-wal").stat().st_size, hard))
    try:
        with pytest.raises(OSError, match=r"log\.db"):
            log.append([tick(sequence) for sequence in range(2, 40)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert log.last() == 1
    assert log.append([tick(2)]) == 2
    assert [commit.batch.sequence for commit in log.read(START)] == [1, 2]


def test_a_garbled_row_is_named_with_its_position(place: Place, clock: Clock, tick: Tick) -> None:
    log = open_log(place, clock)
    log.append([tick(1), tick(2)])
    with closing(log.open(readonly=False)) as database:
        database.execute("UPDATE batches SET body = substr(body, 1, 100) WHERE position = 2")
    with pytest.raises(CorruptError, match=r"log.* position 2: .* cut or garbled"):
        list(log.read(START))


def kill_a_writer(place: Place, after_lines: int) -> list[int]:
    """Let a process commit and acknowledge, kill it at once; what it acknowledged."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(place)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    told = [int(process.stdout.readline()) for _ in range(after_lines)]
    os.kill(process.pid, signal.SIGKILL)
    # The last line may be cut short by the kill.
    told += [int(line) for line in process.stdout.read().splitlines(keepends=True) if "\n" in line]
    process.stdout.close()
    process.wait()
    return told


def check_a_killed_writer(place: Place, clock: Clock, kills: int) -> None:
    chance = random.Random(1)
    acknowledged = 0
    for _ in range(kills):
        acknowledged = max([acknowledged, *kill_a_writer(place, chance.randrange(1, 60))])
        sequences = [c.batch.sequence for c in open_log(place, clock, readonly=True).read(START)]
        assert sequences == list(range(1, len(sequences) + 1))
        assert len(sequences) >= acknowledged


def test_a_killed_writer_loses_and_repeats_nothing_it_acknowledged(
    place: Place, clock: Clock
) -> None:
    check_a_killed_writer(place, clock, kills=4)


@pytest.mark.slow
def test_a_writer_killed_many_times_loses_and_repeats_nothing_it_acknowledged(
    place: Place, clock: Clock
) -> None:
    check_a_killed_writer(place, clock, kills=80)
