"""The analytic worker: folds the log into the context and compacts it, away from what acts."""

import os
import signal
import time
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import structlog

from cityloop.city.clock import wall_time
from cityloop.city.journal import keep_journal
from cityloop.city.memory import CHECKPOINT
from cityloop.city.retention_desk import keeps_in_force
from cityloop.city.telemetry import Telemetry, open_telemetry
from cityloop.city.wire import Behind, Line, Measured, Ready
from cityloop.interconnection.compaction import compact, compact_since
from cityloop.interconnection.retention import Retention
from cityloop.interconnection.tenant import Tenant, open_tenant
from cityloop.kernel.clock import WallTime
from cityloop.kernel.errors import BusyError, ConfigError, CorruptError
from cityloop.kernel.figures import Figure, write_told
from cityloop.kernel.ports import Commit, Position
from cityloop.standards.attributes import declared

_log = structlog.get_logger()
_EVERY_S, _SOON_S, _TIDY_EVERY_S = 10.0, 1.0, 60.0
_NICE = 10
_MINUTE_MS = 60_000
_CHUNKS_MERGED = 60


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """All the worker's process needs."""

    root: Path
    tenant: str
    store: str


class Tidy:
    """Retention beside compaction: looked after once a minute, and at once while it has work."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        merge = _CHUNKS_MERGED if tenant.log.cold.by_the_minute else 0
        self._retention = Retention(tenant.log, merge=merge)
        self._next = 0.0

    def settled(self) -> Position:
        """Up to where nothing is replayed after a crash: hub and context are beyond it."""
        kept = self._tenant.context.checkpoint(CHECKPOINT)
        return min(kept[0], self._tenant.context.position) if kept else Position(0)

    def moved(self) -> int:
        """Move what is due into the cold half of the log; how many chunks it made."""
        log = self._tenant.log
        if not log.cold.by_the_minute:
            return compact(log, at_most=1)
        before = WallTime(wall_time() - _MINUTE_MS)
        return compact_since(log, before, self.settled(), at_most=1)

    def due(self, now: float) -> bool:
        """Apply the rules where it is time to; whether there may be more to do."""
        if now < self._next:
            return False
        tenant, until = self._tenant, self.settled()
        if not until:
            return False
        keeps = keeps_in_force(declared(), tenant.context)
        rewritten = self._retention.apply(keeps, wall_time(), until)
        if not rewritten:
            self._next = now + _TIDY_EVERY_S
        return bool(rewritten)


def _trace(telemetry: Telemetry, commit: Commit) -> None:
    """From a sampled batch's commit until the context has it."""
    batch = commit.batch
    key = batch.source, batch.run, batch.sequence
    if telemetry.samples(key):
        telemetry.span(key, "context", commit.committed_at * 1_000_000, time.time_ns())


def _figures(tenant: Tenant) -> list[Figure]:
    reached = {"context": tenant.context.position, "history": tenant.log.compacted()}
    return [Figure("cityloop_fold_position", at, (fold,)) for fold, at in reached.items()]


def main(spec: WorkerSpec, supervisor: "Connection[Any, Any]") -> None:
    """Fold and compact every few seconds until told to stop: what acts has the machine first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_journal()
    os.nice(_NICE)
    line = Line(supervisor)
    tenant = open_tenant(spec.root, spec.tenant, wall_time, store=spec.store)
    telemetry = open_telemetry("worker")
    if telemetry is not None:
        tenant.context.folded = partial(_trace, telemetry)
    line.send(Ready())
    tidy = Tidy(tenant)
    pause_s, told = _EVERY_S, ""
    while not line.ready(pause_s):
        try:
            tenant.context.store()
            moved = tidy.moved()
            pause_s = _SOON_S if moved or tidy.due(time.monotonic()) else _EVERY_S
            why = ""
            line.send(Measured(write_told(_figures(tenant))))
        except (BusyError, ConfigError, CorruptError, OSError) as error:
            why, pause_s = str(error), _EVERY_S
            _log.warning("context and history are behind", why=why)
        if why != told:
            line.send(Behind(why))
            told = why
    tenant.close()
    if telemetry is not None:
        telemetry.close()
