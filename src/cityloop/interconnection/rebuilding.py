"""Derived stores are rebuilt, not migrated (design law 1): dropped, and folded again."""

from contextlib import closing

from cityloop.interconnection.tenant import Place, drop_context, open_context, open_log
from cityloop.kernel.clock import Clock
from cityloop.kernel.errors import ConfigError
from cityloop.kernel.ports import Position


def rebuild_context(place: Place, clock: Clock) -> tuple[Position, dict[str, int]]:
    """Drop the context and the checkpoints, whatever release wrote them, and fold the log again;
    the position reached, and how many entities of each type there are.

    Raises ConfigError where there is no log, OSError, BusyError and CorruptError as the log does.
    """
    if not place.folder.is_dir():
        raise ConfigError(f"{place.folder} does not exist; start its city first")
    with closing(open_log(place, clock, readonly=True)) as log:
        log.last()  # it is there and can be read, before anything goes
        drop_context(place)
        with closing(open_context(place, log)) as context:
            return context.store(), context.types()
