"""Who runs which part of which loop, as a file beside the city's log: for people and monitors."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from cityloop.kernel.errors import ConfigError

_NAME = "workers.json"


class WorkerRow(msgspec.Struct, frozen=True):
    """One part of a loop. ``at``: the newest batch handed to it, ``lag``: batches it has yet to
    follow; ``restarts``: since the workers' process started. ``pid`` 0: nobody is there yet.
    """

    loop: str
    part: int
    entities: int
    state: str
    node: str
    pid: int
    epoch: int
    at: int
    lag: int
    restarts: int


def write_workers(folder: Path, rows: Sequence[WorkerRow]) -> None:
    """Say who runs what in the city whose data lies in ``folder``."""
    draft = folder / f"{_NAME}.new"
    draft.write_bytes(msgspec.json.encode(rows))
    draft.replace(folder / _NAME)


def read_workers(folder: Path) -> list[WorkerRow]:
    """What was last said; raises ConfigError where no workers run."""
    try:
        return msgspec.json.decode((folder / _NAME).read_bytes(), type=list[WorkerRow])
    except FileNotFoundError:
        raise ConfigError(
            f"no workers run in {folder}: the city is down, or they are still starting"
        ) from None


def forget_workers(folder: Path) -> None:
    """Nobody runs anything any more."""
    (folder / _NAME).unlink(missing_ok=True)
