"""Running totals of a tenant: a fold of the log, so they survive any crash."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from cityloop.city.alarm_frames import ALARM_EVENT, SHIFT_ENTRY
from cityloop.city.tracer_loop import TRACER
from cityloop.kernel.cycle import DECISION
from cityloop.kernel.frame import Array, Frame
from cityloop.kernel.loop import Mode
from cityloop.kernel.ports import Batch
from cityloop.kernel.waiting import CITY_CLOCK
from cityloop.reaction.approvals import Fate
from cityloop.safety.shadow import SHADOW_RESULT

MODE_CHANGE = "ModeChange"
VERSION_CHANGE = "VersionChange"
PLAN_TABLE, PLAN_CALENDAR = "PlanTable", "PlanCalendar"
RETENTION_RULE = "RetentionRule"
_OURS = frozenset(
    {
        DECISION,
        MODE_CHANGE,
        VERSION_CHANGE,
        SHADOW_RESULT,
        PLAN_TABLE,
        PLAN_CALENDAR,
        RETENTION_RULE,
        ALARM_EVENT,
        SHIFT_ENTRY,
        CITY_CLOCK,
    }
)
_CENTRE, _LOCAL = 1, 0


@dataclass(slots=True)
class Totals:
    """Counts since the log began. ``refused``: decisions that guard or cabinet refused;
    ``by_source``: rows of each source whose devices speak when they like.
    """

    observations: int = 0
    decisions: int = 0
    refused: int = 0
    fallbacks: int = 0
    by_source: dict[str, int] = field(default_factory=dict)
    _run: str = ""
    _in_charge: Array | None = None

    def count(self, batch: Batch) -> None:
        """Fold one committed batch; the tracer's observe nothing."""
        if batch.source == TRACER:
            return
        for part in batch.frames:
            if part.type not in _OURS:
                self.observations += part.observations
            if part.type == DECISION:
                self._decided(part)
            elif part.type == "SignalController":
                self._reported(part)
        if batch.rows:
            self.observations += sum(part.observations for part in batch.rows)
            before = self.by_source.get(batch.source, 0)
            self.by_source[batch.source] = before + sum(map(len, batch.rows))

    def _decided(self, part: Frame) -> None:
        self.decisions += len(part)
        verdicts = part["verdict"].astype(np.int64)
        self.refused += int(((verdicts > 0) & (verdicts < min(Fate))).sum())

    def _reported(self, part: Frame) -> None:
        in_charge = part["inCharge"]
        if self._run == part.run and self._in_charge is not None:
            self.fallbacks += int(((self._in_charge == _CENTRE) & (in_charge == _LOCAL)).sum())
        self._run, self._in_charge = part.run, in_charge

    def save(self) -> dict[str, Array]:
        """The totals as one named array, and what the next comparison needs."""
        counts = np.array([self.observations, self.decisions, self.refused, self.fallbacks])
        state: dict[str, Array] = {"counts": counts, "run": np.array(self._run)}
        if self._in_charge is not None:
            state["in_charge"] = self._in_charge
        if self.by_source:
            state["sources"] = np.array(list(self.by_source))
            state["source_rows"] = np.array(list(self.by_source.values()))
        return state

    def load(self, state: Mapping[str, Array]) -> None:
        """Go on from what ``save`` gave."""
        counts = (int(n) for n in state["counts"])
        self.observations, self.decisions, self.refused, self.fallbacks = counts
        self._run = str(state["run"])
        self._in_charge = state.get("in_charge")
        if "sources" in state:
            names, rows = state["sources"].tolist(), state["source_rows"].tolist()
            self.by_source = dict(zip(names, rows, strict=True))


def mode_name(mode: int) -> str:
    """A mode as people write it, such as "shadow"."""
    return Mode(mode).name.lower()
