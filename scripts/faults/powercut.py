"""Power cuts for tests: which writes the disk loses that nobody fsynced.

``PowerCut`` gives the environment in which processes are to run; once all of them were killed,
``cut`` makes of their files what a disk would hold after a power cut. The rules are in
``powercut.c``. Strictly nothing survives that was not fsynced; with ``seed`` a random part of it
does, file by file, as on a disk that had begun to write (a name before its content, too).
"""

import os
import random
import shutil
import struct
from pathlib import Path
from typing import TypeVar

from scripts.faults.preloaded import library

T = TypeVar("T")
_CHANGE = struct.Struct("=QQQ")


class PowerCut:
    """A folder whose power can be cut. ``journal``: on the same file system, not below it."""

    def __init__(self, root: Path, journal: Path, slow_ms: int = 0) -> None:
        self._root = root.resolve()
        self._journal = journal.resolve()
        self._slow_ms = slow_ms
        self._root.mkdir(parents=True, exist_ok=True)
        self._begin()

    def _begin(self) -> None:
        shutil.rmtree(self._journal, ignore_errors=True)
        (self._journal / "kept").mkdir(parents=True)

    def environment(self) -> dict[str, str]:
        """What a process needs in its environment so that it, and all it starts, is watched."""
        return {
            "LD_PRELOAD": str(library("powercut")),
            "POWERCUT_ROOT": str(self._root),
            "POWERCUT_JOURNAL": str(self._journal),
            "POWERCUT_SLOW_MS": str(self._slow_ms),
        }

    def cut(self, seed: int | None = None) -> int:
        """Undo what the disk had not got; how many changes. Nobody may run in the folder."""
        chance = None if seed is None else random.Random(seed)
        undone = sum(_undo_name(*op) for op in reversed(_some(self._names(), chance)))
        files = {path.stat().st_ino: path for path in self._root.rglob("*") if path.is_file()}
        for journal in sorted(self._journal.glob("*.undo")):
            path = files.get(int(journal.stem)) if journal.stem != "names" else None
            if path is not None:
                undone += _undo_content(path, _some(_changes(journal.read_bytes()), chance))
        self._begin()
        return undone

    def _names(self) -> list[tuple[str, Path, str]]:
        """The changes of names that no fsync of their folder followed, in order."""
        try:
            told = (self._journal / "names.undo").read_bytes()
        except FileNotFoundError:
            return []
        open_: list[tuple[str, Path, str]] = []
        for record in told.split(b"\0\n")[:-1]:
            first, _, second = record[1:].decode().partition("\0")
            kind, path = chr(record[0]), Path(first)
            if kind == "s":
                open_ = [op for op in open_ if op[1].parent != path]
            else:
                open_.append((kind, path, second))
        return open_


def _some(changes: list[T], chance: random.Random | None) -> list[T]:
    """The changes that are lost: all, or the newest of them."""
    return changes if chance is None else changes[chance.randint(0, len(changes)) :]


def _undo_name(kind: str, path: Path, other: str) -> int:
    match kind:
        case "c":
            path.unlink(missing_ok=True)
        case "d":
            shutil.rmtree(path, ignore_errors=True)
        case "r":
            path.mkdir(parents=True, exist_ok=True)
        case "u" | "k" if other:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            os.link(other, path)
        case "m" if path.exists():
            path.rename(other)
    return 1


def _changes(told: bytes) -> list[tuple[int, int, bytes]]:
    """Of one file: its size before, where the change began, and what lay there."""
    found, at = [], 0
    while at + _CHANGE.size <= len(told):
        size, where, held = _CHANGE.unpack_from(told, at)
        at += _CHANGE.size
        if at + held > len(told):  # its writer was killed before it changed anything
            break
        found.append((size, where, told[at : at + held]))
        at += held
    return found


def _undo_content(path: Path, changes: list[tuple[int, int, bytes]]) -> int:
    with path.open("r+b") as file:
        for size, at, held in reversed(changes):
            file.seek(at)
            file.write(held)
            file.truncate(size)
    return len(changes)
