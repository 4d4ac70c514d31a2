"""Backups of a tenant's folder: one archive with checksums, taken while the city runs.

A backup is a tar: ``manifest.json``, then the files that it lists with size and SHA-256. Databases
are copied by SQLite itself, each as of one moment: first what is folded from the log, then the log,
so that no fold is ahead of it, then by hard links the segments that the copied log names. What can
be computed again (networks, the broker's history of its own) is left out, and so is a cold half of
the log that lies in an object store: ``cold.url`` in the backup says where.
"""

import fcntl
import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

import apsw
import msgspec

from cityloop.interconnection.cold import FolderCold
from cityloop.interconnection.durable import make_folder, sync
from cityloop.interconnection.open_cold import cold_of
from cityloop.interconnection.sqlite import sqlite_errors
from cityloop.interconnection.sqlite_log import SqliteLog
from cityloop.kernel.clock import Clock
from cityloop.kernel.errors import ConfigError, CorruptError

LOG, SEGMENTS, MANIFEST = "log.db", "segments", "manifest.json"
_STAGE = "backup.new"
_DERIVED = {"cache", "history", "processes.json", "processes.new", _STAGE}
"""Computed again, or of the running processes alone."""
_PASSING = (".db-wal", ".db-shm", ".lock")
_PIECE = 1 << 20


class Held(msgspec.Struct, frozen=True):
    """One file of a backup."""

    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """What a backup says of itself. ``taken_at``: wall time [ms]; ``position``: the log's last."""

    format: int
    cityloop: str
    tenant: str
    taken_at: int
    position: int
    files: dict[str, Held]


def back_up(folder: Path, file: Path, clock: Clock, version: str) -> Manifest:
    """Write the tenant's ``folder`` to the archive ``file``, in the place of one that was there.

    Anybody may write to the folder meanwhile. Compaction waits while segments are linked. Raises
    ConfigError where there is no log, OSError when the disk is full: ``file`` is as before then.
    """
    if not (folder / LOG).is_file():
        raise ConfigError(f"{folder} holds no log; start the city first, or name its --data")
    stage = folder / _STAGE
    with _alone(folder / "backup.lock"):
        shutil.rmtree(stage, ignore_errors=True)  # of a backup that was killed
        stage.mkdir(mode=0o700)
        try:
            _stage(folder, stage)
            manifest = _manifest(stage, folder.name, clock, version)
            _write(stage, manifest, file)
        finally:
            shutil.rmtree(stage)
    return manifest


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock; waits for whoever has it."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _stage(folder: Path, stage: Path) -> None:
    """Put into ``stage`` what of ``folder`` belongs into a backup."""
    logs = []
    for path in sorted(folder.iterdir()):
        if path.name in _DERIVED or path.name.endswith(_PASSING):
            continue
        if path.name == LOG:
            logs.append(path)
        elif path.suffix == ".db":
            _copy_database(path, stage / path.name)
        elif path.is_file():
            shutil.copy2(path, stage)
        elif path.name != SEGMENTS:
            (stage / path.name).mkdir(mode=0o700)
            _stage(path, stage / path.name)
    for log in logs:
        with _alone(folder / "compaction.lock"):
            _copy_database(log, stage / LOG)
            _link_segments(folder, stage)


def _copy_database(source: Path, target: Path) -> None:
    with (
        sqlite_errors(source),
        closing(apsw.Connection(str(source), flags=apsw.SQLITE_OPEN_READONLY)) as ours,
        closing(apsw.Connection(str(target))) as theirs,
        theirs.backup("main", ours, "main") as copy,
    ):
        ours.set_busy_timeout(10_000)
        # In one step: between two, a writer of another process would have it begin anew.
        copy.step(-1)


def _link_segments(folder: Path, stage: Path) -> None:
    """Hard links to the segments that the copied log names, where they lie in the folder."""
    cold = cold_of(folder)
    with sqlite_errors(stage / LOG), closing(apsw.Connection(str(stage / LOG))) as log:
        log.pragma("journal_mode", "DELETE")  # one file, with nothing beside it
        named = [name for (name,) in log.execute("SELECT folder FROM segments ORDER BY first")]
    for name in named if isinstance(cold, FolderCold) else ():
        (stage / SEGMENTS / name).mkdir(mode=0o700, parents=True)
        for file in (folder / SEGMENTS / name).iterdir():
            os.link(file, stage / SEGMENTS / name / file.name)


def _manifest(stage: Path, tenant: str, clock: Clock, version: str) -> Manifest:
    cold = FolderCold(stage / SEGMENTS)  # the last position takes nothing of it
    with closing(SqliteLog(stage, clock, readonly=True, cold=cold)) as log:
        position = log.last()
    files = {}
    for path in sorted(stage.rglob("*")):
        if path.is_file() and not path.name.endswith(_PASSING):
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            files[str(path.relative_to(stage))] = Held(path.stat().st_size, sha256)
    return Manifest(1, version, tenant, clock(), position, files)


def _write(stage: Path, manifest: Manifest, file: Path) -> None:
    draft = file.with_name(f"{file.name}.new")
    try:
        with draft.open("wb") as raw, tarfile.open(fileobj=raw, mode="w") as archive:
            told = msgspec.json.format(msgspec.json.encode(manifest))
            head = tarfile.TarInfo(MANIFEST)
            head.size = len(told)
            archive.addfile(head, io.BytesIO(told))
            for name in manifest.files:
                archive.add(stage / name, name)
        sync(draft)
        draft.replace(file)
        sync(file.absolute().parent)
    finally:
        draft.unlink(missing_ok=True)


def verify(file: Path) -> Manifest:
    """What ``file`` holds, once every checksum was found right; raises CorruptError, OSError."""
    return _read(file, None)


def restore(file: Path, folder: Path) -> Manifest:
    """Unpack ``file`` as the tenant's ``folder``, which must not hold anything yet.

    All or nothing: what does not fit its checksum leaves no folder behind. Raises CorruptError,
    ConfigError where something is there, or the backup is of another tenant, and OSError.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty; move it away, or restore to another --data")
    draft = folder.with_name(f"{folder.name}.restore")
    shutil.rmtree(draft, ignore_errors=True)  # of a restore that was killed
    make_folder(draft, 0o700)
    try:
        manifest = _read(file, draft)
        if manifest.tenant != folder.name:
            raise ConfigError(
                f"{file} is of tenant {manifest.tenant}, this city of {folder.name}; "
                "name the city's tenant alike in city.toml"
            )
        if folder.is_dir():
            folder.rmdir()
        draft.rename(folder)
        sync(folder.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return manifest


def _read(file: Path, target: Path | None) -> Manifest:
    """Check each file of an archive against its manifest, and write it below ``target``."""
    try:
        with tarfile.open(file, mode="r:") as archive:
            manifest = _told(file, archive)
            left = dict(manifest.files)
            while (member := archive.next()) is not None:
                if member.name not in left or not member.isfile():
                    raise CorruptError(f"{file}: {member.name} is not in the manifest, or twice")
                _check(file, archive, member, left.pop(member.name), target)
    except (tarfile.TarError, msgspec.MsgspecError, EOFError) as error:
        raise CorruptError(f"{file} is no backup of a city, or cut: {error}") from error
    if left:
        raise CorruptError(f"{file} lacks {', '.join(sorted(left)[:5])}; take another backup")
    if target is not None:
        _settle(target, left=manifest.files)
    return manifest


def _told(file: Path, archive: tarfile.TarFile) -> Manifest:
    first = archive.next()
    body = archive.extractfile(first) if first is not None and first.name == MANIFEST else None
    if body is None:
        raise CorruptError(f"{file} does not begin with {MANIFEST}: it is no backup of a city")
    manifest = msgspec.json.decode(body.read(), type=Manifest)
    for name in manifest.files:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise CorruptError(f"{file} names {name}, which lies outside of it")
    return manifest


def _check(
    file: Path,
    archive: tarfile.TarFile,
    member: tarfile.TarInfo,
    held: Held,
    target: Path | None,
) -> None:
    body = archive.extractfile(member)
    path = Path(os.devnull) if target is None else target / member.name
    if target is not None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("wb") as into:
        digest = hashlib.sha256()
        for piece in _pieces(body):
            digest.update(piece)
            into.write(piece)
        if target is not None:
            into.flush()
            os.fsync(into.fileno())
    if digest.hexdigest() != held.sha256:
        raise CorruptError(f"{file}: {member.name} does not fit its checksum; take another backup")


def _pieces(body: IO[bytes] | None) -> Iterator[bytes]:
    while body is not None and (piece := body.read(_PIECE)):
        yield piece


def _settle(target: Path, left: Mapping[str, Held]) -> None:
    """Wait until the disk has the names of all files, too."""
    folders = {target} | {parent for name in left for parent in (target / name).parents}
    for folder in folders:
        if folder == target or target in folder.parents:
            sync(folder)
