"""A watched folder: CSV, Parquet and GeoJSON files are taken, committed, and moved away.

A file is taken when it has not changed between two looks; it goes to ``taking/``, and from there to
``done/`` or ``rejected/`` with a report beside it. It is delivered in pieces, and how many are
delivered is kept beside it, so a process that is killed goes on where it was: the piece that was
under way counts as delivered when the log holds a newer commit of this source.
"""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Annotated, ClassVar

import msgspec
import pyarrow as pa
import pyarrow.parquet
from msgspec import Meta

from cityloop.kernel.errors import BusyError, InputError
from cityloop.kernel.ports import Log, Position
from cityloop.perception.source import Intake, Mistake, Setup, SourceSettings
from cityloop.perception.sources.recording import taken
from cityloop.perception.sources.table_settings import TableSettings
from cityloop.standards.feeds.geojson import read_geojson
from cityloop.standards.feeds.tables import TableMap, read_table, read_texts
from cityloop.standards.readings import Decoded, Fault, Faults

MEGABYTE = 1_000_000
PIECE_ROWS = 20_000
_SUFFIXES = (".csv", ".parquet", ".geojson")
_BUSY_S = 1.0
_REPORTED_FAULTS = 1000
Wait = Callable[[float], Awaitable[None]]


class FilesSettings(SourceSettings, frozen=True, kw_only=True, tag="files"):
    """``[sources.NAME] kind = "files"``.

    ``folder``: the watched folder; ``table``: what the columns mean (of GeoJSON the properties).
    Files may be old, so ``late_s`` is a year unless it is set.
    """

    trial_may_acknowledge: ClassVar[bool] = True

    folder: str
    table: TableSettings
    every_s: Annotated[float, Meta(ge=0.1)] = 2.0
    most_mb: Annotated[float, Meta(gt=0, le=10_000)] = 500.0
    late_s: Annotated[float, Meta(ge=0)] = 366 * 86_400.0

    def mistakes(self) -> Iterable[Mistake]:
        """What one key alone does not tell."""
        return self.table.mistakes("table")

    def source(self, setup: Setup) -> "Files":
        """The adapter."""
        return Files(self, setup.name, setup.folder / self.folder, setup.log, trial=setup.trial)


class Progress(msgspec.Struct, frozen=True):
    """How far a file is: pieces delivered, and where the log stood before the next."""

    pieces: int = 0
    position: int = 0


@dataclass(slots=True)
class Account:
    """What became of a file."""

    file: str
    rows: int = 0
    observations: int = 0
    rejected: int = 0
    faults: tuple[Fault, ...] = ()

    def add(self, decoded: Decoded) -> None:
        """Count one piece."""
        self.rows += sum(map(len, decoded.readings))
        self.observations += sum(part.observations for part in decoded.readings)
        self.refuse(decoded.faults)
        self.rejected += decoded.fault_count - len(decoded.faults)

    def refuse(self, faults: Sequence[Fault]) -> None:
        """Count what was not taken."""
        self.rejected += len(faults)
        self.faults = (*self.faults, *faults)[:_REPORTED_FAULTS]


class Files:
    """Takes the files of one folder, one after the other, the oldest name first.

    ``log``: the tenant's log, to read; without it the piece under way at a kill comes twice.
    ``trial``: files are read where they lie, and stay there.
    """

    def __init__(
        self,
        settings: FilesSettings,
        name: str,
        folder: Path,
        log: Log | None,
        *,
        trial: bool = False,
        wait: Wait = asyncio.sleep,
        piece_rows: int = PIECE_ROWS,
        busy_s: float = _BUSY_S,
    ) -> None:
        self._settings = settings
        self._name = name
        self._folder = folder
        self._log = log
        self._trial = trial
        self._wait = wait
        self._piece_rows = piece_rows
        self._busy_s = busy_s
        self._seen: dict[str, tuple[int, int]] = {}
        self._shown: set[str] = set()

    async def run(self, intake: Intake) -> None:
        """Watch until cancelled; raises OSError where the folder cannot be used."""
        while True:
            await self.look(intake)
            await self._wait(self._settings.every_s)

    async def look(self, intake: Intake) -> None:
        """Take what a killed process left, then every file that is complete."""
        if self._trial:
            await self._show(intake)
            return
        for name in ("taking", "done", "rejected"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        for path in sorted((self._folder / "taking").iterdir()):
            if path.suffix in _SUFFIXES:
                await self._deliver(path, intake)
        for path in self._complete():
            await self._deliver(_moved(path, self._folder / "taking"), intake)
        intake.tell("ok")

    async def _show(self, intake: Intake) -> None:
        """Deliver every complete file from where it lies, once."""
        for path in self._complete():
            if path.name not in self._shown:
                self._shown.add(path.name)
                await self._whole(path, intake, Account(path.name))

    def _complete(self) -> list[Path]:
        """Files that look as they did at the look before."""
        found: dict[str, tuple[int, int]] = {}
        for path in sorted(self._folder.iterdir()):
            facts = path.lstat()
            if S_ISREG(facts.st_mode) and path.suffix in _SUFFIXES and path.name[0] != ".":
                found[path.name] = facts.st_size, facts.st_mtime_ns
        whole = [name for name, facts in found.items() if self._seen.get(name) == facts]
        self._seen = found
        return [self._folder / name for name in whole]

    async def _deliver(self, path: Path, intake: Intake) -> None:
        """All of one claimed file, then its account beside it in done/ or rejected/."""
        account = Account(path.name)
        await self._whole(path, intake, account)
        end = "done" if account.rows else "rejected"
        moved = _moved(path, self._folder / end)
        _write(moved.with_name(moved.name + ".report.json"), _report(account))
        _progress_of(path).unlink(missing_ok=True)

    async def _whole(self, path: Path, intake: Intake, account: Account) -> None:
        """All that can be read of a file; why not, where it cannot be read at all."""
        try:
            await self._pieces(path, intake, account)
        except InputError as error:
            fault = Fault(path.name, str(error))
            await self._held_back(intake, Decoded((), (fault,), 1))
            account.refuse([fault])

    async def _pieces(self, path: Path, intake: Intake, account: Account) -> None:
        progress = await asyncio.to_thread(self._resumed, path)
        _check_size(path, self._settings.most_mb)
        parts = pieces(path, self._settings.table.map, self._piece_rows)
        number = 0
        while (decoded := await asyncio.to_thread(next, parts, None)) is not None:
            account.add(decoded)
            number += 1
            if number > progress.pieces:
                if not self._trial:
                    await asyncio.to_thread(self._note, path, number - 1)
                account.refuse(await self._held_back(intake, decoded))

    async def _held_back(self, intake: Intake, decoded: Decoded) -> Sequence[Fault]:
        """Deliver, again while the intake is full: a file can wait. What named no device."""
        while decoded.readings or decoded.faults:
            try:
                return await intake.deliver(decoded)
            except BusyError:
                intake.tell("waiting", "the city takes no more just now")
                await self._wait(self._busy_s)
        return ()

    def _note(self, path: Path, delivered: int) -> None:
        """Keep how far a file is, before its next piece goes out."""
        position = 0 if self._log is None else self._log.last()
        _write(_progress_of(path), msgspec.json.encode(Progress(delivered, position)))

    def _resumed(self, path: Path) -> Progress:
        """How far an earlier process came with a file."""
        try:
            noted = msgspec.json.decode(_progress_of(path).read_bytes(), type=Progress)
        except FileNotFoundError:
            return Progress()
        except msgspec.DecodeError as error:
            raise InputError(f"{_progress_of(path)} is damaged: {error}; remove it") from None
        if self._log is None:
            return noted
        newer = self._log.read(Position(noted.position))
        if any(commit.batch.source == self._name for commit in newer):
            return Progress(noted.pieces + 1, noted.position)
        return noted


def pieces(path: Path, table_map: TableMap, most_rows: int) -> Iterator[Decoded]:
    """A file's content in pieces of at most ``most_rows`` rows, always the same ones.

    Raises InputError where it cannot be read at all.
    """
    if path.suffix == ".geojson":
        decoded = read_geojson(path.read_bytes(), table_map)
        yield Decoded((), decoded.faults, decoded.fault_count)
        for part in decoded.readings:
            for begin in range(0, len(part), most_rows):
                yield Decoded((taken(part, slice(begin, begin + most_rows)),))
        return
    of_file = Faults()
    for table, place in _tables(path, of_file):
        for begin in range(0, table.num_rows, most_rows):
            faults = Faults()
            rows = table.slice(begin, most_rows)
            where = f"{place} from row {begin + 1}" if begin else place
            yield faults.of([read_table(rows, table_map, faults, where)])
    yield of_file.of(())


def _check_size(path: Path, most_mb: float) -> None:
    if path.stat().st_size > most_mb * MEGABYTE:
        raise InputError(f"larger than {most_mb:g} MB; split it")


def _tables(path: Path, faults: Faults) -> Iterator[tuple[pa.Table, str]]:
    if path.suffix == ".csv":
        yield read_texts(path.read_bytes(), path.name, faults), path.name
        return
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                yield file.read_row_group(group), f"{path.name} row group {group}"
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path.name} cannot be read: {error}") from None


def _moved(path: Path, folder: Path) -> Path:
    """``path`` after its move to ``folder``, under a name that is free there."""
    target, number = folder / path.name, 1
    while target.exists():
        target, number = folder / f"{path.stem}.{number}{path.suffix}", number + 1
    return path.rename(target)


def _progress_of(path: Path) -> Path:
    return path.parent.parent / "taking" / f"{path.name}.progress"


def _write(path: Path, content: bytes) -> None:
    """Whole and on the disk, or not at all."""
    half = path.with_name(path.name + ".half")
    with half.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    half.rename(path)


def _report(account: Account) -> bytes:
    told = {
        "file": account.file,
        "rows": account.rows,
        "observations": account.observations,
        "rejected": account.rejected,
        "faults": [msgspec.to_builtins(fault) for fault in account.faults],
    }
    return json.dumps(told, indent=2, ensure_ascii=False).encode()
