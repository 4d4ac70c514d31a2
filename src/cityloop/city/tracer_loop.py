"""The loop that the tracer's observation turns, and the virtual signal that it orders.

It serves those who watch the machine: it goes the way of every loop (view, analyse, respond, the
very guard and the very cabinet of real signals) and changes nothing that anybody drives by. Its
decisions are not recorded, for a decision of the city is about a street.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cityloop.kernel.clock import CityTime
from cityloop.kernel.frame import EntityIds
from cityloop.kernel.loop import Ints, Latest, Loop, Proposals, Score
from cityloop.kernel.reasons import Reason, Wording
from cityloop.kernel.view import Memory, View
from cityloop.safety.guard import SIGNALS
from cityloop.safety.timing import Limits
from cityloop.standards.signals import Junction, Link, Phase, SignalBank

TRACER = "tracer"
"""The source's name in the log."""
TYPE = "Tracer"
IDS = EntityIds([f"urn:ngsi-ld:{TYPE}:circle"])
PHASES = 2
_COLUMNS = ("trace", "returned", "phase", "stage", "stageAge", "inCharge")
_TURN = Wording("trace_turns", "Trace {trace} asks for phase {phase}.")


def _link(foe: int) -> Link:
    return Link("a", "b", "", "s", 13.9, frozenset([foe]), frozenset())


BANK = SignalBank(
    (
        Junction(
            id="tracer",
            x=0.0,
            y=0.0,
            links=(_link(1), _link(0)),
            phases=(Phase("Gr", 60.0), Phase("rG", 60.0)),
            min_green_s=(5.0, 5.0),
            yellow_s=(3.0, 3.0),
            all_red_s=2.0,
        ),
    )
)
LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Known:
    """What the loop knows: its one entity."""

    ids: EntityIds = IDS


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """Traces that are on their way out, and the phase that each is to ask for."""

    rows: Ints
    traces: Ints
    phases: Ints


def _analyse(view: View, memory: Memory, now: CityTime) -> tuple[Wanted, Memory]:
    seen = view[SIGNALS]
    rows = np.flatnonzero((seen["returned"] == 0) & (seen.age_s(now) <= LIMITS.silence_s))
    traces, phases = (seen[name][rows].astype(np.int64) for name in ("trace", "phase"))
    return Wanted(rows, traces, (phases + 1) % PHASES), memory


def _respond(wanted: Wanted) -> Proposals:
    def reason(i: int) -> Reason:
        return _TURN(trace=int(wanted.traces[i]), phase=int(wanted.phases[i]))

    return Proposals(BANK.ids, wanted.rows, wanted.phases, reason)


def _start(_knows: Mapping[str, Any]) -> Memory:
    return {}


loop = Loop(
    name="machine/tracer",
    version="1",
    watches={SIGNALS: Latest(TYPE, _COLUMNS, "tracer.ids")},
    every_s=0.0,
    start=_start,
    analyse=_analyse,
    respond=_respond,
    score=Score("round trip", "s", lower_is_better=True),
    knows=("tracer",),
)
