"""An intake in memory, as a source sees it, and a clock that is set by hand."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from cityloop.kernel.clock import CityTime, WallTime
from cityloop.kernel.errors import BusyError
from cityloop.kernel.waiting import LIVE
from cityloop.perception.source import State
from cityloop.standards.readings import Decoded, Fault


class HandClock:
    """City time that a test moves."""

    def __init__(self, run: str = "", now: int = 0) -> None:
        self.run = run
        self.now = CityTime(now)
        self._told = asyncio.Event()
        self._listens = asyncio.Event()

    async def moved(self) -> None:
        self._listens.set()
        await self._told.wait()

    async def heard(self) -> None:
        """Wait until the source waits for the next time."""
        await self._listens.wait()

    def move(self, run: str, now: int) -> None:
        self.run, self.now = run, CityTime(now)
        self._listens.clear()
        self._told.set()
        self._told = asyncio.Event()


@dataclass
class Inlet:
    """Keeps what is delivered; refuses the first ``busy`` deliveries."""

    city: HandClock = field(default_factory=HandClock)
    busy: int = 0
    kept: list[tuple[str, Decoded]] = field(default_factory=list)
    states: list[tuple[State, str]] = field(default_factory=list)
    lost: int = 0
    more: asyncio.Event = field(default_factory=asyncio.Event)

    async def deliver(self, decoded: Decoded, run: str = LIVE) -> Sequence[Fault]:
        if self.busy:
            self.busy -= 1
            raise BusyError("full")
        self.kept.append((run, decoded))
        self.more.set()
        return ()

    def tell(self, state: State, reason: str = "") -> None:
        self.states.append((state, reason))
        self.more.set()

    def dropped(self, count: int) -> None:
        self.lost += count

    async def until(self, count: int) -> None:
        """Wait until so many observations have come."""
        while len(self.said) < count:
            self.more.clear()
            await self.more.wait()

    async def told(self, state: State) -> str:
        """Wait until the source tells ``state``; its reason."""
        while not any(said == state for said, _ in self.states):
            self.more.clear()
            await self.more.wait()
        return next(reason for said, reason in reversed(self.states) if said == state)

    @property
    def said(self) -> list[tuple[str, int, str, object]]:
        """(entity, time, attribute, value) of all that was delivered, in order."""
        return [one for _, decoded in self.kept for one in observations(decoded)]

    @property
    def reasons(self) -> list[str]:
        """The faults' reasons."""
        return [fault.reason for _, decoded in self.kept for fault in decoded.faults]


def observations(decoded: Decoded) -> list[tuple[str, int, str, object]]:
    """(entity, time, attribute, value) of each; None for a null, absent ones left out."""
    found = []
    for part in decoded.readings:
        for name, column in part.columns.items():
            values = column.values.tolist()
            for row, entity in enumerate(part.entities.tolist()):
                if column.absent is None or not column.absent[row]:
                    null = column.null is not None and column.null[row]
                    value = None if null else values[row]
                    found.append((entity, int(part.observed_at[row]), name, value))
    return found


class HandWall:
    """Wall time that a test sets."""

    def __init__(self, now: int) -> None:
        self.now = now

    def __call__(self) -> WallTime:
        return WallTime(self.now)
