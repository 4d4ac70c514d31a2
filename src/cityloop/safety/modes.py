"""Modes: how far each loop may go on each group of actuators, and what promotion asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cityloop.kernel.errors import ConfigError, RefusedError
from cityloop.kernel.frame import Array, EntityIds
from cityloop.kernel.loop import Ints, Mode
from cityloop.kernel.reasons import Reason, Wording, clauses

OTHERS = "others"
NO_CABINETS = "this city has no cabinets that take orders, for it has no twin."


SHADOW_NEEDED = Wording(
    "shadow_needed",
    "{loop} may act on {group} only with a shadow result{lacks}. Let it decide in shadow until its"
    " result fulfils the rule, or cite what shows that it may.",
)


@dataclass(frozen=True, slots=True)
class ModeChange:
    """One switch, as the log keeps it; ``evidence`` is the shadow result that allowed ``act``."""

    loop: str
    group: str
    mode: Mode
    evidence: str


class ModeBook:
    """The mode of every loop on every group; actuators in no group form the group ``others``.

    ``cabinets``: whether there are any that take orders; where not, no loop acts.
    """

    def __init__(
        self, actuators: EntityIds, groups: Mapping[str, Sequence[str]], *, cabinets: bool = True
    ) -> None:
        rows = {
            group: np.array([_row(actuators, group, member) for member in members], dtype=np.int64)
            for group, members in groups.items()
        }
        taken = np.zeros(len(actuators), dtype=np.bool_)
        for members in rows.values():
            taken[members] = True
        if not taken.all():
            rows[OTHERS] = np.flatnonzero(~taken)
        self._highest = Mode.ACT if cabinets else Mode.ADVISE
        self._actuators = actuators
        self._count = len(actuators)
        self.groups: Mapping[str, Ints] = rows
        self._modes: dict[str, dict[str, Mode]] = {}
        self._switched: set[tuple[str, str]] = set()
        self._rows: dict[str, Ints] = {}

    @property
    def count(self) -> int:
        """How many actuators there are."""
        return self._count

    def members(self, group: str) -> list[str]:
        """The last parts of the names of a group's actuators, as people call them."""
        return [self._actuators.names[row].rpartition(":")[2] for row in self.groups[group]]

    def add(self, loop: str, mode: Mode) -> None:
        """A loop with its first mode everywhere."""
        self._modes[loop] = dict.fromkeys(self.groups, mode)
        self._rows[loop] = np.full(self._count, mode, dtype=np.int64)

    def check(
        self, loop: str, group: str, mode: Mode, evidence: str, missing: Sequence[Reason] = ()
    ) -> ModeChange:
        """The change a person asks for; raises RefusedError with what is missing.

        ``missing``: what the loop's own shadow result on the group lacks.
        """
        self.check_loop(loop)
        if group not in self.groups:
            raise RefusedError(f"Group {group} does not exist; it can be {_or(self.groups)}.")
        if mode > self._highest:
            raise RefusedError(f"{loop} cannot act: {NO_CABINETS} It can go as far as advise.")
        if mode == Mode.ACT and self._modes[loop][group] != Mode.ACT and not evidence.strip():
            lacks = f": {clauses(missing)}" if missing else ""
            needed = SHADOW_NEEDED(loop=loop, group=group, lacks=lacks)
            raise RefusedError(needed.sentence, [needed, *missing])
        return ModeChange(loop, group, mode, evidence)

    def apply(self, change: ModeChange) -> None:
        """Put a change into force; one of an unknown loop or group (an older city) is void."""
        if change.loop in self._modes and change.group in self.groups:
            mode = min(change.mode, self._highest)
            self._modes[change.loop][change.group] = mode
            self._switched.add((change.loop, change.group))
            rows = self._rows[change.loop].copy()
            rows[self.groups[change.group]] = mode
            self._rows[change.loop] = rows

    def of(self, loop: str) -> Ints:
        """A Mode per actuator, shape (J,)."""
        return self._rows[loop]

    def check_loop(self, loop: str) -> None:
        """Raises RefusedError when the loop does not run here."""
        if loop not in self._modes:
            raise RefusedError(f"Loop {loop} does not run here; it can be {_or(self._modes)}.")

    def names(self) -> dict[str, dict[str, Mode]]:
        """Loop → group → mode."""
        return {loop: dict(groups) for loop, groups in self._modes.items()}

    def save(self) -> dict[str, Array]:
        """The modes that somebody switched, as named arrays; the others are the settings'."""
        return {
            f"{loop}|{group}": np.array(int(self._modes[loop][group]))
            for loop, group in sorted(self._switched)
        }

    def load(self, state: Mapping[str, Array]) -> None:
        """Take up what ``save`` gave, as far as loops and groups still exist."""
        for name, mode in state.items():
            loop, _, group = name.rpartition("|")
            self.apply(ModeChange(loop, group, Mode(int(mode)), ""))


def _row(actuators: EntityIds, group: str, member: str) -> int:
    for name in (member, f"urn:ngsi-ld:SignalController:{member}"):
        if name in actuators.index:
            return actuators.index[name]
    raise ConfigError(f"groups.{group}: {member} is no signalised junction of this city")


def _or(names: Mapping[str, object]) -> str:
    return " or ".join(names) or "nothing yet"
