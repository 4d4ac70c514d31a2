"""Looking back on a log: the same answer wherever its batches lie, and while they move."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cityloop.interconnection.compaction import compact
from cityloop.interconnection.log import StoredLog
from cityloop.interconnection.past import Past
from cityloop.kernel.clock import CityTime, WallTime
from cityloop.kernel.frame import EntityIds, Frame, frame
from cityloop.kernel.ports import Batch

TYPES = frozenset({"LaneDetector", "Decision"})
Tick = Callable[..., Batch]


@pytest.fixture
def log(
    tmp_path: Path, clock: Callable[[], WallTime], open_log: Callable[..., StoredLog]
) -> StoredLog:
    return open_log(tmp_path, clock)


def decided(sequence: int) -> Batch:
    """Three decisions of second ``sequence``, numbered through."""
    ids = EntityIds([f"d{sequence}-{i}" for i in range(3)])
    numbers = np.arange(3 * sequence - 2, 3 * sequence + 1)
    part = frame("Decision", "r1", CityTime(sequence * 1000), ids, number=numbers)
    return Batch("hub", "r1", sequence, (part,))


def numbers(parts: list[Frame]) -> list[int]:
    return [int(number) for part in parts for number in part["number"]]


def test_what_was_at_a_time_is_found_in_segments_and_in_rows_alike(
    log: StoredLog, tick: Tick
) -> None:
    log.append([tick(s) for s in range(1, 31)])
    past = Past(log, TYPES)
    before = [next(past.backwards("LaneDetector", "r1", CityTime(s * 1000))) for s in (3, 14, 28)]
    compact(log, batches=10, at_most=2)
    past = Past(log, TYPES)
    for earlier, s in zip(before, (3, 14, 28), strict=True):
        now = next(past.backwards("LaneDetector", "r1", CityTime(s * 1000 + 999)))
        assert now.observed_at == earlier.observed_at == s * 1000
        assert now["vehicleCount"].tolist() == earlier["vehicleCount"].tolist()


def test_a_span_of_time_comes_whole_and_in_order(log: StoredLog, tick: Tick) -> None:
    log.append([tick(s) for s in range(1, 31)])
    compact(log, batches=10, at_most=2)
    found = Past(log, TYPES).frames("LaneDetector", "r1", CityTime(8_000), CityTime(25_000))
    assert [part.observed_at for part in found] == [s * 1000 for s in range(8, 25)]


@pytest.mark.parametrize("after", [0, 1, 29, 30, 61, 88, 90, 500])
def test_what_follows_a_number_is_found_wherever_it_lies(log: StoredLog, after: int) -> None:
    log.append([decided(s) for s in range(1, 31)])
    compact(log, batches=10, at_most=2)
    found = numbers(list(Past(log, TYPES).numbered_after("Decision", after)))
    assert [n for n in found if n > after] == list(range(after + 1, 91))


def test_who_looks_while_batches_move_into_segments_misses_none(log: StoredLog, tick: Tick) -> None:
    past = Past(log, TYPES)
    for first in range(1, 60, 7):
        log.append([tick(s) for s in range(first, first + 7)])
        seen = past.frames("LaneDetector", "r1", CityTime(0), CityTime(10**6))
        assert [part.observed_at for part in seen] == [s * 1000 for s in range(1, first + 7)]
        compact(log, batches=10)


def test_runs_are_told_with_their_first_and_last_second(log: StoredLog, tick: Tick) -> None:
    log.append([tick(s) for s in range(1, 21)] + [tick(s, "r2") for s in range(1, 6)])
    compact(log, batches=10, at_most=1)
    runs = Past(log, TYPES).runs("LaneDetector")
    assert runs == {"r1": (1_000, 20_000), "r2": (1_000, 5_000)}
