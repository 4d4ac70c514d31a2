"""Whether the city lives and does its work, part by part, with what to do where it does not.

Live is about this process and the supervisor alone: whatever else ends is started again by that,
and who kills the whole for it makes things worse. Ready is about everything.
"""

import shutil
from collections.abc import Iterator

from cityloop.city.metrics import Lags
from cityloop.city.site import Site
from cityloop.city.surface import HealthPart, Shown, SourceRow
from cityloop.city.wire import Roll

SUPERVISOR = "supervisor"
ROLL_LATE_S, HUB_LATE_S, TWIN_LATE_S, FOLD_LATE_S = 10.0, 5.0, 50.0, 120.0
"""How long may pass between two rolls (one a second), two words of the hub (five a second), two
seconds of the twin at its pace, and before the context has taken in what the log holds."""
LEAST_ROOM_BYTES = 8 << 20


class Readiness:
    """Notes when what was heard last; times are in s, monotonic. Threads tell it, others read."""

    def __init__(self, site: Site, lags: Lags, now: float) -> None:
        self._site = site
        self._lags = lags
        self._roll = Roll({}, site.speed(None), False)
        self._roll_at = self._hub_at = self._moved_at = now
        self._city_time: str | None = None

    def hear_roll(self, roll: Roll, now: float) -> None:
        """The supervisor says who runs; nobody waits for a twin that is paused."""
        self._roll, self._roll_at = roll, now
        if roll.paused:
            self._moved_at = now

    def hear_hub(self, now: float) -> None:
        """The hub has said something."""
        self._hub_at = now

    def hear_time(self, city_time: str | None, now: float) -> None:
        """Where the city's clock stands."""
        if city_time != self._city_time:
            self._city_time, self._moved_at = city_time, now

    def parts(
        self, now: float, shown: Shown, log_error: str, sources: list[SourceRow], *, hub: bool
    ) -> Iterator[HealthPart]:
        """All parts. ``hub``: whether there is a line to it."""
        late_s = now - self._roll_at
        yield _part(
            SUPERVISOR,
            f"it has said nothing for {late_s:.0f} s: start the city again"
            if late_s > ROLL_LATE_S
            else ("" if self._roll.processes else "the city is starting; wait"),
            live=late_s <= ROLL_LATE_S,
        )
        for name, state in sorted(self._roll.processes.items()):
            yield self._process(name, state, now, hub=hub)
        yield _part("context", self._behind(now, shown))
        yield _part("log", log_error and f"nothing can be recorded: {log_error}")
        yield _part("disk", self._crowded())
        if self._site.twin is None:
            yield _part("sources", _unheard(sources))

    def _process(self, name: str, state: str, now: float, *, hub: bool) -> HealthPart:
        why = "" if state in ("live", "switched off") else state
        if name == "hub" and not why:
            why = self._deaf(now, hub=hub)
        elif name == "twin" and not why:
            why = self._standing(now)
        return _part(name, why, live=state in ("live", "starting", "switched off"))

    def _deaf(self, now: float, *, hub: bool) -> str:
        late_s = now - self._hub_at
        if not hub:
            return "the web has no line to it yet; it calls again by itself"
        if late_s > HUB_LATE_S:
            return f"it has said nothing for {late_s:.0f} s: it is stopped, or overloaded"
        return ""

    def _standing(self, now: float) -> str:
        speed, late_s = self._roll.speed, now - self._moved_at
        longest_s = max(TWIN_LATE_S, 3.0 / speed) if speed else TWIN_LATE_S
        if self._city_time is None or late_s <= longest_s:
            return ""  # that nothing was ever seen is the context's to tell
        return f"the city's clock has stood for {late_s:.0f} s: it is stopped, or overloaded"

    def _behind(self, now: float, shown: Shown) -> str:
        if shown.city_time is None:
            return "no sensor has been read yet; wait for the first second of the run"
        _, lag_s = self._lags.behind(now).get("context", (0.0, 0.0))
        if lag_s > FOLD_LATE_S:
            return f"it is {lag_s:.0f} s behind the log: look after the worker"
        return ""

    def _crowded(self) -> str:
        free = shutil.disk_usage(self._site.folder).free
        return f"{free >> 20} MiB are left: make room" if free < LEAST_ROOM_BYTES else ""


def _unheard(sources: list[SourceRow]) -> str:
    failing = [row.name for row in sources if row.state == "failing"]
    if not sources or len(failing) < len(sources):
        return ""
    return f"every source fails ({', '.join(failing)}); /api/sources says why"


def _part(name: str, why: str, *, live: bool = True) -> HealthPart:
    return HealthPart(name, live, live and not why, why)
