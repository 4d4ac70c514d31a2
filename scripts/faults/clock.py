"""A wall clock that tests step while a city runs. The rules are in ``clock.c``."""

import struct
from pathlib import Path

from scripts.faults.preloaded import library


class SteppedClock:
    """The clock of the processes with this ``environment``; ``file``: holds by how much it is off.

    libfaketime, the rival, is a package more, and cannot be stepped while a process runs but by
    a file that it reads anew with each call.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        file.write_bytes(bytes(8))

    def environment(self) -> dict[str, str]:
        """What a process needs in its environment."""
        return {"LD_PRELOAD": str(library("clock")), "CLOCK_STEP": str(self._file)}

    def step(self, seconds: float) -> None:
        """Put the clock so far ahead of the machine's, or behind it."""
        with self._file.open("r+b") as file:
            file.write(struct.pack("=q", round(seconds * 1e9)))
