"""Retention: what is old is thinned, then erased; positions, sequences and records stay."""

import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.interconnection.conftest import log_in

from cityloop.interconnection.compaction import compact
from cityloop.interconnection.history import ParquetHistory
from cityloop.interconnection.log import StoredLog
from cityloop.interconnection.retention import Retention
from cityloop.interconnection.thinning import thinned
from cityloop.kernel.clock import CityTime, WallTime
from cityloop.kernel.frame import EntityIds, frame
from cityloop.kernel.ports import Batch, Commit, Position
from cityloop.kernel.rows import Rows
from cityloop.standards.arrow import write_batch
from cityloop.standards.retention import Keep

Tick = Callable[..., Batch]
DAY_MS = 86_400_000
KEEPS = {
    "LaneDetector": Keep("LaneDetector", "P1D", 10.0, "P3D"),
    "Lamp": Keep("Lamp", "P2D", None, "P2D"),
}
EVERYTHING = Position(10**9)

KILLED = """
import os, signal, sys
from pathlib import Path
from cityloop.interconnection import retention
from cityloop.kernel.clock import WallTime
from cityloop.kernel.ports import Position
from tests.interconnection.conftest import log_in
from tests.interconnection.test_retention import DAY_MS, EVERYTHING, KEEPS

kill_at, day, line = int(sys.argv[2]), int(sys.argv[3]), 0
here = Path(retention.__file__).parent
own = ("cold", "compaction", "log", "retention", "segments", "sqlite_log")
watched = {str(here / f"{name}.py") for name in (*own, "thinning", "delta/cold", "delta/lake")}

def count(frame, event, argument):
    global line
    if frame.f_code.co_filename not in watched:
        return None
    line += 1
    if line == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
    return count

opened = log_in(Path(sys.argv[1]), lambda: WallTime(0), sys.argv[4])
sys.settrace(count)
retention.Retention(opened).apply(KEEPS, WallTime(day * DAY_MS), EVERYTHING)
sys.settrace(None)
print(line)
"""


@pytest.fixture
def log(tmp_path: Path, tick: Tick, history: str) -> StoredLog:
    """60 batches in three segments, all committed on day 0."""
    return filled(tmp_path, tick, history)


def filled(folder: Path, tick: Tick, history: str = "folder") -> StoredLog:
    log = log_in(folder, lambda: WallTime(0), history)
    log.append([tick(sequence) for sequence in range(1, 61)])
    compact(log, 20)
    return log


def apply(log: StoredLog, day: float, keeps: dict[str, Keep] | None = None) -> int:
    now = WallTime(round(day * DAY_MS))
    return Retention(log).apply(KEEPS if keeps is None else keeps, now, EVERYTHING)


def seconds(log: StoredLog, type_: str) -> list[int]:
    found = ParquetHistory(log).frames(type_, "r1", CityTime(0), CityTime(10**9))
    return [part.observed_at // 1000 for part in found]


def whole(log: StoredLog) -> list[tuple[int, str, int]]:
    return [(c.position, c.batch.run, c.batch.sequence) for c in log.read(Position(0))]


def test_what_is_young_is_left_as_it_is(log: StoredLog) -> None:
    assert apply(log, 0.9) == 0
    assert len(seconds(log, "LaneDetector")) == 60


def test_what_is_older_is_sampled_and_small_segments_become_one(log: StoredLog) -> None:
    assert apply(log, 1.5) == 3
    assert seconds(log, "LaneDetector") == [1, 10, 20, 30, 40, 50, 60]
    assert len(seconds(log, "Lamp")) == 20
    assert apply(log, 1.6) == 0


def test_what_is_oldest_is_erased(log: StoredLog) -> None:
    for day in (1.5, 2.5, 3.5):
        apply(log, day)
    assert (seconds(log, "LaneDetector"), seconds(log, "Lamp")) == ([], [])


def test_every_commit_keeps_its_position_and_is_known_as_committed(
    log: StoredLog, tick: Tick
) -> None:
    before = whole(log)
    for day in (1.5, 2.5, 3.5):
        apply(log, day)
        assert whole(log) == before
    assert log.sequence("twin", "r1") == 60
    assert log.append([tick(7), tick(61)]) == 61


def test_reading_may_begin_anywhere_in_a_merged_segment(log: StoredLog) -> None:
    apply(log, 1.5)
    for after, until in ((0, 5), (19, 21), (38, 45), (59, 60)):
        found = [commit.position for commit in log.read(Position(after), Position(until))]
        assert found == list(range(after + 1, until + 1))


def test_a_reader_that_is_in_a_segment_finds_it_whole(log: StoredLog) -> None:
    reading = log.read(Position(0))
    begun = next(reading)
    apply(log, 3.5)
    compact(log, 20)
    assert len(begun.batch.frames) > 0
    assert [begun.position, *(c.position for c in reading)] == list(range(1, 61))


def test_a_shorter_rule_reaches_what_a_longer_one_left(log: StoredLog) -> None:
    apply(log, 1.5)
    shorter = KEEPS | {"LaneDetector": Keep("LaneDetector", "P1D", 30.0, "P3D")}
    assert apply(log, 1.6, shorter) == 1
    assert seconds(log, "LaneDetector") == [1, 30, 60]


def test_types_without_a_rule_and_what_is_still_needed_stay(log: StoredLog) -> None:
    assert apply(log, 99, {}) == 0
    assert Retention(log).apply(KEEPS, WallTime(99 * DAY_MS), Position(39)) == 1
    assert seconds(log, "Lamp") == list(range(21, 61, 3))


def test_rows_of_devices_are_sampled_by_device() -> None:
    ids = EntityIds(["a", "b"])
    entity = np.array([0, 0, 1, 0, 1], dtype=np.int32)
    times = np.array([1, 5, 6, 12, 13], dtype=np.int64) * 1000
    batch = Batch("s", "", 1, rows=(Rows("LaneDetector", "", ids, entity, times),))
    commits = iter([Commit(Position(1), WallTime(0), batch)])
    (done,) = thinned(commits, KEEPS, WallTime(2 * DAY_MS))
    (part,) = done.batch.rows
    assert part.entity.tolist() == [0, 1, 0, 1]
    assert part.observed_at.tolist() == [1000, 6000, 12000, 13000]


moments = st.lists(st.integers(0, 100), min_size=1, max_size=20)


@settings(max_examples=50)
@given(moments, st.integers(0, 5), st.integers(0, 5))
def test_thinning_twice_is_thinning_once_and_later_leaves_no_more(
    at: list[int], first: int, second: int
) -> None:
    ids = EntityIds("ab")
    commits = [
        Commit(
            Position(n),
            WallTime(0),
            Batch(
                "s", "r", n, (frame("LaneDetector", "r", CityTime(second_ * 1000), ids, x=[1, 2]),)
            ),
        )
        for n, second_ in enumerate(at, 1)
    ]

    def left(commits: list[Commit], day: int) -> list[Commit]:
        return list(thinned(iter(commits), KEEPS, WallTime(day * DAY_MS)))

    def written(commits: list[Commit]) -> list[bytes]:
        return [write_batch(commit.batch) for commit in commits]

    once = left(commits, first)
    assert written(left(once, first)) == written(once)
    early, late = sorted((first, second))
    assert written(left(left(commits, early), late)) == written(left(commits, late))
    assert [replace(c, batch=c.batch).position for c in once] == [c.position for c in commits]


def kill_retention(folder: Path, line: int, day: int, history: str) -> bool:
    """Apply the rules in a process that is killed at its ``line``-th line; whether it was."""
    command = [sys.executable, "-c", KILLED, str(folder), str(line), str(day), history]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


def check_killed(folder: Path, tick: Tick, lines: list[int], history: str = "folder") -> None:
    """Killed anywhere, the log is the one before or the one after, and the next run finishes."""
    folder.mkdir(exist_ok=True)
    log = filled(folder, tick, history)
    before, sampled = seconds(log, "LaneDetector"), [1, 10, 20, 30, 40, 50, 60]
    positions = whole(log)
    for line in lines:
        assert kill_retention(folder, line, 2, history) or seconds(log, "LaneDetector") == sampled
        assert seconds(log, "LaneDetector") in (before, sampled)
        assert whole(log) == positions
    apply(log, 2)
    compact(log, 20)
    assert seconds(log, "LaneDetector") == sampled
    assert not list(folder.glob("segments/*.new"))


def test_retention_killed_anywhere_leaves_the_old_or_the_new(tmp_path: Path, tick: Tick) -> None:
    check_killed(tmp_path, tick, [60, 5000, 12_000, 13_350, 13_420, 13_470, 13_500])


@pytest.mark.slow
def test_retention_killed_at_many_points_leaves_the_old_or_the_new(
    tmp_path: Path, tick: Tick
) -> None:
    for start in range(40, 13_500, 1500):
        check_killed(tmp_path / str(start), tick, list(range(start, start + 1500, 300)))


def test_what_clients_wrote_stays_when_observations_are_erased() -> None:
    batch = Batch("ngsi-ld", "api", 1, writes=(b"put",))
    (left,) = thinned(iter([Commit(Position(1), WallTime(0), batch)]), KEEPS, WallTime(10**12))
    assert left.batch.writes == (b"put",)
