"""Every store is opened for a tenant, so no call can forget whose data it touches (law 11)."""

import re
from dataclasses import dataclass
from pathlib import Path

from cityloop.interconnection.context import SqliteContext
from cityloop.interconnection.durable import make_folder
from cityloop.interconnection.history import ParquetHistory
from cityloop.interconnection.log import SqliteLog
from cityloop.interconnection.rejects import SqliteRejects
from cityloop.kernel.clock import Clock
from cityloop.kernel.errors import ConfigError

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class Tenant:
    """The stores of one tenant; close it when done."""

    name: str
    log: SqliteLog
    context: SqliteContext
    history: ParquetHistory
    rejects: SqliteRejects

    def close(self) -> None:
        """Write what is queued and let go of all files."""
        self.rejects.close()
        self.context.close()
        self.log.close()


def open_tenant(root: Path, name: str, clock: Clock, *, readonly: bool = False) -> Tenant:
    """The stores of tenant ``name`` in ``root/name``, made when new; one process opens to write.

    Raises ConfigError for a name that cannot be a folder's, or, readonly, for an unknown tenant.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"tenant {name!r}: use 1 to 63 of a-z, 0-9, - and _, beginning with a letter or digit"
        )
    folder = root / name
    if readonly and not folder.is_dir():
        raise ConfigError(f"tenant {name!r} does not exist in {root}; start its city first")
    make_folder(folder, 0o700)
    log = SqliteLog(folder, clock, readonly=readonly)
    context = SqliteContext(folder, log, readonly=readonly)
    rejects = SqliteRejects(folder, clock, readonly=readonly)
    return Tenant(name, log, context, ParquetHistory(log), rejects)
