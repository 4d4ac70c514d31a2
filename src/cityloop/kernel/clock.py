"""City time and wall time are different types (design law 6).

Both count milliseconds since 1970-01-01T00:00Z, so a slip would go unseen by arithmetic: the type
checker holds them apart. City time drives loops, guard, leases and ``observedAt``; wall time
drives durability, delivery and audit.
"""

from datetime import UTC, datetime
from typing import NewType, Protocol

CityTime = NewType("CityTime", int)
WallTime = NewType("WallTime", int)


class Clock(Protocol):
    """Tells the wall time; passed in, so that nothing below the processes reads a clock."""

    def __call__(self) -> WallTime:
        """The wall time now, in ms since 1970."""
        ...


def seconds(value: float) -> int:
    """A span of ``value`` seconds in the milliseconds both times count in."""
    return round(value * 1000)


def after(moment: CityTime, span_s: float) -> CityTime:
    """The city time ``span_s`` seconds after ``moment``."""
    return CityTime(moment + seconds(span_s))


def city_time(moment: datetime) -> CityTime:
    """The city time of an aware ``datetime``; raises ValueError for a naive one."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone; give one, e.g. +08:00")
    return CityTime(round(moment.timestamp() * 1000))


def iso(moment: CityTime | WallTime) -> str:
    """ISO 8601 in UTC with milliseconds, as ``observedAt`` is written (NGSI-LD 4.6.3)."""
    text = datetime.fromtimestamp(moment / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
