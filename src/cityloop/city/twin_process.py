"""A twin's own process: the simulator with its cabinets, the line to the hub, and ground truth.

The city goes on without the hub: frames are kept back, cabinets turn to their local plans.
"""

import gc
import signal
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec
import structlog

from cityloop.city.hub_line import HubLine
from cityloop.city.journal import keep_journal
from cityloop.city.telemetry import ROOT, during, open_telemetry
from cityloop.city.wire import TWIN_SOURCE, Grant, Line, Progress
from cityloop.city.witness import Witness
from cityloop.kernel.clock import CityTime
from cityloop.kernel.errors import RefusedError
from cityloop.safety.cabinet import CabinetBank
from cityloop.safety.envelope import Limits
from cityloop.standards.network import RoadNetwork
from cityloop.standards.plans import Schedule
from cityloop.twins.sumo.faults import BrokenSensors, Fault
from cityloop.twins.sumo.scenario import SumoScenario
from cityloop.twins.sumo.twin import SumoTwin

_log = structlog.get_logger()
_read_schedule = msgspec.json.Decoder(Schedule).decode
_TELL_EVERY = 10
_FINISH_S = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class TwinSpec:
    """All a twin process needs. ``hub`` is None for the baseline, which no loop controls.

    ``schedule``: the settings' time-of-day plans, until the hub tells of others.
    """

    name: str
    run: str
    seed: int
    begins: CityTime
    seconds: int
    scenario: SumoScenario
    network: RoadNetwork
    limits: Limits
    truth: Path
    schedule: Schedule
    hub: Path | None = None
    faults: tuple[Fault, ...] = ()


class Stopped(Exception):  # noqa: N818 (it is no error: the city ends)
    """The city ends, or the process that started us is gone."""


class Baton:
    """The twin's end of the conductor: waits for leave to run the next second."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._granted = 0

    def wait(self, at: int, witness: Witness) -> None:
        """Return when second ``at`` may run; raises Stopped when the city ends.

        Whoever begins to look while nothing moves is answered by ``witness``.
        """
        while self._granted < at or (at % _TELL_EVERY == 0 and self._line.ready()):
            try:
                witness.attend(self._line)
                message = self._line.receive()
            except (EOFError, OSError):
                raise Stopped from None
            if isinstance(message, Grant):
                self._granted = message.until
            else:
                raise Stopped

    def tell(self, at: int, *, done: bool = False) -> None:
        """Report progress, at the end of a grant and every few seconds."""
        if done or at >= self._granted or at % _TELL_EVERY == 0:
            try:
                self._line.send(Progress(at, done))
            except OSError:
                raise Stopped from None


def main(spec: TwinSpec, supervisor: "Connection[Any, Any]") -> None:
    """Run one run of one twin; returns when its hour is over or the city ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_journal()
    baton = Baton(Line(supervisor))
    bank, limits, begins = spec.network.bank, spec.limits, spec.begins
    cabinets = CabinetBank(bank, limits, begins, spec.schedule) if spec.hub else None
    twin = SumoTwin(
        spec.scenario,
        spec.network,
        run=spec.run,
        seed=spec.seed,
        start=spec.begins,
        cabinets=cabinets,
    )
    try:
        _run(spec, twin, baton, cabinets)
    except Stopped:
        return
    finally:
        twin.close()


def _run(spec: TwinSpec, twin: SumoTwin, baton: Baton, cabinets: CabinetBank | None) -> None:
    gc.freeze()
    line = HubLine(spec.hub, TWIN_SOURCE, spec.run) if spec.hub else None
    witness = Witness(spec.name, spec.truth, twin)
    broken = BrokenSensors(spec.faults)
    frames = broken.sent(0, twin.sense())
    telemetry = open_telemetry("twin") if line else None
    for at in range(1, spec.seconds + 1):
        baton.wait(at, witness)
        key = TWIN_SOURCE, spec.run, at
        with during(telemetry, key, "exchange", known_as=ROOT):
            orders = line.exchange(at, frames) if line else ()
        if line and cabinets and (plans := line.take_plans()) is not None:
            _go_by(plans, cabinets)
        with during(telemetry if orders else None, key, "actuator"):
            frames = broken.sent(at, twin.step(orders))
        witness.tell(at, now=time.monotonic())
        baton.tell(at)
    if telemetry:
        telemetry.close()
    if line:
        line.exchange(spec.seconds + 1, frames)
        line.finish(_FINISH_S)
    witness.tell(spec.seconds, now=time.monotonic(), force=True)
    baton.tell(spec.seconds, done=True)


def _go_by(plans: bytes, cabinets: CabinetBank) -> None:
    """Hand plans to the cabinets, which have the last word."""
    try:
        cabinets.plan(_read_schedule(plans))
    except RefusedError as error:
        _log.error("the cabinets refuse the time-of-day plans and keep theirs", why=str(error))
