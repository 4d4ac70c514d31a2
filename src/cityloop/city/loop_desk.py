"""The loops of a city beside what they decide: versions, health, shadow results."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cityloop.city.surface import LoopGroup, LoopRow, LoopState, ShadowResult, Watched, Why
from cityloop.city.totals import VERSION_CHANGE
from cityloop.kernel.clock import CityTime, iso
from cityloop.kernel.cycle import Pass
from cityloop.kernel.errors import RefusedError
from cityloop.kernel.figures import Durations, Figure, Told
from cityloop.kernel.frame import Array, EntityIds, Frame, frame
from cityloop.kernel.loop import Loop, Mode
from cityloop.kernel.reasons import Reason, Wording, clauses
from cityloop.kernel.runner import Runner
from cityloop.safety.modes import ModeBook, ModeChange
from cityloop.safety.shadow import SHADOW_RESULT, Rule, ShadowBook, Trial

_SAMPLES = 4096


RUNS_ALREADY = Wording("version_runs", "{loop} runs version {version} already.")
NOTHING_RUNS = Wording("nothing_runs", "Nothing runs yet; wait for the first second of the run.")


@dataclass(frozen=True, slots=True)
class Installed:
    """A loop that runs here: its versions, newest first, the settings' choice among them, the rule
    of its promotion."""

    versions: tuple[Loop, ...]
    chosen: Loop
    rule: Rule

    def version(self, name: str) -> Loop | None:
        """The version of that name; None where none is installed."""
        return next((loop for loop in self.versions if loop.version == name), None)


@dataclass(slots=True)
class Health:
    """How a loop has done since the hub started or its version changed."""

    ticks: int = 0
    failures: int = 0
    failure: str = ""
    late: bool = False
    took_ms: deque[float] = field(default_factory=lambda: deque(maxlen=_SAMPLES))
    took: Durations = field(default_factory=Durations)

    def state(self) -> tuple[LoopState, str]:
        """The state in a word, and why."""
        if self.failure:
            return "failing", f"{self.failure}; its junctions run their local plans."
        if self.late:
            return "late", "Its input comes too late to act on; it is kept and learned from."
        if not self.ticks:
            return "off", "It has not been turned yet: no input has come."
        return "ok", ""


class LoopDesk:
    """Versions, health and shadow results of the loops that ``runner`` turns.

    Versions and shadow results are folds of the log, as modes are; health is of this start.
    """

    def __init__(self, runner: Runner, modes: ModeBook, loops: Sequence[Installed]) -> None:
        self._runner = runner
        self._modes = modes
        self._loops = {one.chosen.name: one for one in loops}
        self._running = {name: one.chosen for name, one in self._loops.items()}
        self._switched: set[str] = set()
        self._health = {name: Health() for name in self._loops}
        self._shadow = ShadowBook(modes.groups, modes.count)
        for name, one in self._loops.items():
            self._shadow.add(name, one.rule, one.chosen.every_s)
        self._follow()

    def _follow(self) -> None:
        """Count where the modes, as they stand, say so."""
        for loop, groups in self._modes.names().items():
            for group, mode in groups.items():
                self._shadow.follow(loop, group, mode, afresh=False)

    # what the hub tells it

    def turned(self, passes: Sequence[Pass], signals: Frame | None) -> tuple[Frame, ...]:
        """Take in the passes of one tick; what of them is to be recorded."""
        shown = None if signals is None else signals["phase"]
        for done in passes:
            health = self._health[done.loop]
            health.ticks += 1
            health.failures += bool(done.failure)
            health.failure, health.late = done.failure, False
            health.took_ms.append(self._runner.took_s[done.loop] * 1000)
            health.took.add(self._runner.took_s[done.loop])
            self._shadow.count(done, shown)
        if not passes:
            return ()
        recorded = self._shadow.record(self._runner.run, passes[0].at)
        return () if recorded is None else (recorded,)

    def late(self) -> None:
        """A batch came too late to act on."""
        for health in self._health.values():
            health.late = True

    def switched(self, change: ModeChange) -> None:
        """A mode was switched; to shadow, a new trial begins."""
        afresh = change.mode == Mode.SHADOW
        self._shadow.follow(change.loop, change.group, change.mode, afresh=afresh)

    def fold(self, part: Frame) -> None:
        """Take up a frame of the log that tells of versions or shadow results."""
        if part.type == SHADOW_RESULT:
            self._shadow.fold(part)
        elif part.type == VERSION_CHANGE:
            for loop, version in zip(part["loop"], part["version"], strict=True):
                self._install(str(loop), str(version))

    # what a person asks

    def evidence(self, loop: str, group: str) -> str:
        """The shadow result that lets the loop act on the group; empty where none does."""
        return self._shadow.evidence(loop, group)

    def missing(self, loop: str, group: str) -> list[Reason]:
        """What its shadow result on the group lacks."""
        return self._shadow.missing(loop, group)

    def change_version(self, loop: str, version: str, reason: str, by: str, at: CityTime) -> Frame:
        """Put another version of a loop to work, in the modes of the one before it; the record.

        Its memory and its shadow results start fresh. Raises RefusedError with what there is.
        """
        self._modes.check_loop(loop)
        one = self._loops[loop]
        if one.version(version) is None:
            there = " or ".join(found.version for found in one.versions)
            raise RefusedError(f"{loop} has no version {version} installed; it can be {there}.")
        if self._running[loop].version == version:
            raise RefusedError(RUNS_ALREADY(loop=loop, version=version))
        if not self._runner.run:
            raise RefusedError(NOTHING_RUNS())
        self._install(loop, version)
        return frame(
            VERSION_CHANGE,
            self._runner.run,
            at,
            EntityIds([f"urn:ngsi-ld:{VERSION_CHANGE}:{loop}"]),
            loop=[loop],
            version=[version],
            reason=[reason],
            by=[by],
        )

    def _install(self, loop: str, version: str) -> None:
        """Void where the version is no longer installed, or the loop runs no longer."""
        one = self._loops.get(loop)
        found = one.version(version) if one else None
        if found is None:
            return
        self._runner.install(found)
        self._running[loop] = found
        self._switched.add(loop)
        self._health[loop] = Health()
        self._shadow.restart(loop)

    # what people see

    def figures(self) -> list[Told]:
        """Ticks and failures of each loop."""
        return [
            told
            for name, health in self._health.items()
            for told in (
                health.took.spread("cityloop_loop_tick_seconds", name),
                Figure("cityloop_loop_failures_total", health.failures, (name,)),
            )
        ]

    def rows(self) -> list[LoopRow]:
        """Every loop with its health and its groups."""
        modes = self._modes.names()
        return [self._row(name, one, modes[name]) for name, one in self._loops.items()]

    def _row(self, name: str, one: Installed, modes: Mapping[str, Mode]) -> LoopRow:
        health = self._health[name]
        state, reason = health.state()
        took = np.percentile(health.took_ms, [50, 99]) if health.took_ms else [None, None]
        return LoopRow(
            name=name,
            version=self._running[name].version,
            versions=[loop.version for loop in one.versions],
            state=state,
            reason=reason,
            ticks=health.ticks,
            failures=health.failures,
            latency_p50_ms=_rounded(took[0]),
            latency_p99_ms=_rounded(took[1]),
            groups=[self._group(name, group, mode) for group, mode in modes.items()],
            watches=_watched(self._running[name]),
        )

    def _group(self, loop: str, group: str, mode: Mode) -> LoopGroup:
        trial = self._shadow.trial(loop, group)
        junctions = self._modes.members(group)
        shadow = None if trial is None else self._result(loop, group, trial)
        return LoopGroup(group, junctions, mode.name.lower(), shadow)  # type: ignore[arg-type]

    def _result(self, loop: str, group: str, trial: Trial) -> ShadowResult:
        missing = self._shadow.missing(loop, group)
        return ShadowResult(
            since=iso(trial.since),
            ticks=trial.ticks,
            proposals=trial.proposals,
            refused=trial.refused,
            failures=trial.failures,
            agreement=_rounded(trial.agreement()),
            allows_act=not missing,
            why=f"Not yet: {clauses(missing)}." if missing else "It fulfils the rule of this city.",
            missing=[Why(one.code, dict(one.numbers)) for one in missing],
        )

    # what survives

    def save_versions(self) -> dict[str, Array]:
        """The versions that somebody chose, as named arrays; the others are the settings'."""
        return {name: np.array(self._running[name].version) for name in sorted(self._switched)}

    def load_versions(self, state: Mapping[str, Array]) -> None:
        """Take up what ``save_versions`` gave; before the runner takes up its memory."""
        for name, version in state.items():
            self._install(name, str(version))

    def save_shadow(self) -> dict[str, Array]:
        """The shadow results that are recorded, as named arrays."""
        return self._shadow.save()

    def load_shadow(self, state: Mapping[str, Array]) -> None:
        """Take up what ``save_shadow`` gave; after the modes took up theirs."""
        self._follow()
        self._shadow.load(state)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 3)


def _watched(loop: Loop) -> list[Watched]:
    return [Watched(one.type, list(one.attributes)) for one in loop.watches.values()]
