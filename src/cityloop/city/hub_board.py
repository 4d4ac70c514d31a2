"""What the hub tells its readers of how the city is run: loops, plans, calendar, retention."""

from collections.abc import Iterator

import msgspec

from cityloop.city.hub import Hub
from cityloop.city.surface import RetentionRow
from cityloop.city.wire import Told

EVERY_S = 1.0


class HubBoard:
    """The loops once a second of wall time; the rest when it changed, or to a new reader."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._next = 0.0
        self._planned: tuple[int, int, str | None] | None = None
        self._retention: list[RetentionRow] = []

    def hurry(self) -> None:
        """Something was changed: tell at once."""
        self._next = 0.0

    def afresh(self) -> None:
        """There is a new reader: tell everything at once."""
        self._next, self._planned, self._retention = 0.0, None, []

    def news(self, now: float) -> list[Told]:
        """What is to be told at ``now``, in seconds of wall time."""
        if now < self._next:
            return []
        self._next = now + EVERY_S
        return list(self._changed())

    def _changed(self) -> Iterator[Told]:
        hub = self._hub
        yield Told("loops", msgspec.json.encode(hub.loops.rows()))
        planned = hub.plans.key(hub.now)
        if planned != self._planned:
            self._planned = planned
            yield Told("plans", msgspec.json.encode(hub.plans.plans(hub.now)))
            yield Told("calendar", msgspec.json.encode(hub.plans.calendar()))
        retention = hub.retention.rows()
        if retention != self._retention:
            self._retention = retention
            yield Told("retention", msgspec.json.encode(retention))
