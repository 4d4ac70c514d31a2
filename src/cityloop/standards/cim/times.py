"""Points in time of NGSI-LD (4.6.3): ISO 8601 in UTC, "Z" at the end, as text and as ms."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_MOMENT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?Z", re.ASCII
).fullmatch
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


def is_datetime(text: object) -> bool:
    """Whether ``text`` is a DateTime of the standard: a real moment, in UTC."""
    return isinstance(text, str) and _ms(text) is not None


def read_datetime(text: object) -> int:
    """The ms since 1970 of a DateTime, below 1 ms cut off; raises ValueError for anything else."""
    ms = _ms(text) if isinstance(text, str) else None
    if ms is None:
        raise ValueError(f"{text!r} is not a DateTime such as 2026-01-31T08:00:00Z (UTC)")
    return ms


@lru_cache(maxsize=4096)  # the entities of a batch share their times
def _ms(text: str) -> int | None:
    match = _MOMENT(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    try:
        moment = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    except ValueError:
        return None
    if second > 60:
        return None
    fraction = (match[7] or "0").ljust(3, "0")[:3]
    return (moment - _EPOCH) // _MS + (second // 60) * 1000 + int(fraction)


@lru_cache(maxsize=4096)
def write_datetime(ms: int) -> str:
    """The DateTime of ``ms`` since 1970, with a fraction only where there is one."""
    moment = _EPOCH + ms * _MS
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + (f".{ms % 1000:03d}Z" if ms % 1000 else "Z")
