"""Advice: what a loop in mode ``advise`` wants done, waiting for a person until it expires."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import msgspec

from cityloop.kernel.clock import CityTime
from cityloop.kernel.errors import RefusedError
from cityloop.kernel.reasons import Wording


class Fate(IntEnum):
    """What became of advice, in the verdict column; above any code of a guard."""

    CONFIRMED = 100
    REJECTED = 101
    LAPSED = 102
    OVERTAKEN = 103


WORDINGS = {
    Fate.CONFIRMED: Wording("advice_confirmed", "Confirmed by a person."),
    Fate.REJECTED: Wording("advice_rejected", "Rejected by a person."),
    Fate.LAPSED: Wording("advice_lapsed", "Nobody confirmed it in {waited_s:.0f} s."),
    Fate.OVERTAKEN: Wording("advice_overtaken", "Overtaken by newer advice for the same junction."),
}


GONE = Wording(
    "advice_gone", "This advice no longer waits: it was answered, overtaken or it lapsed."
)


@dataclass(frozen=True, slots=True)
class Advice:
    """One proposal that waits; ``row`` is the actuator's, ``action`` its own code."""

    id: str
    loop: str
    row: int
    actuator: str
    action: int
    reason: str
    expires_at: CityTime


class ApprovalBook:
    """Advice that waits: at most one per loop and actuator, so it is bounded by the city's size."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, int], Advice] = {}

    def __iter__(self) -> Iterator[Advice]:
        return iter(self._waiting.values())

    def offer(self, advice: Advice) -> Advice | None:
        """Put advice up; what it overtakes is given back."""
        key = (advice.loop, advice.row)
        overtaken = self._waiting.pop(key, None)
        self._waiting[key] = advice
        return overtaken

    def withdraw(self, loop: str, row: int) -> Advice | None:
        """Take back what a loop no longer wants."""
        return self._waiting.pop((loop, row), None)

    def settle(self, advice_id: str) -> None:
        """Its fate is on record: it waits no longer."""
        self._waiting = {k: advice for k, advice in self._waiting.items() if advice.id != advice_id}

    def take(self, advice_id: str, now: CityTime) -> Advice:
        """The advice a person answers; raises RefusedError when it no longer waits."""
        for key, advice in self._waiting.items():
            if advice.id == advice_id and now < advice.expires_at:
                return self._waiting.pop(key)
        raise RefusedError(GONE())

    def lapse(self, now: CityTime) -> list[Advice]:
        """Advice whose time is over, taken out."""
        over = [key for key, advice in self._waiting.items() if now >= advice.expires_at]
        return [self._waiting.pop(key) for key in over]

    def save(self) -> str:
        """What waits, as JSON."""
        return msgspec.json.encode(list(self)).decode()

    def load(self, text: str) -> None:
        """Take up what ``save`` gave."""
        for advice in msgspec.json.decode(text, type=list[Advice]):
            self.offer(advice)

    def clear(self) -> None:
        """Forget everything: a new run began."""
        self._waiting.clear()
