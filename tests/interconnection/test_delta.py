"""The cold half of a log as Delta tables: open to others, lossless, and safe on a real server."""

from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import numpy as np
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st
from scripts.servers.objects import Objects, objects
from tests.interconnection.conftest import tick
from tests.interconnection.test_compaction import as_bytes, changes, check_killed_compaction
from tests.interconnection.test_retention import KEEPS, check_killed, filled

from cityloop.city.config import history_mistake
from cityloop.interconnection.compaction import compact, compact_since
from cityloop.interconnection.delta.cold import DeltaCold
from cityloop.interconnection.delta.lake import Lake
from cityloop.interconnection.open_cold import choose_cold, open_cold
from cityloop.interconnection.retention import Retention
from cityloop.interconnection.sqlite_log import SqliteLog
from cityloop.kernel.changes import Change, read_frames
from cityloop.kernel.clock import CityTime, Clock, WallTime
from cityloop.kernel.errors import ConfigError, CorruptError
from cityloop.kernel.frame import Column, EntityIds, Frame, frame
from cityloop.kernel.ports import Batch, Commit, Position
from cityloop.kernel.rows import Rows
from cityloop.standards.arrow import write_batch

DAY_MS = 86_400_000
START = Position(0)


@pytest.fixture
def tables(tmp_path: Path) -> str:
    """The URL of Delta tables on this disk."""
    return (tmp_path / "tables").as_uri()


@pytest.fixture
def log(tmp_path: Path, clock: Clock, tables: str) -> SqliteLog:
    """A log of 50 batches, 40 of them in Delta tables."""
    log = SqliteLog(tmp_path, clock, cold=DeltaCold(tables, {}))
    log.append([tick(sequence) for sequence in range(1, 51)])
    compact(log, 20)
    return log


def test_others_find_one_typed_table_per_type(log: SqliteLog, tables: str) -> None:
    with duckdb.connect() as database:
        lanes = DeltaTable(f"{tables}/types/LaneDetector").to_pyarrow_dataset()
        database.register("lanes", lanes)
        (told,) = database.execute(
            "SELECT count(*), sum(vehicleCount), count(meanSpeed), min(observedAt), max(id) "
            "FROM lanes"
        ).fetchall()
    parts = [c.batch.frames[0] for c in log.read(START, Position(40))]
    assert told[:2] == (480, sum(int(p["vehicleCount"].sum()) for p in parts))
    assert told[2] == sum(int((p["vehicleCount"] > 0).sum()) for p in parts)
    assert (told[3].timestamp(), told[4]) == (1.0, "urn:ngsi-ld:LaneDetector:9")


def test_a_table_tells_how_far_it_reaches(log: SqliteLog, tables: str) -> None:
    reached = [
        DeltaTable(f"{tables}/{name}").transaction_version("cityloop")
        for name in ("log", "types/LaneDetector")
    ]
    assert reached == [40, 40]


@settings(max_examples=40)
@given(st.lists(st.lists(changes, max_size=6), min_size=1, max_size=4))
def test_whatever_batches_hold_survives_delta_tables(groups: list[list[Change]]) -> None:
    commits = []
    for number, group in enumerate(groups, 1):
        frames, rest = read_frames(group)
        batch = Batch("s", "r1", number, tuple(frames), tuple(rest))
        commits.append(Commit(Position(number), WallTime(number), batch))
    with TemporaryDirectory() as folder:
        name = f"1-{len(commits)}"
        DeltaCold(Path(folder).as_uri(), {}).write(name, commits)
        found = list(DeltaCold(Path(folder).as_uri(), {}).read(name))
    assert [write_batch(c.batch) for c in found] == [write_batch(c.batch) for c in commits]


def test_what_no_typed_column_can_hold_is_kept_whole(
    tmp_path: Path, clock: Clock, tables: str
) -> None:
    ids = EntityIds(["urn:a", "urn:b"])
    cold = DeltaCold(tables, {})
    log = SqliteLog(tmp_path, clock, cold=cold)
    odd = [
        frame("T", "r", CityTime(1), ids, x=[1.5, 2.5]),
        frame("T", "r", CityTime(2), ids, x=["one", "two"]),
        frame("T", "r", CityTime(3), ids, x=np.array([1, 2**60])),
        frame("T", "r", CityTime(4), ids, x=np.array([1, 2], np.uint8)),
        frame("T", "r", CityTime(2**60), ids, x=[0.5, 0.5]),
        frame("T", "r", CityTime(5), ids, X=[0.5, 0.5]),
        Frame("T", "r", CityTime(6), EntityIds([]), {"x": Column(np.empty(0))}),
    ]
    log.append([Batch("s", "r", n, (part,)) for n, part in enumerate(odd, 1)])
    before = as_bytes(log)
    compact(log, len(odd))
    assert as_bytes(log) == before
    rows = DeltaTable(f"{tables}/types/T").to_pyarrow_table()
    assert sorted(rows["x"].to_pylist()) == [1.0, 1.5, 2.0, 2.5]


def test_values_that_are_absent_and_null_stay_apart(
    tmp_path: Path, clock: Clock, tables: str
) -> None:
    ids = EntityIds("abc")
    column = Column(np.arange(3.0), np.array([1, 0, 0], bool), np.array([0, 1, 0], bool))
    entity, times = np.array([2, 0, 1], np.int32), np.array([5, 5, 4])
    parts = Frame("T", "r", CityTime(1), ids, {"x": column}), Rows("T", "r", ids, entity, times)
    log = SqliteLog(tmp_path, clock, cold=DeltaCold(tables, {}))
    log.append([Batch("s", "r", 1, parts[:1], rows=parts[1:])])  # type: ignore[arg-type]
    before = as_bytes(log)
    compact(log, 1)
    assert as_bytes(log) == before


def test_tables_of_another_city_are_not_written_to(
    log: SqliteLog, tmp_path: Path, tables: str
) -> None:
    (tmp_path / "other").mkdir()
    other = SqliteLog(tmp_path / "other", lambda: WallTime(5), cold=DeltaCold(tables, {}))
    other.append([tick(sequence) for sequence in range(1, 51)])
    with pytest.raises(ConfigError, match="holds the history of another city"):
        compact(other, 20)
    assert len(as_bytes(other)) == 50


def test_rows_that_no_rule_took_are_missed(log: SqliteLog, tables: str) -> None:
    DeltaTable(f"{tables}/types/LaneDetector").delete("position = 7")
    with pytest.raises(CorruptError, match="has 0 rows of position 7, not 12"):
        list(SqliteLog(log.folder, lambda: WallTime(0), cold=DeltaCold(tables, {})).read(START))


def test_small_chunks_become_one_and_old_files_go(log: SqliteLog, tables: str) -> None:
    before = as_bytes(log)
    assert Retention(log, merge=3).apply({}, WallTime(0), Position(40)) == 0
    assert Retention(log, merge=2).apply({}, WallTime(0), Position(40)) == 2
    assert as_bytes(log) == before
    table = DeltaTable(f"{tables}/types/LaneDetector")
    assert Lake(tables, {}).thinned("log") == 0
    assert len(table.file_uris()) == 1
    assert table.to_pyarrow_table().num_rows == 480
    folder = Path(tables.removeprefix("file://")) / "types" / "LaneDetector"
    Lake(tables, {}).sweep("types/LaneDetector", readers_stay_h=0)
    assert len(list(folder.rglob("*.parquet"))) == 1


def test_what_is_erased_is_in_no_table(tmp_path: Path, tables: str) -> None:
    log = filled(tmp_path, tick, tables)
    for day in (1.5, 3.5):
        Retention(log).apply(KEEPS, WallTime(round(day * DAY_MS)), Position(60))
    home = f"{tables}/{tmp_path.name}"
    assert DeltaTable(f"{home}/types/LaneDetector").to_pyarrow_table().num_rows == 0
    assert not [c for commit in log.read(START) for c in commit.batch.changes if c.type == "Lamp"]


def test_compaction_killed_anywhere_loses_and_doubles_no_row(tmp_path: Path, clock: Clock) -> None:
    tables = (tmp_path / "tables").as_uri()
    lines = [230, 460, 700, 1000]
    check_killed_compaction(tmp_path, clock, tick, lines, tables)
    rows = DeltaTable(f"{tables}/{tmp_path.name}/types/LaneDetector").to_pyarrow_table()
    places = list(zip(rows["position"].to_pylist(), rows["place"].to_pylist(), strict=True))
    assert len(places) == len(set(places))


def test_retention_killed_anywhere_leaves_old_or_new(tmp_path: Path) -> None:
    tables = (tmp_path / "tables").as_uri()
    check_killed(tmp_path, tick, [60, 200, 300, 420], tables)


def test_a_real_server_killed_and_back_has_all_that_was_moved(tmp_path: Path, clock: Clock) -> None:
    with objects(tmp_path / "objects") as server:
        cold = open_cold(server.create("history"), tmp_path, "town", server.environment)
        log = SqliteLog(tmp_path, clock, cold=cold)
        log.append([tick(sequence) for sequence in range(1, 51)])
        before = as_bytes(log)
        compact(log, 20, at_most=1)
        server.stop()
        with pytest.raises(OSError, match="Connection refused"):
            compact(log, 20)
        assert log.compacted() == 20
        assert [c.position for c in log.read(Position(20))] == list(range(21, 51))
        server.start()
        assert compact(log, 20) == 1
        assert as_bytes(log) == before


def test_wrong_credentials_are_named(
    tmp_path: Path, clock: Clock, object_store: Objects, s3_history: str
) -> None:
    wrong = object_store.environment | {"AWS_SECRET_ACCESS_KEY": "wrong"}
    log = SqliteLog(tmp_path, clock, cold=open_cold(s3_history, tmp_path, "town", wrong))
    log.append([tick(1)])
    with pytest.raises(OSError, match="the storage answers SignatureDoesNotMatch"):
        compact(log, 1)
    assert len(as_bytes(log)) == 1


@pytest.mark.slow
def test_on_a_real_server_too_a_kill_loses_and_doubles_nothing(
    tmp_path: Path, clock: Clock, s3_history: str
) -> None:
    check_killed_compaction(tmp_path, clock, tick, [230, 460, 700, 1000], s3_history)


def test_what_is_new_moves_after_a_minute_and_no_further_than_is_settled(
    tmp_path: Path, tables: str
) -> None:
    log = SqliteLog(tmp_path, lambda: WallTime(1000), cold=DeltaCold(tables, {}))
    log.append([tick(sequence) for sequence in range(1, 51)])
    assert compact_since(log, WallTime(999), Position(50)) == 0
    assert compact_since(log, WallTime(1000), Position(30)) == 1
    assert log.compacted() == 30


def test_a_log_remembers_where_its_cold_half_lies(tmp_path: Path, clock: Clock) -> None:
    tables = (tmp_path / "tables").as_uri()
    choose_cold(tmp_path / "town", tables)
    log = SqliteLog(tmp_path / "town", clock)
    log.append([tick(1)])
    compact(log, 1)
    assert DeltaTable(f"{tables}/town/log").to_pyarrow_table().num_rows == 1
    choose_cold(tmp_path / "town", tables)
    with pytest.raises(ConfigError, match=r"keep history = .* or begin with another folder"):
        choose_cold(tmp_path / "town", "s3://bucket/other")
    assert [c.position for c in SqliteLog(tmp_path / "town", clock).read(START)] == [1]


@pytest.mark.parametrize(
    ("history", "mend"),
    [
        ("s3://key:secret@bucket", "AWS_ACCESS_KEY_ID"),
        ("s3:/bucket", "s3://bucket/hangzhou"),
        ("gs://bucket", "s3://bucket/hangzhou"),
    ],
)
def test_a_wrong_place_for_the_history_is_named_with_its_mending(history: str, mend: str) -> None:
    found = history_mistake(history)
    assert found is not None
    assert mend in found[1]
    assert "secret@" not in " ".join(found)


def test_folder_and_bucket_are_places_for_the_history() -> None:
    assert [history_mistake(h) for h in ("folder", "s3://bucket", "s3://b-1/a/b")] == [None] * 3
