"""The hub's memory across restarts: checkpoints, and the replay from the newest one."""

import threading
from collections.abc import Callable

import structlog

from cityloop.city.hub import Hub
from cityloop.interconnection.tenant import Tenant
from cityloop.kernel.errors import BusyError
from cityloop.kernel.frame import Array
from cityloop.kernel.ports import Position

_log = structlog.get_logger()

CHECKPOINT = "hub/4"
"""The number rises with what a hub saves: one of another release is left, and the log replayed."""
_KEEP_EVERY = 2000
_RECENT = 600
"""Commits whose decisions people see again after a restart."""


def recover(hub: Hub, tenant: Tenant, stop: Callable[[], bool] = lambda: False) -> bool:
    """Bring a new hub to the end of the log: checkpoint, then replay; False when stopped before.

    What a long replay has reached is kept, so that the next start need not do it again.
    """
    position = Position(0)
    checkpoint = tenant.context.checkpoint(CHECKPOINT)
    if checkpoint is not None:
        position, state = checkpoint
        hub.load(state)
    kept = position
    for commit in tenant.log.read(position):
        hub.replay(commit)
        position = commit.position
        if position - kept >= _KEEP_EVERY:
            tenant.context.save_checkpoint(CHECKPOINT, position, hub.save())
            kept = position
            if stop():
                return False
    if position > kept:
        tenant.context.save_checkpoint(CHECKPOINT, position, hub.save())
    hub.remind(tenant.log.read(Position(max(0, position - _RECENT))))
    return True


class Keeper:
    """Writes checkpoints in a thread of its own; only the newest of a name that waits counts."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self.position = tenant.log.last()
        """Of the newest checkpoint; a start begins with one."""
        self._wake = threading.Condition()
        self._next: dict[str, tuple[Position, dict[str, Array]]] = {}
        self._open = True
        self._thread = threading.Thread(target=self._work, name="keeper", daemon=True)
        self._thread.start()

    def keep(self, position: Position, state: dict[str, Array], name: str = CHECKPOINT) -> None:
        """Save ``state`` as of ``position``, under ``name``."""
        with self._wake:
            self._next[name] = position, state
            self._wake.notify()

    def close(self) -> None:
        """Write what waits and end."""
        with self._wake:
            self._open = False
            self._wake.notify()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._wake:
                while self._open and not self._next:
                    self._wake.wait()
                jobs, self._next = self._next, {}
            if not jobs:
                return
            try:
                for name, (position, state) in jobs.items():
                    self._tenant.context.save_checkpoint(name, position, state)
            except (OSError, BusyError) as error:
                # The next one takes its place; until then a start replays more of the log.
                _log.warning("checkpoint_not_kept", position=position, why=str(error))
            else:
                self.position = position
