"""What became of each subscription's notifications: counted at once, on the disk a little later."""

from itertools import islice

import msgspec

from cityloop.interconnection.broker.outbox import Outbox
from cityloop.interconnection.broker.parcels import Told
from cityloop.kernel.clock import Clock

_KEEP_AFTER_MS = 5_000
_MOST_KEPT = 200
"""Counters are on the disk within so long, so many of them written at a time."""

_TOO_MANY = "it waited for a day, or too many newer ones did"


class Delivery(msgspec.Struct):
    """What became of a subscription's notifications; times in ms of wall time, 0 for never.

    ``sent``: attempts, of which ``failed`` were not taken; ``throttled``: not due, too soon after
    another; ``dropped``: refused for good, or undeliverable for a day. ``dropped_from`` and
    ``dropped_to``: when that happened of which the notifications dropped last would have told.
    """

    sent: int = 0
    failed: int = 0
    throttled: int = 0
    dropped: int = 0
    last_notification: int = 0
    last_success: int = 0
    last_failure: int = 0
    dropped_from: int = 0
    dropped_to: int = 0
    error: str = ""


class Deliveries:
    """Those of one tenant."""

    def __init__(self, outbox: Outbox, clock: Clock) -> None:
        self._outbox = outbox
        self._clock = clock
        self._dirty: dict[int, int] = {}
        self._taken = self._failed = self._dropped = 0
        self._of = {s: msgspec.convert(told, Delivery) for s, told in outbox.deliveries().items()}

    def of(self, s: int) -> Delivery:
        """What became of a subscription's notifications."""
        return self._of.get(s) or Delivery()

    def outcomes(self) -> tuple[int, int, int]:
        """Since the start, of all subscriptions: taken, failed, dropped."""
        return self._taken, self._failed, self._dropped

    def changed(self, s: int) -> Delivery:
        """The same, about to be changed; it is kept soon."""
        if s not in self._dirty:
            self._dirty[s] = self._clock()
        return self._of.setdefault(s, Delivery())

    def count(self, report: Told) -> None:
        """One attempt."""
        told = self.changed(report.s)
        told.sent += 1
        if report.error:
            told.failed += 1
            self._failed += 1
            told.last_failure, told.error = report.at, report.error
        else:
            self._taken += 1
            told.last_success = report.at

    def drop(self, s: int, numbers: list[int], why: str = _TOO_MANY) -> None:
        """These will never be told."""
        told = self.changed(s)
        told.dropped += len(numbers)
        self._dropped += len(numbers)
        told.error = why
        first, last = (self._outbox.when(n) for n in (numbers[0], numbers[-1]))
        if told.last_success > told.dropped_to:
            told.dropped_from = first
        told.dropped_from = min(told.dropped_from or first, first)
        told.dropped_to = max(told.dropped_to, last)

    def forget(self, s: int) -> None:
        """A subscription is gone."""
        self._dirty.pop(s, None)
        self._of.pop(s, None)

    @property
    def unwritten(self) -> bool:
        """Whether there is something to keep."""
        return bool(self._dirty)

    def due(self, *, everything: bool) -> list[int]:
        """Whose are to be kept now."""
        if everything:
            return list(self._dirty)
        before = self._clock() - _KEEP_AFTER_MS
        return [s for s, since in islice(self._dirty.items(), _MOST_KEPT) if since <= before]

    def write(self, some: list[int]) -> None:
        """Keep some, in a transaction of the caller; ``written`` when that has ended well."""
        self._outbox.keep({s: self._of[s] for s in some})

    def written(self, some: list[int]) -> None:
        """These are kept."""
        for s in some:
            del self._dirty[s]
