"""Decisions between the log's frames and the rows that people read."""

from collections.abc import Set
from dataclasses import replace

import msgspec
import numpy as np

from cityloop.city.surface import DecisionRow, ModeName, Why
from cityloop.city.totals import MODE_CHANGE, mode_name
from cityloop.kernel.clock import CityTime, iso
from cityloop.kernel.cycle import DECISION, decision_id
from cityloop.kernel.frame import Column, EntityIds, Frame, frame
from cityloop.kernel.loop import Mode
from cityloop.kernel.reasons import Reason, Wording
from cityloop.reaction.approvals import Advice, Fate
from cityloop.safety.envelope import SENTENCES, Refusal
from cityloop.safety.modes import ModeChange

OPERATOR, CABINET = "operator", "cabinet"
"""Who decided, where no loop did."""
CABINET_STAYED = Wording("cabinet_stayed", "The cabinet stayed with phase {phase}: {because}.")
HELD = Wording("operator_hold", "An operator holds phase {phase} for {minutes:g} minutes.")
LOCKED_OUT = Wording(
    "operator_lock_out", "An operator locks the junction out for {minutes:g} minutes."
)
FLASHED = Wording("operator_flash", "An operator orders flash for {minutes:g} minutes.")
RELEASED = Wording("operator_release", "An operator gives the junction back.")
_BY_HAND = {"hold": HELD, "lock_out": LOCKED_OUT, "flash": FLASHED, "release": RELEASED}
OPERATOR_WORDINGS = tuple(_BY_HAND.values())
_ACTIONS = {-1: "release", -2: "flash", -3: "lock_out"}
_read_why = msgspec.json.Decoder(Why).decode


def numbered(frames: tuple[Frame, ...], first: int) -> tuple[Frame, ...]:
    """The frames, with the rows of Decision frames numbered from ``first`` on.

    The log then says by itself which decision follows which, however it is read.
    """
    told = []
    for part in frames:
        if part.type == DECISION:
            number = Column(np.arange(first, first + len(part), dtype=np.int64))
            part = replace(part, columns={**part.columns, "number": number})  # noqa: PLW2901
            first += len(part)
        told.append(part)
    return tuple(told)


def decision_rows(part: Frame, first: int, waiting: Set[str]) -> list[DecisionRow]:
    """The rows of a Decision frame, numbered from ``first``; ``waiting``: ids of open advice."""
    columns = [
        part[a].tolist() for a in ("loop", "actuator", "action", "verdict", "mode", "reason")
    ]
    whys = _whys(part)
    time = iso(part.observed_at)
    rows = []
    for i, (name, loop, actuator, action, verdict, mode, reason) in enumerate(
        zip(part.ids, *columns, strict=True)
    ):
        by_hand = loop == OPERATOR
        rows.append(
            DecisionRow(
                number=first + i,
                id=name,
                city_time=time,
                loop=loop,
                junction=actuator.rpartition(":")[2],
                action=action_name(action) if by_hand or action < 0 else "set_phase",
                phase=action if action >= 0 else None,
                verdict=_verdict(verdict),
                refused=0 < verdict < min(Fate),
                mode=_mode(mode),
                reason=reason,
                why=whys[i],
                waiting_for_confirmation=verdict == 0 and name in waiting,
            )
        )
    return rows


def action_name(action: int) -> str:
    """What a person's order does, in a word: release, flash, lock_out or, in a phase, hold."""
    return _ACTIONS.get(action, "hold")


def _whys(part: Frame) -> list[Why | None]:
    """Code and numbers of each row; None where the record is older than they are."""
    if "why" not in part.columns:
        return [None] * len(part)
    return [_read_why(text) if text else None for text in part["why"].tolist()]


def _verdict(code: int) -> str:
    if code == 0:
        return "passed"
    return (Fate(code) if code >= min(Fate) else Refusal(code)).name.lower()


def _mode(mode: int) -> ModeName:
    name: ModeName = mode_name(mode)  # type: ignore[assignment]  # the names of Mode are ModeName's
    return name


def verdict_frame(advice: Advice, fate: Fate, reason: Reason, run: str, at: CityTime) -> Frame:
    """The record of what became of advice: the same decision id again, with its fate."""
    return _decision(
        advice.id,
        advice.loop,
        advice.actuator,
        advice.action,
        fate,
        Mode.ADVISE,
        reason,
        run,
        at,
        advice.expires_at,
    )


def operator_frame(
    actuator: str, operation: str, action: int, run: str, at: CityTime, until: CityTime
) -> Frame:
    """The record of a person's hand on a junction."""
    name = decision_id(OPERATOR, run, at, actuator)
    phase = action if action >= 0 else None
    reason = _BY_HAND[operation](phase=phase, minutes=(until - at) / 60_000)
    return _decision(name, OPERATOR, actuator, action, 0, Mode.ACT, reason, run, at, until)


def refused_frames(before: Frame | None, after: Frame | None) -> tuple[Frame, ...]:
    """The record of orders that cabinets have newly refused, from two reports in a row."""
    if before is None or after is None or before.run != after.run:
        return ()
    refusal = after["refusal"]
    fresh = np.flatnonzero((refusal != 0) & (refusal != before["refusal"]))
    return tuple(_refusal(after, row) for row in fresh.tolist())


def _refusal(report: Frame, row: int) -> Frame:
    actuator, run, at = report.ids.names[row], report.run, report.observed_at
    code, phase = int(report["refusal"][row]), int(report["phase"][row])
    return _decision(
        decision_id(CABINET, run, at, actuator),
        CABINET,
        actuator,
        phase,
        code,
        Mode.ACT,
        CABINET_STAYED(phase=phase, because=SENTENCES[code]),
        run,
        at,
        at,
    )


def _decision(
    name: str,
    loop: str,
    actuator: str,
    action: int,
    verdict: int,
    mode: Mode,
    reason: Reason,
    run: str,
    at: CityTime,
    expires_at: CityTime,
) -> Frame:
    return frame(
        DECISION,
        run,
        at,
        EntityIds([name]),
        loop=[loop],
        actuator=[actuator],
        action=[action],
        verdict=[int(verdict)],
        mode=[int(mode)],
        reason=[reason.sentence],
        why=[reason.written()],
        expiresAt=[int(expires_at)],
        inputs=[""],
        version=[""],
    )


def mode_frame(change: ModeChange, run: str, at: CityTime) -> Frame:
    """The record of a switch of mode."""
    name = f"urn:ngsi-ld:{MODE_CHANGE}:{change.loop}:{change.group}"
    return frame(
        MODE_CHANGE,
        run,
        at,
        EntityIds([name]),
        loop=[change.loop],
        group=[change.group],
        mode=[int(change.mode)],
        evidence=[change.evidence],
    )
