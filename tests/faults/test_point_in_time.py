"""PostgreSQL brought back to a moment, as docs/how-to/back-up.md says: the log as it was then."""

import os
import pwd
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from scripts.servers.postgres import Postgres, found_programs, postgres
from tests.faults.running import until
from tests.interconnection.conftest import tick

from cityloop.city.clock import wall_time
from cityloop.interconnection.tenant import Place, open_log
from cityloop.kernel.ports import Position


@pytest.fixture
def programs() -> Path:
    found = found_programs()
    if found is None or not (found / "pg_basebackup").exists():
        pytest.skip("no PostgreSQL with pg_basebackup: make postgresql")
    return found


@pytest.mark.slow
def test_a_log_comes_back_as_of_a_named_moment(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    archive = second / "archive"
    archive.mkdir(parents=True)
    for folder in (tmp_path, second, archive):
        folder.chmod(0o777)
    settings = {"archive_mode": "on", "archive_command": f"cp %p {archive}/%f"}
    with postgres(first, settings) as server:
        monkeypatch.setenv("PGPASSFILE", server.environment["PGPASSFILE"])
        place = Place(tmp_path / "town", server.create("city"))
        place.folder.mkdir()
        with closing(open_log(place, wall_time)) as log:
            log.append([tick(1)])
            base = ("-D", str(second / "data"), "-X", "none", "-c", "fast", "-U", "postgres")
            where = ("-h", "127.0.0.1", "-p", str(server.port))
            subprocess.run([programs / "pg_basebackup", *base, *where], check=True)
            log.append([tick(2), tick(3)])
            server.sql("SELECT pg_create_restore_point('before_the_mistake')")
            log.append([tick(4)])
            server.sql("SELECT pg_switch_wal()")
            server.stop()
    again = Postgres(second, programs, recovery(archive))
    (second / "data" / "recovery.signal").touch()
    (second / "pgpass").write_bytes((first / "pgpass").read_bytes())
    (second / "pgpass").chmod(0o600)
    own(again, second)
    again.start()
    try:
        until("the end of recovery", lambda: again.sql("SELECT pg_is_in_recovery()") == "f" or None)
        place = Place(tmp_path / "town", again.url("city"))
        with closing(open_log(place, wall_time)) as log:
            assert [commit.batch.sequence for commit in log.read(Position(0))] == [1, 2, 3]
            assert log.append([tick(5)]) == 4
    finally:
        again.stop("immediate")


def recovery(archive: Path) -> dict[str, str]:
    """The settings of a server that is to come back to the moment, and go on from there."""
    return {
        "restore_command": f"cp {archive}/%f %p",
        "recovery_target_name": "before_the_mistake",
        "recovery_target_action": "promote",
        "archive_mode": "off",
    }


def own(server: Postgres, folder: Path) -> None:
    """Give the files to whom the server runs as, where that is somebody else."""
    if server._user is not None:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, *_ids(server._user))


def _ids(user: str) -> tuple[int, int]:
    entry = pwd.getpwnam(user)
    return entry.pw_uid, entry.pw_gid
