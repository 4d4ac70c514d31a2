"""From conditions that hold now to alarms: delays, causes before consequences, groups. Pure.

A condition is what a rule sees; an alarm is what people are told. Twelve silent detectors of one
junction are one alarm; the same at half of all junctions at once is one alarm of the city.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from cityloop.kernel.clock import CityTime, WallTime
from cityloop.reaction.alarm_kinds import CITY, EXPLAINED_BY, KINDS, Datum, Kind, Severity
from cityloop.reaction.alarms import Act, Alarm, changed, cleared

Key = tuple[str, str]
"""(kind, subject) of a condition."""
MANY = 4
"""So many junctions at least, and half of all, make one alarm of the city."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that needs a person: ``data`` holds what its kind's sentence tells.

    ``since``: where others saw it earlier than this look, and may have told people already.
    ``family``: of what stands at no junction but belongs together.
    """

    kind: str
    subject: str
    data: Mapping[str, Datum]
    junction: str | None = None
    severity: Severity | None = None
    since: WallTime | None = None
    family: str | None = None

    @property
    def key(self) -> Key:
        """What it is the same by, from look to look."""
        return self.kind, self.subject

    @property
    def place(self) -> str:
        """Conditions of one kind and place share an alarm."""
        return self.junction or self.family or self.subject


@dataclass(frozen=True, slots=True)
class Instant:
    """When somebody looked, by both clocks; city time goes on within a run only."""

    run: str
    city: CityTime
    wall: WallTime

    def of(self, kind: Kind) -> int:
        """The time that counts for ``kind``, in ms."""
        return self.city if kind.clock == "city" else self.wall


@dataclass(slots=True)
class _Timer:
    """A condition that comes or goes. ``held``: it has lasted. ``since``: of the present spell."""

    run: str
    there: bool
    since: int
    looks: int = 1
    held: bool = False


class Delays:
    """Which conditions have lasted long enough to be told, or have not been gone for long enough.

    Not part of the record: what is told is, and a new hub takes it up with ``hold``.
    """

    def __init__(self) -> None:
        self._timers: dict[Key, _Timer] = {}

    def hold(self, keys: Iterable[Key]) -> None:
        """These are told already."""
        for key in keys:
            self._timers[key] = _Timer("", True, 0, held=True)

    def settle(self, seen: Collection[Key], now: Instant) -> set[Key]:
        """The conditions in force, after a look that saw ``seen``."""
        for key in seen:
            if key not in self._timers:
                self._timers[key] = _Timer(now.run, False, 0)
        for key, timer in list(self._timers.items()):
            self._look(KINDS[key[0]], timer, key in seen, now)
            if not timer.there and not timer.held:
                del self._timers[key]
        return {key for key, timer in self._timers.items() if timer.held}

    def _look(self, kind: Kind, timer: _Timer, there: bool, now: Instant) -> None:
        at = now.of(kind)
        anew = there != timer.there or (kind.clock == "city" and now.run != timer.run)
        if anew:
            timer.run, timer.there, timer.since, timer.looks = now.run, there, at, 0
        timer.looks += 1
        lasted_s = (at - timer.since) / 1000
        if there and lasted_s >= kind.on_s and timer.looks >= kind.looks:
            timer.held = True
        elif not there and lasted_s >= kind.off_s:
            timer.held = False


def unexplained(seen: Mapping[Key, Condition], told: Mapping[Key, str]) -> set[Key]:
    """Those of ``seen`` that nothing else explains; what is told already stays told.

    ``told``: (kind, subject) → place, of what people know.
    """
    causes: dict[str, set[str]] = defaultdict(set)
    for (kind, subject), place in told.items():
        causes[kind] |= {subject, place}
    for (kind, subject), condition in seen.items():
        causes[kind] |= {subject, condition.place}
    return {key for key, c in seen.items() if key in told or not _explained(c, causes)}


def _explained(condition: Condition, causes: Mapping[str, set[str]]) -> bool:
    for kind, subject in EXPLAINED_BY.get(condition.kind, ()):
        there = causes.get(kind)
        if there and (not subject or CITY in there):
            return True
        if there and (condition.place if subject == "where" else subject) in there:
            return True
    return False


class Announcer:
    """What the conditions in force make of the alarms that are open."""

    def __init__(self, junctions: int) -> None:
        self._many = max(MANY, (junctions + 1) // 2)

    def tell(
        self,
        alarms: Iterable[Alarm],
        held: Collection[Key],
        seen: Mapping[Key, Condition],
        now: Instant,
    ) -> list[tuple[Act, Alarm]]:
        """The alarms that are new or other than they were, with what happened to each.

        ``held``: in force, for they have lasted or are not gone for long; ``seen``: there now.
        """
        by_place = {(alarm.kind, alarm.subject): alarm for alarm in alarms}
        members = {
            where: tuple(m for m in alarm.members if (where[0], m) in held)
            for where, alarm in by_place.items()
        }
        taken = {(where[0], name) for where, names in members.items() for name in names}
        fresh = [seen[key] for key in sorted(held) if key in seen and key not in taken]
        for where, group in self._places(fresh).items():
            members[where] = members.get(where, ()) + tuple(c.subject for c in group)
        found = []
        for where, subjects in members.items():
            there = [seen[where[0], s] for s in subjects if (where[0], s) in seen]
            told = _told(where, by_place.get(where), subjects, there, now)
            found += [told] if told is not None else []
        return found

    def _places(self, fresh: Iterable[Condition]) -> dict[Key, list[Condition]]:
        """By kind and place; those of very many junctions at once under the city."""
        groups: dict[Key, list[Condition]] = defaultdict(list)
        for condition in fresh:
            groups[condition.kind, condition.place].append(condition)
        for kind in {kind for kind, _ in groups}:
            here = [key for key in groups if key[0] == kind and groups[key][0].junction]
            if len(here) >= self._many:
                groups[kind, CITY] = [c for key in here for c in groups.pop(key)]
        return groups


def alarm_id(kind: str, subject: str, since: WallTime) -> str:
    """An alarm is named by kind, subject and first second."""
    return f"urn:ngsi-ld:Alarm:{kind}:{subject.rpartition(':')[2]}:{since}"


def _told(
    where: Key,
    alarm: Alarm | None,
    subjects: tuple[str, ...],
    there: list[Condition],
    now: Instant,
) -> tuple[Act, Alarm] | None:
    if alarm is not None and subjects == alarm.members:
        return None
    if alarm is not None and not subjects:
        return "cleared", cleared(alarm, now.city)
    kind, many = KINDS[where[0]], where[1] == CITY
    told: Mapping[str, Datum] = there[-1].data if there else alarm.data if alarm else {}
    place = CITY if many or not there else there[-1].place
    data = {**told, "count": len(subjects), "where": alarm.subject if alarm else place}
    text = kind.sentence(data)
    if alarm is not None:
        return "changed", changed(alarm, subjects, data, text, now.wall)
    first = there[0]
    return "raised", Alarm(
        id=alarm_id(kind.name, where[1], now.wall if first.since is None else first.since),
        kind=kind.name,
        severity=first.severity or kind.severity,
        group=kind.group,
        subject=where[1],
        junction=None if many else first.junction,
        data=data,
        text=text,
        members=subjects,
        known=subjects,
        raised_at=now.city,
        asked_at=now.wall,
    )
