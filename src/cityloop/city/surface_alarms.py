"""What people read of alarms, the shift log and sensors, as plain values ready for the wire.

City times and wall times are both ISO 8601 in UTC: ``at``, ``raised_at``, ``cleared_at`` and
``last_seen`` are of the city; ``recorded_at`` and ``shelved_until`` are of the wall, for a person's
time runs on while the city stands still.
"""

from typing import Literal

from msgspec import Struct

from cityloop.reaction.alarm_kinds import Datum, Group, Severity
from cityloop.reaction.alarms import SHELVED_MOST_MIN, State

NoteKind = Literal["note", "handover", "incident", "maintenance"]
"""What a person may write in the shift log; every other kind is entered by an act."""
MOST_SHELVED_MIN = SHELVED_MOST_MIN
SensorState = Literal["ok", "silent", "frozen", "absurd", "never"]


class AlarmRow(Struct, frozen=True):
    """An alarm as it is since its newest event, whose ``number`` rises over all alarms.

    ``data``: the numbers and names of ``text``, and ``count`` and ``where``. ``members``: subjects
    that have it now. ``occurrences``: how often its cause came before it was closed.
    """

    number: int
    id: str
    kind: str
    severity: Severity
    group: Group
    subject: str
    junction: str | None
    data: dict[str, Datum]
    text: str
    raised_at: str
    cleared_at: str | None
    recorded_at: str
    state: State
    acknowledged_by: str | None
    shelved_until: str | None
    shelve_reason: str | None
    escalated_to: str | None
    members: list[str]
    count: int
    occurrences: int


class ShiftRow(Struct, frozen=True):
    """One line of the shift log: what a person noted, or did."""

    number: int
    at: str
    recorded_at: str
    by: str
    kind: str
    text: str
    data: dict[str, Datum]


class SensorRow(Struct, frozen=True):
    """One device. ``available_share``: of the readings expected in the last hour in which the city
    ran. ``rejected``: how many of its values the gate has refused; ``data`` holds ``attribute``
    and ``reason`` of the newest. ``values``: what it said last, by attribute, in declared units; of
    live devices, where not more than 500 of a type are registered."""

    id: str
    type: str
    junction: str | None
    last_seen: str | None
    available_share: float | None
    rejected: int
    state: SensorState
    data: dict[str, Datum]
    values: dict[str, float] = {}


class HeldJunction(Struct, frozen=True):
    """A junction in a person's hands until a city time."""

    junction: str
    action: str
    expires_at: str


class ShiftSummary(Struct, frozen=True):
    """A shift in figures, for whoever takes over. Counts are of ``since`` to ``until``, the rest is
    as it stands now.

    ``busiest_10_min``: most alarms raised within ten minutes; more than ten are more than a person
    can follow (EEMUA 191).
    """

    since: str
    until: str
    raised: dict[str, int]
    acknowledged: int
    escalated: int
    busiest_10_min: int
    acts: dict[str, int]
    notes: list[ShiftRow]
    open_alarms: list[AlarmRow]
    holds: list[HeldJunction]


class SensorColumns(Struct, frozen=True):
    """How the sensors of one type do, in the order of its devices. ``seen``: ms of city time;
    ``values``: attribute → what each said last."""

    seen: list[int]
    share: list[float | None]
    state: list[int]
    values: dict[str, list[float | None]] = {}


class SensorsShown(Struct, frozen=True):
    """What the hub tells of all sensors. ``rejected``: device → how many values, the newest one's
    attribute and why, where there were any."""

    types: dict[str, SensorColumns]
    rejected: dict[str, tuple[int, str, str]]
