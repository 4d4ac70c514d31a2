"""The shift log: what people note down, and what they did, one after the other. Pure."""

from collections import deque
from collections.abc import Iterator

from msgspec import Struct

from cityloop.kernel.clock import CityTime, WallTime
from cityloop.reaction.alarm_kinds import Datum

_KEPT = 2000


class Entry(Struct, frozen=True):
    """One line of the shift log; ``data`` holds the numbers and names of ``text``."""

    number: int
    at: CityTime
    wall: WallTime
    by: str
    kind: str
    text: str
    data: dict[str, Datum]


class ShiftLog:
    """The newest entries; a fold of the record, which has them all."""

    def __init__(self) -> None:
        self.number = 0
        self._entries: deque[Entry] = deque(maxlen=_KEPT)

    def __iter__(self) -> Iterator[Entry]:
        """Oldest first."""
        return iter(self._entries)

    def fold(self, entry: Entry) -> None:
        """Take in an entry."""
        self.number = entry.number
        self._entries.append(entry)
