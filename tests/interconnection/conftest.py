"""A small city that delivers one batch a second, the same whenever it is asked."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scripts.servers.objects import Objects

from cityloop.interconnection.log import StoredLog
from cityloop.interconnection.open_cold import open_cold
from cityloop.interconnection.sqlite_log import SqliteLog
from cityloop.interconnection.tenant import Place
from cityloop.interconnection.tenant import open_log as open_log_at
from cityloop.kernel.changes import Change
from cityloop.kernel.clock import CityTime, Clock, WallTime
from cityloop.kernel.frame import Column, EntityIds, Frame
from cityloop.kernel.ports import Batch
from cityloop.kernel.rows import Rows

LANES = EntityIds([f"urn:ngsi-ld:LaneDetector:{i}" for i in range(12)])
LAMPS = EntityIds([f"urn:ngsi-ld:Lamp:{i}" for i in range(3)])


def tick(sequence: int, run: str = "r1") -> Batch:
    """What the source "twin" says in second ``sequence``: all kinds of columns and changes."""
    rng = np.random.default_rng(sequence)
    at = CityTime(sequence * 1000)
    count = rng.integers(0, 4, len(LANES)).astype(np.uint16)
    lanes = {
        "vehicleCount": Column(count),
        "meanSpeed": Column(rng.random(len(LANES)).astype(np.float32), None, count == 0),
    }
    frames = [Frame("LaneDetector", run, at, LANES, lanes)]
    if sequence % 3 == 0:
        state = np.array([f"on{sequence}", "off", ""], dtype=object)
        gone = np.array([False, sequence % 2 == 0, True])
        frames.append(Frame("Lamp", run, at, LAMPS, {"powerState": Column(state, gone)}))
    rows: tuple[Rows, ...] = ()
    if sequence % 4 == 0:
        entity = rng.integers(0, len(LAMPS), 5).astype(np.int32)
        times = at + rng.integers(-3, 2, 5) * 500
        level = Column(rng.random(5), None, entity == 1)
        rows = (Rows("Meter", run, LAMPS, entity, times, {"level": level}),)
    changes = []
    if sequence % 5 == 0:
        operation = "delete" if sequence % 2 else "set"
        lamp = LAMPS.names[sequence % len(LAMPS)]
        changes.append(Change("Lamp", lamp, "powerState", run, at, "dim", operation, "urn:d:1"))
    return Batch("twin", run, sequence, tuple(frames), tuple(changes), rows)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> str:
    """Each store that a city may run on: "sqlite", or the URL of a new database."""
    if request.param == "sqlite":
        return "sqlite"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def place(store: str, tmp_path: Path) -> Place:
    """Where the tenant "town" has its stores."""
    (tmp_path / "town").mkdir()
    return Place(tmp_path / "town", store)


@pytest.fixture(name="tick")
def tick_of_the_city() -> Callable[..., Batch]:
    """``tick(sequence, run)``: the batch of that second."""
    return tick


@pytest.fixture
def clock() -> Callable[[], WallTime]:
    """A wall clock that stands still."""
    return lambda: WallTime(1_700_000_000_000)


_S3 = pytest.param("s3", marks=pytest.mark.slow)


@pytest.fixture(params=["folder", "delta", "postgresql", _S3])
def history(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where the cold half of a log lies: segments, or Delta tables on this disk or on a server; or
    the URL of a PostgreSQL in which the hot half lies, the cold one in segments."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    if request.param == "s3":
        return str(request.getfixturevalue("s3_history"))
    if request.param == "delta":
        return tmp_path_factory.mktemp("tables").as_uri()
    return "folder"


@pytest.fixture
def s3_history(object_store: Objects) -> str:
    """A place of this test's own on a real server, as ``[city]`` names it."""
    return f"s3://history/{uuid.uuid4().hex}"


def log_in(folder: Path, clock: Clock, history: str, **more: Any) -> StoredLog:
    """The log in a folder; each folder's has tables of its own."""
    if history.startswith("postgresql:"):
        return open_log_at(Place(folder, history), clock, **more)
    return SqliteLog(folder, clock, cold=open_cold(history, folder, folder.name), **more)


@pytest.fixture
def open_log(history: str) -> Callable[..., StoredLog]:
    """``open_log(folder, clock)``: a log whose cold half lies where ``history`` says."""
    return lambda folder, clock, **more: log_in(folder, clock, history, **more)
