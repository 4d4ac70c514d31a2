"""The cold half of a log: its older stretches, each of them a chunk with a name.

The log's own tables say which chunks there are; a ``Cold`` holds what is in them. Reading a chunk
gives the very commits back that were written, less what retention took.
"""

import os
import shutil
import time
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

from cityloop.interconnection.durable import make_folder, sync
from cityloop.interconnection.segments import (
    Segment,
    read_segment,
    segment_facts,
    segment_writes,
    write_segment,
)
from cityloop.interconnection.thinning import Keeps, thinned
from cityloop.kernel.clock import WallTime
from cityloop.kernel.frame import Frame
from cityloop.kernel.ports import Commit, Position
from cityloop.kernel.rows import Rows

Part: TypeAlias = Frame | Rows
_LINGER_S = 60.0


class Span(NamedTuple):
    """City times [ms] of a type and run in the chunk that begins at position ``first``."""

    type: str
    run: str
    first: int
    since: int
    until: int


class Cold(Protocol):
    """Where chunks lie. All raise OSError while it cannot be reached, CorruptError for content
    that fails its check.

    ``by_the_minute``: others read here, too, so what is new is to come soon, in small chunks.
    """

    @property
    def by_the_minute(self) -> bool:
        """Whether a minute is the pace of compaction."""
        ...

    def write(self, name: str, commits: Sequence[Commit]) -> None:
        """Make a chunk durable before it returns; again after a kill, without doubling a row."""
        ...

    def read(self, name: str) -> Iterator[Commit]:
        """The commits of a chunk, in order."""
        ...

    def writes(self, name: str) -> Iterator[Commit]:
        """Those of them that hold writes of the API, bare of all that is columnar."""
        ...

    def parts(self, name: str, type_: str) -> list[Part]:
        """The frames and rows of one type in a chunk, in the order they were committed."""
        ...

    def newest(self, names: Sequence[str]) -> Mapping[str, WallTime]:
        """Of each chunk when its newest commit was made."""
        ...

    def size(self, name: str) -> int:
        """About how many bytes rewriting a chunk would hold in memory."""
        ...

    def thin(self, names: Sequence[str], name: str, keeps: Keeps, now: WallTime) -> list[Span]:
        """Make neighbours one chunk, with what the rules leave of it; what columns it holds.

        Until the log names the new chunk, the old ones read as before or as the new one does.
        """
        ...

    def settle(self, recorded: Container[str], done: Position) -> None:
        """Clear up what no chunk that the log has recorded, up to ``done``, needs any more."""
        ...


class FolderCold:
    """``Cold`` in a folder, a segment each. An old one stays for its readers for a minute."""

    by_the_minute = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._last: tuple[str, Segment] | None = None

    def write(self, name: str, commits: Sequence[Commit]) -> None:
        """As ``Cold``: written beside, then renamed."""
        make_folder(self.folder, 0o700)
        new = self.folder / f"{name}.new"
        for left in (new, self.folder / name):
            if left.exists():  # by a kill at this very point
                shutil.rmtree(left)
        new.mkdir(mode=0o700)
        write_segment(new, commits)
        new.rename(self.folder / name)
        sync(self.folder)

    def read(self, name: str) -> Iterator[Commit]:
        """As ``Cold``."""
        return read_segment(self.folder / name)

    def writes(self, name: str) -> Iterator[Commit]:
        """As ``Cold``; the index alone is read."""
        return segment_writes(self.folder / name)

    def parts(self, name: str, type_: str) -> list[Part]:
        """As ``Cold``; whoever asks for the next type finds the index read."""
        last = self._last
        if last is None or last[0] != name:
            last = self._last = name, Segment(self.folder / name)
        return last[1].parts(type_)

    def newest(self, names: Sequence[str]) -> Mapping[str, WallTime]:
        """As ``Cold``."""
        return {name: segment_facts(self.folder / name)[0] for name in names}

    def size(self, name: str) -> int:
        """Bytes on the disk."""
        return sum(file.stat().st_size for file in (self.folder / name).iterdir())

    def thin(self, names: Sequence[str], name: str, keeps: Keeps, now: WallTime) -> list[Span]:
        """As ``Cold``: the old ones are not touched."""
        whole = (commit for each in names for commit in self.read(each))
        commits = list(thinned(whole, keeps, now))
        self.write(name, commits)
        for each in names:
            os.utime(self.folder / each)  # from now on it is kept for its last readers
        return spans_of(commits)

    def settle(self, recorded: Container[str], done: Position) -> None:
        """Remove folders that are none of ``recorded`` and have no reader any more."""
        for folder in self.folder.iterdir() if self.folder.exists() else ():
            if folder.name not in recorded and not _lingers(folder, done):
                shutil.rmtree(folder)


def _lingers(folder: Path, done: int) -> bool:
    """Whether a reader may still be in a folder that another has taken the place of."""
    replaced = folder.suffix != ".new" and int(folder.name.partition("-")[0]) <= done
    return replaced and time.time() - folder.stat().st_mtime < _LINGER_S


def chunk_name(first: int, last: int) -> str:
    """The name of what lies from ``first`` to ``last`` position."""
    return f"{first:012d}-{last:012d}"


def spans_of(commits: Sequence[Commit]) -> list[Span]:
    """What columns ``commits`` hold, by type and run."""
    spans: dict[tuple[str, str], tuple[int, int]] = {}
    for commit in commits:
        told = [(p.type, p.run, p.observed_at, p.observed_at) for p in commit.batch.frames]
        told += [(p.type, p.run, p.oldest, p.newest) for p in commit.batch.rows if len(p)]
        for type_, run, oldest, newest in told:
            since, until = spans.get((type_, run), (oldest, newest))
            spans[type_, run] = min(since, oldest), max(until, newest)
    first = commits[0].position
    return [Span(type_, run, first, *times) for (type_, run), times in spans.items()]
