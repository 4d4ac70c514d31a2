"""What the gates refused of each device, in all and lately: a sensor that lies needs a person.

Rejects are no part of the log: the counts begin with what is kept of them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from cityloop.kernel.changes import Reject
from cityloop.kernel.clock import CityTime
from cityloop.kernel.frame import EntityIds
from cityloop.reaction.alarm_kinds import Datum
from cityloop.reaction.conditions import Condition

AT_LEAST, WITHIN_S, LASTS_S = 3, 300.0, 120.0
_FROZEN = "frozen"
_HARMLESS = ("too late", "duplicate", "repeat")
"""Reasons that speak of the way to us, not of the sensor."""


@dataclass(slots=True)
class Rejected:
    """Of one device: in all, and since ``since``, by the clock of its source (ms)."""

    total: int = 0
    newest: int = 0
    attribute: str = ""
    reason: str = ""
    since: int = 0
    lately: int = 0

    def take(self, reject: Reject) -> None:
        """One more value refused."""
        self.total += 1
        if reject.reason.startswith(_HARMLESS):
            return
        if not 0 <= reject.at - self.since <= WITHIN_S * 1000:
            self.since, self.lately = reject.at, 0
        self.lately += 1
        self.newest, self.attribute, self.reason = reject.at, reject.attribute, reject.reason

    def lies(self, now: CityTime) -> bool:
        """Whether it keeps saying what cannot be."""
        return self.lately >= AT_LEAST and 0 <= now - self.newest <= LASTS_S * 1000

    @property
    def frozen(self) -> bool:
        """Whether it was refused because it never changes."""
        return self.reason.startswith(_FROZEN)


class Rejections:
    """Of the declared devices that have an entry of their own."""

    def __init__(self, known: Iterable[str]) -> None:
        self._known = frozenset(known)
        self._of: dict[str, Rejected] = {}

    def take(self, rejects: Iterable[Reject]) -> None:
        """Count what a gate refused."""
        for reject in rejects:
            if reject.entity in self._known:
                self._of.setdefault(reject.entity, Rejected()).take(reject)

    def begin_with(self, kept: Mapping[str, tuple[int, str, str]]) -> None:
        """Count what was refused before this hub started, as ``told`` gives it."""
        for name, (total, attribute, reason) in kept.items():
            if name in self._known:
                self._of[name] = Rejected(total, attribute=attribute, reason=reason)

    def told(self) -> dict[str, tuple[int, str, str]]:
        """Device → how many values were refused, the newest one's attribute and why."""
        return {name: (r.total, r.attribute, r.reason) for name, r in self._of.items()}

    def lying(self, ids: EntityIds, now: CityTime) -> Iterator[tuple[int, Rejected]]:
        """Rows of ``ids`` that keep saying what cannot be."""
        for name, rejected in self._of.items():
            if name in ids.index and rejected.lies(now):
                yield ids.index[name], rejected


def lying_condition(
    name: str, rejected: Rejected, now: CityTime, junction: str | None, type_: str
) -> Condition:
    """What people are told of a device that lies."""
    data: dict[str, Datum] = {"junction": junction}
    if rejected.frozen:
        data["minutes"] = round((now - rejected.since) / 60_000, 1)
        return Condition("sensor-frozen", name, data, junction, family=type_)
    data |= {"rejected": rejected.lately, "attribute": rejected.attribute}
    return Condition("sensor-absurd", name, data, junction, family=type_)
