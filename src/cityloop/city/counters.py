"""Counters that only rise, whatever crashes: the city's runs and the hub's starts."""

import os
from pathlib import Path

from cityloop.kernel.errors import CorruptError


def next_number(path: Path) -> int:
    """One more than the file holds, durably written before it is returned; the first is 1."""
    try:
        number = int(path.read_text(encoding="ascii")) + 1
    except FileNotFoundError:
        number = 1
    except ValueError:
        raise CorruptError(f"{path} holds no number; restore it from a backup") from None
    draft = path.with_suffix(".new")
    with draft.open("w", encoding="ascii") as file:
        file.write(str(number))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return number
