"""Alarms as IEC 62682 (ISA-18.2) has them: states, acknowledging, shelving, escalation. Pure.

What happens to an alarm gives a new one; the record keeps each with what happened. Two clocks: what
the street shows is told in city time; a person's time (shelving, escalation) is wall time, for it
runs on while the city stands still.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from cityloop.kernel.clock import CityTime, WallTime, iso
from cityloop.kernel.errors import RefusedError
from cityloop.kernel.reasons import Reason, Wording
from cityloop.reaction.alarm_kinds import Datum, Group, Severity

State = Literal["unacknowledged", "acknowledged", "returned", "shelved", "closed"]
Act = Literal["raised", "changed", "cleared", "acknowledged", "shelved", "unshelved", "escalated"]
SHELVED_MOST_MIN = 24 * 60
NOT_NOW = Wording(
    "alarm_not_now",
    "This alarm cannot be {act}: it is {now}. Look at it again before you repeat.",
)
_CLOSED_KEPT = 500
_MIN_MS = 60_000


class Alarm(Struct, frozen=True):
    """One alarm. ``members``: the subjects that have it now, none when it has cleared; ``known``:
    those that people were told of. ``asked_at``: when they were last told to look.
    ``occurrences``: how often its cause came before it was closed.
    """

    id: str
    kind: str
    severity: Severity
    group: Group
    subject: str
    junction: str | None
    data: dict[str, Datum]
    text: str
    members: tuple[str, ...]
    known: tuple[str, ...]
    raised_at: CityTime
    asked_at: WallTime
    cleared_at: CityTime | None = None
    acknowledged_by: str | None = None
    shelved_until: WallTime | None = None
    shelve_reason: str | None = None
    escalated_to: str | None = None
    occurrences: int = 1

    @property
    def active(self) -> bool:
        """Whether its cause is there."""
        return bool(self.members)

    @property
    def state(self) -> State:
        """``returned``: the cause has gone, nobody has seen the alarm yet."""
        if self.shelved_until is not None:
            return "shelved"
        if self.active:
            return "acknowledged" if self.acknowledged_by else "unacknowledged"
        return "closed" if self.acknowledged_by else "returned"


class Event(Struct, frozen=True):
    """What happened to an alarm, and the alarm after it. ``by`` is empty where nobody did it."""

    number: int
    act: Act
    alarm: Alarm
    at: CityTime
    wall: WallTime
    by: str = ""
    note: str = ""


def changed(
    alarm: Alarm, members: tuple[str, ...], data: dict[str, Datum], text: str, wall: WallTime
) -> Alarm:
    """Other members have it. One that people were not told of asks them to look again, shelved or
    seen though it be; so does a cause that comes back, unless it is shelved."""
    again = not alarm.active
    fresh = tuple(member for member in members if member not in alarm.known)
    told = replace(
        alarm,
        members=members,
        data=data,
        text=text,
        cleared_at=None,
        known=alarm.known + fresh,
        occurrences=alarm.occurrences + again,
    )
    if not fresh and (not again or alarm.shelved_until is not None):
        return told
    return replace(
        told,
        asked_at=wall,
        acknowledged_by=None,
        shelved_until=None,
        shelve_reason=None,
        escalated_to=None,
    )


def cleared(alarm: Alarm, at: CityTime) -> Alarm:
    """Nothing has it any more."""
    return replace(alarm, members=(), cleared_at=at)


def acknowledged(alarm: Alarm, by: str) -> Alarm:
    """``by`` has seen it; raises RefusedError where somebody has already, or it is shelved."""
    if alarm.state not in ("unacknowledged", "returned"):
        raise RefusedError(_not_now(alarm, "acknowledged"))
    return replace(alarm, acknowledged_by=by)


def shelved(alarm: Alarm, minutes: float, reason: str, wall: WallTime) -> Alarm:
    """Out of sight for some minutes; raises RefusedError for none or too many, or where it has
    ended."""
    if not 0 < minutes <= SHELVED_MOST_MIN:
        raise RefusedError(
            f"{minutes:g} minutes: an alarm is shelved for more than 0 and at most"
            f" {SHELVED_MOST_MIN} minutes."
        )
    if not reason.strip():
        raise RefusedError("Say why it may be shelved: whoever comes next has to know.")
    if not alarm.active:
        raise RefusedError(_not_now(alarm, "shelved"))
    until = WallTime(wall + round(minutes * _MIN_MS))
    return replace(alarm, shelved_until=until, shelve_reason=reason)


def unshelved(alarm: Alarm, wall: WallTime) -> Alarm:
    """Back in sight: people are asked to look again while its cause is there. Raises RefusedError
    where it is not shelved."""
    if alarm.shelved_until is None:
        raise RefusedError(_not_now(alarm, "unshelved"))
    back = replace(alarm, shelved_until=None, shelve_reason=None)
    if not alarm.active:
        return back
    return replace(back, asked_at=wall, acknowledged_by=None, escalated_to=None)


def escalated(alarm: Alarm, to: str) -> Alarm:
    """``to`` was called; raises RefusedError where they were already, or it is closed."""
    if alarm.state == "closed" or alarm.escalated_to == to:
        raise RefusedError(_not_now(alarm, f"escalated to {to}"))
    return replace(alarm, escalated_to=to)


def _not_now(alarm: Alarm, act: str) -> Reason:
    now: str = alarm.state
    if alarm.shelved_until is not None:
        now = f"shelved until {iso(alarm.shelved_until)}"
    elif alarm.acknowledged_by and alarm.active:
        now = f"acknowledged by {alarm.acknowledged_by}"
    return NOT_NOW(act=act, now=now, state=alarm.state)


class AlarmBook:
    """Every alarm that is not closed, and the newest that are; a fold of events."""

    def __init__(self) -> None:
        self.number = 0
        self._open: dict[str, Event] = {}
        self._closed: deque[Event] = deque(maxlen=_CLOSED_KEPT)

    def __iter__(self) -> Iterator[Alarm]:
        """Those that are not closed, oldest first."""
        return (event.alarm for event in self._open.values())

    def events(self) -> list[Event]:
        """The newest event of each alarm at hand, in order of their numbers."""
        return sorted([*self._closed, *self._open.values()], key=lambda event: event.number)

    def fold(self, event: Event) -> None:
        """Take in what happened."""
        self.number = event.number
        if event.alarm.state == "closed":
            self._open.pop(event.alarm.id, None)
            self._closed.append(event)
        else:
            self._open[event.alarm.id] = event

    def find(self, alarm_id: str) -> Alarm:
        """Raises RefusedError where no such alarm is at hand."""
        held = self._open.get(alarm_id) or next(
            (event for event in self._closed if event.alarm.id == alarm_id), None
        )
        if held is None:
            raise RefusedError(f"Alarm {alarm_id} does not exist; see the list for its id.")
        return held.alarm

    def due(
        self, wall: WallTime, escalate_after_s: float, escalate_to: str
    ) -> list[tuple[Act, Alarm]]:
        """What the time brings: shelves that are over, critical alarms nobody looks at."""
        found: list[tuple[Act, Alarm]] = []
        for alarm in self:
            if alarm.shelved_until is not None:
                if wall >= alarm.shelved_until:
                    found.append(("unshelved", unshelved(alarm, wall)))
            elif _forgotten(alarm, wall, escalate_after_s):
                found.append(("escalated", escalated(alarm, escalate_to)))
        return found

    def load(self, events: Iterable[Event], number: int) -> None:
        """Take up what ``events`` and ``number`` gave."""
        for event in events:
            self.fold(event)
        self.number = number


def _forgotten(alarm: Alarm, wall: WallTime, after_s: float) -> bool:
    return (
        alarm.severity == "critical"
        and alarm.state == "unacknowledged"
        and alarm.escalated_to is None
        and wall - alarm.asked_at >= after_s * 1000
    )
