"""Shadow results: what a loop decided while it did not act, and whether that lets it act.

A *trial* begins when a group of actuators is put into shadow, or when another version of the loop
takes over; it grows while the group is in shadow or advise. The book is a fold of the log's
``ShadowResult`` frames; what was counted since the newest of them is told, and lost with a crash.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from cityloop.kernel.clock import CityTime
from cityloop.kernel.cycle import Pass
from cityloop.kernel.frame import Array, EntityIds, Frame, frame
from cityloop.kernel.loop import Ints, Mode
from cityloop.kernel.reasons import Reason, Wording

SHADOW_RESULT = "ShadowResult"
RECORDED_EVERY_S = 60
TRIED = frozenset({Mode.SHADOW, Mode.ADVISE})
_COUNTS = ("since", "ticks", "proposals", "refused", "failures", "agreed")


TOO_SHORT = Wording("shadow_short", "it has decided for {minutes:.0f} of {least:g} minutes")
NOTHING_PROPOSED = Wording("shadow_nothing", "it has proposed nothing")
TOO_MANY_REFUSED = Wording(
    "shadow_refused", "the guard refused {share:.1%} of its proposals, more than {most:.1%}"
)
FAILED = Wording("shadow_failed", "it failed {failures} times; mend it, begin a trial afresh")


@dataclass(frozen=True, slots=True)
class Rule:
    """What a shadow result must show before its loop may act.

    ``minutes`` of city time decided, at most ``refused_share`` of its proposals refused by the
    guard, and not one failure.
    """

    minutes: float = 60.0
    refused_share: float = 0.05


@dataclass(frozen=True, slots=True)
class Trial:
    """What a loop decided on a group since ``since``.

    ``agreed``: proposals that wanted what was running at that moment.
    """

    since: CityTime
    ticks: int = 0
    proposals: int = 0
    refused: int = 0
    failures: int = 0
    agreed: int = 0

    def agreement(self) -> float | None:
        """The share of proposals that wanted what was running; None before the first."""
        return self.agreed / self.proposals if self.proposals else None

    def missing(self, rule: Rule, every_s: float) -> list[Reason]:
        """What the rule asks for and the trial does not show, a clause each."""
        minutes = self.ticks * every_s / 60
        found = []
        if minutes < rule.minutes:
            found.append(TOO_SHORT(minutes=minutes, least=rule.minutes))
        if self.proposals == 0:
            found.append(NOTHING_PROPOSED())
        elif self.refused > rule.refused_share * self.proposals:
            share = self.refused / self.proposals
            found.append(TOO_MANY_REFUSED(share=share, most=rule.refused_share))
        if self.failures:
            found.append(FAILED(failures=self.failures))
        return found

    def told(self, every_s: float) -> str:
        """The trial as the evidence of a switch to ``act``."""
        return (
            f"Shadow result: {self.ticks * every_s / 60:.0f} minutes, {self.proposals} proposals,"
            f" {self.refused} refused, no failure, {self.agreement() or 0:.0%} as was running."
        )


@dataclass(slots=True)
class _Tail:
    """What was counted since the newest record; arrays of shape (J,)."""

    tried: set[str]
    proposals: Ints
    refused: Ints
    agreed: Ints
    since: dict[str, CityTime] = field(default_factory=dict)
    ticks: dict[str, int] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)

    def clear(self, group: str, rows: Ints) -> None:
        for counts in (self.proposals, self.refused, self.agreed):
            counts[rows] = 0
        for told in (self.since, self.ticks, self.failures):
            told.pop(group, None)


class ShadowBook:
    """The trials of every loop on every group. ``groups``: name → rows of the actuators."""

    def __init__(self, groups: Mapping[str, Ints], actuators: int) -> None:
        self._groups = groups
        self._count = actuators
        self._rules: dict[str, tuple[Rule, float]] = {}
        self._trials: dict[tuple[str, str], Trial] = {}
        self._tails: dict[str, _Tail] = {}
        self._recorded_at = CityTime(0)

    def add(self, loop: str, rule: Rule, every_s: float) -> None:
        """A loop, the rule of its promotion, and the seconds between its ticks."""
        self._rules[loop] = rule, every_s

    def follow(self, loop: str, group: str, mode: Mode, *, afresh: bool) -> None:
        """Count on a group from now on, or no longer; ``afresh`` begins a new trial."""
        if loop not in self._rules or group not in self._groups:
            return
        tail = self._tails.setdefault(loop, self._empty())
        tail.clear(group, self._groups[group])
        if afresh:
            self._trials.pop((loop, group), None)
        if mode in TRIED:
            tail.tried.add(group)
        else:
            tail.tried.discard(group)
            if not tail.tried:
                del self._tails[loop]

    def restart(self, loop: str) -> None:
        """Another version takes over: what the one before it showed is no result of its own."""
        for group in self._groups:
            self._trials.pop((loop, group), None)
            if loop in self._tails:
                self._tails[loop].clear(group, self._groups[group])

    def _empty(self) -> _Tail:
        proposals, refused, agreed = np.zeros((3, self._count), dtype=np.int64)
        return _Tail(set(), proposals, refused, agreed)

    def count(self, done: Pass, shown: Array | None) -> None:
        """Take in one tick. ``shown``: (J,), the actions in force; None when not known."""
        tail = self._tails.get(done.loop)
        if tail is None:
            return
        for group in tail.tried:
            tail.since.setdefault(group, done.at)
            tail.ticks[group] = tail.ticks.get(group, 0) + 1
            if done.failure:
                tail.failures[group] = tail.failures.get(group, 0) + 1
        if done.proposals is None or done.verdicts is None:
            return
        rows = done.proposals.rows
        tail.proposals[rows] += 1
        tail.refused[rows] += done.verdicts != 0
        if shown is not None:
            tail.agreed[rows] += done.proposals.actions == shown[rows]

    def record(self, run: str, at: CityTime) -> Frame | None:
        """The trials as they stand, once a minute of city time; None in between."""
        if not self._tails or 0 <= at - self._recorded_at < RECORDED_EVERY_S * 1000:
            return None
        running = {
            (loop, group): self._so_far(loop, group)
            for loop, tail in self._tails.items()
            for group in tail.ticks
        }
        if not running:
            return None
        keys, trials = list(running), running.values()
        part = frame(
            SHADOW_RESULT,
            run,
            at,
            EntityIds([f"urn:ngsi-ld:{SHADOW_RESULT}:{loop}:{group}" for loop, group in keys]),
            loop=[loop for loop, _ in keys],
            group=[group for _, group in keys],
            **{name: [int(getattr(trial, name)) for trial in trials] for name in _COUNTS},
        )
        self.fold(part)
        return part

    def fold(self, part: Frame) -> None:
        """Take up what a ShadowResult frame tells."""
        self._recorded_at = part.observed_at
        columns = [part[name].tolist() for name in ("loop", "group", *_COUNTS)]
        for loop, group, *counts in zip(*columns, strict=True):
            if loop in self._rules and group in self._groups:
                self._trials[loop, group] = Trial(*counts)
                if loop in self._tails:
                    self._tails[loop].clear(group, self._groups[group])

    def trial(self, loop: str, group: str) -> Trial | None:
        """The trial as it stands, running or over; None where there was none."""
        running = loop in self._tails and group in self._tails[loop].ticks
        if not running and (loop, group) not in self._trials:
            return None
        return self._so_far(loop, group)

    def _so_far(self, loop: str, group: str) -> Trial:
        """What is recorded and what was counted since."""
        tail, told = self._tails.get(loop), self._trials.get((loop, group))
        if tail is None or group not in tail.ticks:
            return told or Trial(CityTime(0))
        told = told or Trial(tail.since[group])
        rows = self._groups[group]
        return replace(
            told,
            ticks=told.ticks + tail.ticks.get(group, 0),
            proposals=told.proposals + int(tail.proposals[rows].sum()),
            refused=told.refused + int(tail.refused[rows].sum()),
            failures=told.failures + tail.failures.get(group, 0),
            agreed=told.agreed + int(tail.agreed[rows].sum()),
        )

    def missing(self, loop: str, group: str) -> list[Reason]:
        """What the trial lacks to let the loop act; empty when it lacks nothing."""
        if loop not in self._rules:
            return []
        rule, every_s = self._rules[loop]
        return self._so_far(loop, group).missing(rule, every_s)

    def evidence(self, loop: str, group: str) -> str:
        """The trial as evidence, where it fulfils the rule; else empty."""
        if loop not in self._rules or self.missing(loop, group):
            return ""
        return self._so_far(loop, group).told(self._rules[loop][1])

    def save(self) -> dict[str, Array]:
        """What is recorded, as named arrays."""
        state: dict[str, Array] = {"recorded_at": np.array(self._recorded_at)}
        for (loop, group), trial in sorted(self._trials.items()):
            state[f"{loop}|{group}"] = np.array([getattr(trial, name) for name in _COUNTS])
        return state

    def load(self, state: Mapping[str, Array]) -> None:
        """Take up what ``save`` gave, as far as loops and groups still exist."""
        for name, counts in state.items():
            loop, _, group = name.rpartition("|")
            if loop in self._rules and group in self._groups:
                self._trials[loop, group] = Trial(*counts.tolist())
        self._recorded_at = CityTime(int(state["recorded_at"])) if state else CityTime(0)
