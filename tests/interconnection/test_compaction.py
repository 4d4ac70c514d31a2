"""Compaction and history: where a batch lies shows in nothing but the space it takes."""

import fcntl
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.interconnection.conftest import log_in

from cityloop.interconnection.compaction import compact
from cityloop.interconnection.history import ParquetHistory
from cityloop.interconnection.log import StoredLog
from cityloop.interconnection.segments import read_segment, write_segment
from cityloop.interconnection.sqlite_log import SqliteLog
from cityloop.kernel.changes import Change, read_frames
from cityloop.kernel.clock import CityTime, Clock, WallTime
from cityloop.kernel.errors import BusyError, CorruptError
from cityloop.kernel.frame import EntityIds, frame
from cityloop.kernel.ports import API_RUN, API_SOURCE, Batch, Commit, Position
from cityloop.standards.arrow import write_batch

Tick = Callable[..., Batch]
OpenLog = Callable[..., StoredLog]
START = Position(0)

KILLED = """
import os, signal, sys
from pathlib import Path
from cityloop.interconnection import compaction
from cityloop.kernel.clock import WallTime

kill_at, line = int(sys.argv[2]), 0
here = Path(compaction.__file__).parent
names = ("cold", "compaction", "log", "segments", "sqlite_log", "delta/cold", "delta/lake")
watched = {str(here / f"{name}.py") for name in names}

def count(frame, event, argument):
    global line
    if frame.f_code.co_filename not in watched:
        return None
    line += 1
    if line == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
    return count

from tests.interconnection.conftest import log_in

opened = log_in(Path(sys.argv[1]), lambda: WallTime(0), sys.argv[3])
sys.settrace(count)
compaction.compact(opened, 20)
sys.settrace(None)
print(line)
"""


changes = st.builds(
    Change,
    type=st.sampled_from(["Lamp", "https://x/y z"]),
    entity=st.sampled_from(["urn:l:1", "urn:l:2", ""]),
    attribute=st.sampled_from(["level", "id", "a.b", "?absent"]),
    run=st.sampled_from(["r1", "r2"]),
    observed_at=st.integers(0, 3).map(CityTime),
    value=st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(),
    operation=st.sampled_from(["set", "set", "set", "delete"]),
)


def as_bytes(log: StoredLog) -> list[tuple[int, int, bytes]]:
    return [(c.position, c.committed_at, write_batch(c.batch)) for c in log.read(START)]


def times(log: StoredLog, since: int = 0, until: int = 10**9, type_: str = "Lamp") -> list[int]:
    found = ParquetHistory(log).frames(type_, "r1", CityTime(since), CityTime(until))
    return [part.observed_at for part in found]


@pytest.fixture
def log(tmp_path: Path, clock: Clock, tick: Tick, open_log: OpenLog) -> StoredLog:
    """A log of 50 batches."""
    return filled(open_log(tmp_path, clock), tick)


@pytest.fixture
def log_in_folder(tmp_path: Path, clock: Clock, tick: Tick) -> StoredLog:
    """The same, its cold half in a folder."""
    return filled(SqliteLog(tmp_path, clock), tick)


def filled(log: StoredLog, tick: Tick) -> StoredLog:
    log.append([tick(sequence) for sequence in range(1, 51)])
    return log


def test_a_compacted_log_reads_as_before(log: StoredLog) -> None:
    before = as_bytes(log)
    assert compact(log, 20) == 2
    assert (log.compacted(), log.last()) == (40, 50)
    assert as_bytes(log) == before


def test_one_call_makes_no_more_segments_than_asked(log: StoredLog) -> None:
    assert compact(log, 20, at_most=1) == 1
    assert log.compacted() == 20


def test_reading_may_begin_and_end_within_a_segment(log: StoredLog) -> None:
    compact(log, 20)
    for after, until in ((0, 5), (7, 33), (19, 21), (38, 45), (40, 50)):
        found = [commit.position for commit in log.read(Position(after), Position(until))]
        assert found == list(range(after + 1, until + 1))


def test_a_reader_that_began_before_compaction_sees_every_batch_once(log: StoredLog) -> None:
    reading = log.read(START)
    begun = [next(reading).position for _ in range(3)]
    compact(log, 20)
    assert begun + [commit.position for commit in reading] == list(range(1, 51))


def test_a_batch_in_a_segment_is_still_known_as_committed(log: StoredLog, tick: Tick) -> None:
    compact(log, 50)
    assert log.sequence("twin", "r1") == 50
    assert log.append([tick(7), tick(51)]) == 51


def test_positions_go_on_when_everything_lies_in_segments(log: StoredLog, tick: Tick) -> None:
    compact(log, 50)
    assert log.append([tick(1, "r2")]) == 51
    assert [commit.batch.run for commit in log.read(Position(49))] == ["r1", "r2"]


def test_rows_and_their_space_leave_the_database(log: StoredLog) -> None:
    compact(log, 25)
    with closing(log.open(readonly=True)) as database:
        assert database.execute("SELECT count(*) FROM batches") == [(0,)]
        if isinstance(log, SqliteLog):
            assert database.execute("PRAGMA freelist_count") == [(0,)]


def test_history_is_the_same_before_and_after_compaction(log: StoredLog) -> None:
    before = [times(log), times(log, 10_000, 31_000), times(log, 45_000, 99_000)]
    compact(log, 20)
    assert [times(log), times(log, 10_000, 31_000), times(log, 45_000, 99_000)] == before
    assert before[1] == [12_000, 15_000, 18_000, 21_000, 24_000, 27_000, 30_000]


def test_history_is_in_order_of_city_time_even_where_the_log_is_not(
    tmp_path: Path, clock: Clock, tick: Tick, open_log: OpenLog
) -> None:
    log = open_log(tmp_path, clock)
    log.append([tick(sequence) for sequence in (30, 3, 27, 6, 24, 9, 21, 12, 18, 15)])
    compact(log, 3)
    assert times(log) == [at * 1000 for at in range(3, 31, 3)]


def test_history_keeps_runs_apart(log: StoredLog, tick: Tick) -> None:
    log.append([tick(3, "r2")])
    compact(log, 51)
    found = list(ParquetHistory(log).frames("Lamp", "r2", CityTime(0), CityTime(9999)))
    assert [(part.run, part.observed_at) for part in found] == [("r2", 3000)]


def test_any_reader_of_parquet_understands_a_segment(
    log_in_folder: StoredLog, tmp_path: Path
) -> None:
    compact(log_in_folder, 50)
    file = next(tmp_path.glob("segments/*/LaneDetector.*.parquet"))
    rows = pq.read_table(file).to_pylist()
    assert (len(rows), list(rows[0])) == (
        600,
        ["id", "observedAt", "run", "vehicleCount", "meanSpeed"],
    )
    keys = [(row["id"], row["observedAt"]) for row in rows]
    assert keys[:50] == sorted(keys[:50])
    assert all((row["meanSpeed"] is None) == (row["vehicleCount"] == 0) for row in rows)


def test_awkward_names_survive_compaction(tmp_path: Path, clock: Clock, open_log: OpenLog) -> None:
    log = open_log(tmp_path, clock)
    names = ["id", "run", "observedAt", "a?absent", "a", "", "x.y", "ü"]
    part = frame(
        "https://x/y z", "r1", CityTime(0), EntityIds("ab"), **{name: [1, 2] for name in names}
    )
    log.append([Batch("s", "r1", 1, (part,)), Batch("s", "r1", 2)])
    before = as_bytes(log)
    compact(log, 2)
    assert as_bytes(log) == before


# Each example waits for the disk several times.
@settings(max_examples=25)
@given(st.lists(st.lists(changes, max_size=6), min_size=1, max_size=4))
def test_whatever_batches_hold_survives_a_segment(groups: list[list[Change]]) -> None:
    commits = []
    for number, group in enumerate(groups, 1):
        frames, rest = read_frames(group)
        batch = Batch("s", "r1", number, tuple(frames), tuple(rest))
        commits.append(Commit(Position(number), WallTime(number), batch))
    with TemporaryDirectory() as folder:
        write_segment(Path(folder), commits)
        found = list(read_segment(Path(folder)))
    assert [c.position for c in found] == [c.position for c in commits]
    assert [write_batch(c.batch) for c in found] == [write_batch(c.batch) for c in commits]


def test_a_garbled_segment_is_named(log_in_folder: StoredLog, tmp_path: Path) -> None:
    compact(log_in_folder, 50)
    file = next(tmp_path.glob("segments/*/LaneDetector.*.parquet"))
    body = bytearray(file.read_bytes())
    body[40] ^= 0xFF
    file.write_bytes(bytes(body))
    with pytest.raises(CorruptError, match=r"LaneDetector\.0\.parquet"):
        list(log_in_folder.read(START))


def test_one_process_compacts_at_a_time(log_in_folder: StoredLog, tmp_path: Path) -> None:
    with (tmp_path / "compaction.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BusyError, match="compacted by another process"):
            compact(log_in_folder, 20)


def kill_compaction(folder: Path, line: int, history: str) -> bool:
    """Compact in a process that is killed at its ``line``-th line; whether it got so far."""
    command = [sys.executable, "-c", KILLED, str(folder), str(line), history]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


def check_killed_compaction(
    folder: Path, clock: Clock, tick: Tick, lines: list[int], history: str = "folder"
) -> None:
    log = log_in(folder, clock, history)
    sequence = 0
    for line in lines:
        while log.last() - log.compacted() < 45:
            sequence += 1
            log.append([tick(sequence)])
        before = as_bytes(log)
        assert kill_compaction(folder, line, history)
        assert as_bytes(log) == before
        assert times(log) == [at * 1000 for at in range(3, sequence + 1, 3)]
    compact(log, 20)
    assert as_bytes(log) == before
    assert not list(folder.glob("segments/*.new"))


def test_compaction_killed_anywhere_loses_and_repeats_nothing(
    tmp_path: Path, clock: Clock, tick: Tick
) -> None:
    check_killed_compaction(tmp_path, clock, tick, [900, 2440, 2790, 5300])


@pytest.mark.slow
def test_compaction_killed_at_many_points_loses_and_repeats_nothing(
    tmp_path: Path, clock: Clock, tick: Tick
) -> None:
    check_killed_compaction(tmp_path, clock, tick, list(range(40, 5300, 71)))


def test_what_clients_wrote_is_found_in_chunks_and_rows_alike(
    tmp_path: Path, tick: Tick, open_log: OpenLog
) -> None:
    log = open_log(tmp_path, lambda: WallTime(0))
    said = [Batch(API_SOURCE, API_RUN, n, writes=(b"%d" % n,)) for n in range(1, 13)]
    for number, batch in enumerate(said, 1):
        log.append([tick(2 * number - 1), batch])
    compact(log, 10)
    assert [commit.batch for commit in log.writes(Position(0))] == said
    assert [c.position for c in log.writes(Position(5), Position(22))] == list(range(6, 23, 2))
    log.close()
