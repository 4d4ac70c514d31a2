"""The analytic worker: folds the log into the context and compacts it, away from what acts."""

import os
import signal
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import structlog

from cityloop.city.build import wall_time
from cityloop.city.journal import keep_journal
from cityloop.city.wire import Line, Ready
from cityloop.interconnection.compaction import compact
from cityloop.interconnection.tenant import open_tenant
from cityloop.kernel.errors import BusyError

_log = structlog.get_logger()
_EVERY_S, _SOON_S = 10.0, 1.0
_NICE = 10


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """All the worker's process needs."""

    root: Path
    tenant: str


def main(spec: WorkerSpec, supervisor: "Connection[Any, Any]") -> None:
    """Fold and compact every few seconds until told to stop: what acts has the machine first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_journal()
    os.nice(_NICE)
    line = Line(supervisor)
    tenant = open_tenant(spec.root, spec.tenant, wall_time)
    line.send(Ready())
    pause_s = _EVERY_S
    while not line.ready(pause_s):
        try:
            tenant.context.store()
            pause_s = _SOON_S if compact(tenant.log, at_most=1) else _EVERY_S
        except (BusyError, OSError) as error:
            _log.warning("context and history are behind", why=str(error))
    tenant.close()
