"""A watched folder: whole files only, each once, each moved with its account."""

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.perception.inlet import Inlet, observations
from tests.standards.payloads import FORMATS, WEATHER_MAP, parquet_bytes

from cityloop.interconnection.sqlite_log import SqliteLog
from cityloop.kernel.clock import WallTime
from cityloop.kernel.frame import EntityIds
from cityloop.kernel.ports import Batch
from cityloop.kernel.rows import Rows
from cityloop.perception.sources.files import Files, FilesSettings, pieces
from cityloop.perception.sources.table_settings import TableSettings
from cityloop.standards.readings import Decoded

TABLE = TableSettings(
    type="WeatherObserved", entity="station", observed_at="time", units={"windSpeed": "km/h"}
)


def _files(folder: Path, log: SqliteLog | None = None, **more: Any) -> Files:
    return Files(FilesSettings(folder="in", table=TABLE), "weather", folder, log, **more)


def _look(files: Files, times: int = 2) -> Inlet:
    async def run() -> Inlet:
        inlet = Inlet()
        for _ in range(times):
            await files.look(inlet)
        return inlet

    return asyncio.run(run())


def _report(folder: Path, name: str) -> Any:
    return json.loads((folder / f"{name}.report.json").read_text())


def test_a_file_is_delivered_and_moved_with_its_account(tmp_path: Path) -> None:
    (tmp_path / "monday.csv").write_bytes(FORMATS["csv"].good)
    inlet = _look(_files(tmp_path))
    assert len(inlet.said) == 3
    assert not (tmp_path / "monday.csv").exists()
    assert _report(tmp_path, "done/monday.csv")["observations"] == 3


def test_a_parquet_file_says_the_same_way(tmp_path: Path) -> None:
    (tmp_path / "monday.parquet").write_bytes(parquet_bytes())
    assert len(_look(_files(tmp_path)).said) == 3


def test_a_file_that_is_still_being_written_is_left(tmp_path: Path) -> None:
    files, path = _files(tmp_path), tmp_path / "growing.csv"
    path.write_bytes(FORMATS["csv"].good[:40])
    assert not _look(files, 1).kept
    path.write_bytes(FORMATS["csv"].good)
    assert not _look(files, 1).kept
    assert _look(files, 1).kept


@pytest.mark.parametrize("name", [".hidden.csv", "monday.csv.part", "notes.txt"])
def test_a_file_that_is_not_meant_is_left(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(FORMATS["csv"].good)
    assert not _look(_files(tmp_path)).kept
    assert (tmp_path / name).exists()


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.csv").write_bytes(FORMATS["csv"].good)
    (tmp_path / "in" / "link.csv").symlink_to(tmp_path / "secret.csv")
    assert not _look(_files(tmp_path / "in")).kept


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("empty.csv", b"", "empty.csv cannot be read"),
        ("other.csv", b"a,b\n1,2\n", "no column 'station'"),
        ("broken.parquet", b"PAR1 but not really", "cannot be read"),
        ("latin.csv", b"station,time,temperature\nM\xfcnchen,1,2\n", "not UTF-8 at byte 26"),
        ("no.geojson", b"{}", "features is no list"),
    ],
)
def test_a_file_that_cannot_be_read_is_put_aside_with_the_reason(
    tmp_path: Path, name: str, content: bytes, why: str
) -> None:
    (tmp_path / name).write_bytes(content)
    inlet = _look(_files(tmp_path))
    assert why in inlet.reasons[0]
    assert why in _report(tmp_path, f"rejected/{name}")["faults"][0]["reason"]


def test_bad_rows_are_in_the_account_and_the_rest_is_delivered(tmp_path: Path) -> None:
    body = FORMATS["csv"].good + b"west,2026-05-04T12:00:00Z,warm,1\nwest,short\n"
    (tmp_path / "monday.csv").write_bytes(body)
    inlet = _look(_files(tmp_path))
    assert len(inlet.said) == 4
    assert _report(tmp_path, "done/monday.csv")["rejected"] == 2


def test_on_trial_a_file_is_read_and_stays_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "monday.csv").write_bytes(FORMATS["csv"].good)
    inlet = _look(_files(tmp_path, trial=True), 4)
    assert len(inlet.said) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["monday.csv"]


def test_a_name_that_was_used_before_is_kept_apart(tmp_path: Path) -> None:
    files = _files(tmp_path)
    for _ in range(2):
        (tmp_path / "monday.csv").write_bytes(FORMATS["csv"].good)
        _look(files)
    assert (tmp_path / "done" / "monday.1.csv").exists()


def test_a_full_city_holds_a_file_back_and_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "monday.csv").write_bytes(FORMATS["csv"].good)

    async def run() -> Inlet:
        inlet = Inlet(busy=1)
        files = _files(tmp_path, busy_s=0.0)
        await files.look(inlet)
        await files.look(inlet)
        return inlet

    inlet = asyncio.run(run())
    assert ("waiting", "the city takes no more just now") in inlet.states
    assert len(inlet.said) == 3


class KilledError(Exception):
    """Stands for the end of the process: nothing after it is run."""


class Commits(Inlet):
    """An intake that commits into a log, and dies at its n-th delivery, before or after that."""

    def __init__(self, log: SqliteLog, dies_at: int = 0, *, committed: bool = True) -> None:
        super().__init__()
        self._log = log
        self._left = dies_at
        self._committed = committed

    async def deliver(self, decoded: Decoded, run: str = "live") -> tuple[()]:
        self._left -= 1
        if self._left == 0 and not self._committed:
            raise KilledError
        sequence = self._log.sequence("weather", run) + 1
        self._log.append([Batch("weather", run, sequence, rows=_rows(decoded))])
        if self._left == 0:
            raise KilledError
        return ()


def _rows(decoded: Decoded) -> tuple[Rows, ...]:
    found = []
    for part in decoded.readings:
        ids = EntityIds(list(dict.fromkeys(part.entities)))
        entity = [ids.index[name] for name in part.entities]
        rows = np.array(entity, np.int32)
        found.append(Rows(part.type, "live", ids, rows, part.observed_at, part.columns))
    return tuple(found)


@pytest.mark.parametrize("committed", [True, False])
@pytest.mark.parametrize("dies_at", [1, 2, 3])
def test_a_kill_in_the_middle_of_a_file_loses_nothing_and_doubles_nothing(
    tmp_path: Path, dies_at: int, *, committed: bool
) -> None:
    lines = "".join(f"n{row},2026-05-04T12:00:00Z,{row}\n" for row in range(6))
    inbox = tmp_path / "in"
    inbox.mkdir()
    (inbox / "monday.csv").write_text("station,time,temperature\n" + lines)
    (tmp_path / "log").mkdir()
    log = SqliteLog(tmp_path / "log", lambda: WallTime(0))

    async def run(inlet: Inlet, times: int) -> None:
        files = _files(inbox, log, piece_rows=2)
        for _ in range(times):
            await files.look(inlet)

    with pytest.raises(KilledError):
        asyncio.run(run(Commits(log, dies_at, committed=committed), 2))
    asyncio.run(run(Commits(log), 1))
    kept = [row for commit in log.read(0) for part in commit.batch.rows for row in part.entity]
    values = [
        value
        for commit in log.read(0)
        for part in commit.batch.rows
        for value in part.columns["temperature"].values.tolist()
    ]
    log.close()
    assert len(kept) == 6
    assert values == [0, 1, 2, 3, 4, 5]
    assert (inbox / "done" / "monday.csv").exists()
    assert not (inbox / "taking" / "monday.csv.progress").exists()


def test_pieces_of_a_file_say_what_the_whole_says(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(parquet_bytes())
    whole = [one for part in pieces(path, WEATHER_MAP, 100) for one in observations(part)]
    cut = [one for part in pieces(path, WEATHER_MAP, 1) for one in observations(part)]
    assert whole == cut
