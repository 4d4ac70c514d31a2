"""The power cut of the tests does what a power cut does: what was not fsynced is gone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from scripts.faults.powercut import PowerCut
from scripts.faults.preloaded import has_compiler


@pytest.fixture
def power(tmp_path: Path) -> PowerCut:
    if not has_compiler():
        pytest.skip("power cuts take gcc: install the Debian package gcc")
    return PowerCut(tmp_path / "disk", tmp_path / "journal")


def run(power: PowerCut, disk: Path, program: str) -> None:
    """A program in a process of its own that ends as by kill -9: with no last words."""
    text = f"import os\ndisk = {str(disk)!r}\n{program}\nos._exit(0)"
    environment = {**os.environ, **power.environment()}
    subprocess.run([sys.executable, "-c", text], check=True, env=environment)


WRITER = """
def write(name, text, sync):
    fd = os.open(f"{disk}/{name}", os.O_RDWR | os.O_CREAT)
    os.write(fd, text)
    if sync:
        os.fsync(fd)
def sync_folder(name=disk):
    os.fsync(os.open(name, os.O_RDONLY))
"""


def test_what_was_not_fsynced_is_lost_and_what_was_is_kept(power: PowerCut, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    (disk / "changed").write_bytes(b"before")
    run(
        power,
        disk,
        WRITER
        + """
write("kept", b"said", True); write("changed", b"BE", False); write("emptied", b"x", False)
sync_folder()
write("nameless", b"said", True)
""",
    )
    assert (disk / "changed").read_bytes() == b"BEfore"
    power.cut()
    held = {path.name: path.read_bytes() for path in disk.iterdir()}
    assert held == {"kept": b"said", "changed": b"before", "emptied": b""}


def test_names_come_back_that_no_fsync_of_their_folder_followed(
    power: PowerCut, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    for name in ("old", "gone", "lost"):
        (disk / name).write_text(name)
    run(
        power,
        disk,
        WRITER
        + """
os.unlink(f"{disk}/gone"); sync_folder()
write("new", b"new", True); os.replace(f"{disk}/new", f"{disk}/old")
os.mkdir(f"{disk}/made"); write("made/file", b"x", True); sync_folder(f"{disk}/made")
os.unlink(f"{disk}/lost")
""",
    )
    power.cut()
    held = {path.name: path.read_text() for path in disk.iterdir()}
    assert held == {"old": "old", "lost": "lost"}


COMMITS = """
import apsw
database = apsw.Connection(f"{disk}/log.db")
database.pragma("journal_mode", "WAL")
database.pragma("synchronous", "SYNC")
database.execute("CREATE TABLE said(n)")
sync_folder()
for n in range(500):
    database.execute("INSERT INTO said VALUES (?)", (n,))
"""


@pytest.mark.parametrize(("synchronous", "kept"), [("FULL", 500), ("OFF", 0)])
def test_of_sqlite_the_commits_are_lost_that_it_does_not_sync(
    power: PowerCut, tmp_path: Path, synchronous: str, kept: int
) -> None:
    import apsw

    disk = tmp_path / "disk"
    run(power, disk, WRITER + COMMITS.replace("SYNC", synchronous))
    assert power.cut() > 0
    database = apsw.Connection(str(disk / "log.db"))
    there = database.execute("SELECT 1 FROM sqlite_schema").fetchall()
    assert (database.execute("SELECT count(*) FROM said").get if there else 0) == kept
    database.close()


def test_a_cut_that_keeps_a_part_keeps_the_oldest_of_each_file(
    power: PowerCut, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    (disk / "lines").touch()
    run(power, disk, WRITER + 'for n in range(9): open(f"{disk}/lines", "ab", 0).write(b"%d" % n)')
    power.cut(seed=2)
    left = (disk / "lines").read_bytes()
    assert b"012345678".startswith(left)
    assert 0 < len(left) < 9
