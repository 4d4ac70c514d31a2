"""Replay: rows come as the clock passes them, day after day, after a restart and in a new run."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from tests.perception.inlet import HandClock, HandWall, Inlet

from cityloop.kernel.clock import CityTime, city_time
from cityloop.kernel.errors import InputError
from cityloop.perception.sources.recording import Recording, frames_in_order
from cityloop.perception.sources.replay import Replay, ReplaySettings, timeline
from cityloop.perception.sources.table_settings import TableSettings
from cityloop.standards.readings import Faults

NINE = datetime(2020, 1, 1, 9, tzinfo=UTC)
TABLE = TableSettings(type="WeatherObserved", entity="station", observed_at="time")
MINUTE = 60_000


def _record(path: Path, minutes: int = 5, *, group_rows: int = 4) -> Recording:
    """Two stations each minute from nine o'clock on New Year's Day 2020."""
    times = [NINE + timedelta(minutes=m) for m in range(minutes) for _ in "ns"]
    table = pa.table(
        {
            "station": ["n", "s"] * minutes,
            "time": pa.array(times, pa.timestamp("ms", "UTC")),
            "temperature": [float(row) for row in range(2 * minutes)],
        }
    )
    pyarrow.parquet.write_table(table, path, row_group_size=group_rows)
    return Recording(path, TABLE.map)


def _at(day: str, time: str) -> CityTime:
    return city_time(datetime.fromisoformat(f"{day}T{time}Z"))


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    return _record(tmp_path / "r.parquet")


def _followed(recording: Recording, *steps: tuple[str, CityTime], **settings: object) -> Inlet:
    """What comes while the city's clock shows ``steps`` of (run, time), one after the other."""

    async def run() -> Inlet:
        clock = HandClock(*steps[0])
        inlet = Inlet(clock)
        source = ReplaySettings(path="r.parquet", table=TABLE, **settings)  # type: ignore[arg-type]
        replay = Replay(source, recording, HandWall(0))
        task = asyncio.create_task(replay.run(inlet))
        for run_, now in steps:
            clock.move(run_, now)
            await clock.heard()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return inlet

    return asyncio.run(run())


def test_rows_come_as_the_citys_clock_passes_them(recording: Recording) -> None:
    steps = [("r1", _at("2026-05-04", f"0{time}")) for time in ("8:59:00", "9:00:00", "9:02:30")]
    inlet = _followed(recording, *steps)
    assert {run for run, _ in inlet.kept} == {"r1"}
    assert [value for *_, value in inlet.said] == [0, 1, 2, 3, 4, 5]
    assert {at for _, at, _, _ in inlet.said} == {
        _at("2026-05-04", f"09:0{minute}:00") for minute in range(3)
    }


def test_a_new_run_on_the_next_day_hears_the_same_again(recording: Recording) -> None:
    days = ["2026-05-04", "2026-05-05"]
    steps = [(day, _at(day, time)) for day in days for time in ("08:59:00", "09:10:00")]
    inlet = _followed(recording, *steps)
    heard = {day: [v for r, d in inlet.kept if r == day for v in _values(d)] for day in days}
    assert heard["2026-05-04"] == heard["2026-05-05"] == [float(row) for row in range(10)]


def _values(decoded: object) -> list[float]:
    return decoded.readings[0].columns["temperature"].values.tolist()  # type: ignore[attr-defined]


def test_after_a_restart_nothing_comes_twice(recording: Recording) -> None:
    first = _followed(
        recording, ("r", _at("2026-05-04", "08:59:00")), ("r", _at("2026-05-04", "09:02:00"))
    )
    second = _followed(
        recording, ("r", _at("2026-05-04", "09:02:00")), ("r", _at("2026-05-04", "09:09:00"))
    )
    assert [value for *_, value in (*first.said, *second.said)] == [float(n) for n in range(10)]


def test_a_recording_can_be_told_when_it_begins(recording: Recording) -> None:
    begins = datetime(2026, 5, 4, 17, 0, tzinfo=UTC)
    steps = [("r", _at("2026-05-04", time)) for time in ("16:00:00", "17:01:00")]
    inlet = _followed(recording, *steps, begins=begins)
    assert {at for _, at, _, _ in inlet.said} == {
        _at("2026-05-04", f"17:0{minute}:00") for minute in range(2)
    }


def test_on_trial_the_first_rows_come_at_once_as_of_the_last_day(recording: Recording) -> None:
    noon = _at("2026-05-04", "12:00:00")
    settings = ReplaySettings(path="r.parquet", table=TABLE)
    inlet = Inlet()
    asyncio.run(Replay(settings, recording, HandWall(noon), trial=True).run(inlet))
    assert {(at - _at("2026-05-04", "09:00:00")) // MINUTE for _, at, _, _ in inlet.said} == {0, 1}


def test_a_compressed_day_is_stamped_when_it_comes() -> None:
    line = timeline((CityTime(0), CityTime(3_600_000)), None, 60.0, CityTime(10_000))
    assert line.lap(CityTime(10_000)) == 0
    assert line.recorded(CityTime(11_000), 0) == 60_000
    assert line.lap_ms == 61_000


def test_frames_keep_their_event_time_and_share_their_ids(recording: Recording) -> None:
    parts = list(frames_in_order(recording.readings(Faults()), "replay"))
    assert [part.observed_at for part in parts] == [
        city_time(NINE) + MINUTE * minute for minute in range(5)
    ]
    assert all(part.ids is parts[0].ids for part in parts)


def test_a_time_that_lies_in_two_row_groups_is_one_frame(tmp_path: Path) -> None:
    recording = _record(tmp_path / "r.parquet", group_rows=3)
    parts = list(frames_in_order(recording.readings(Faults()), "replay"))
    assert [part["temperature"].tolist() for part in parts] == [
        [2.0 * minute, 2.0 * minute + 1] for minute in range(5)
    ]


def test_row_groups_before_the_beginning_are_not_read(tmp_path: Path) -> None:
    recording = _record(tmp_path / "r.parquet")
    since = city_time(NINE + timedelta(minutes=3))
    part = next(recording.readings(Faults(), since))
    assert part.observed_at[0] == since


def test_a_recording_out_of_order_says_how_to_mend_it(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("station,time,temperature\nn,100,1\nn,50,1\n")
    with pytest.raises(InputError, match=r"r\.csv is not in order of time; sort the recording"):
        list(Recording(path, TABLE.map).readings(Faults()))


def test_an_empty_recording_says_so(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("station,time,temperature\n")
    with pytest.raises(InputError, match="no row that can be read"):
        Recording(path, TABLE.map).span()
