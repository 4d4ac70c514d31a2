"""Numbered rows that a stream tells without a gap, from memory or, for who was away, the record."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Protocol, TypeAlias

import msgspec

from cityloop.kernel.errors import BusyError

PIECE = 200
"""At most so many rows are told at once, so that one client's past holds up nobody's present."""
_KEPT = 8
_encode = msgspec.json.encode


class Numbered(Protocol):
    """A row of a record; numbers rise by one."""

    @property
    def number(self) -> int:
        """Where it stands in the record."""
        ...


Rows: TypeAlias = Sequence[Numbered]


class Gap(msgspec.Struct, frozen=True):
    """Rows of ``feed`` with ``first <= number <= last`` are on record no more."""

    feed: str
    first: int
    last: int


class Feed:
    """One kind of event with numbered rows.

    ``newest()``: the highest number in memory, 0 where there is none. ``held(after)``: the rows in
    memory with a higher number, in order. ``recorded(after, limit)``: the first of them on record.
    """

    def __init__(
        self,
        name: str,
        newest: Callable[[], int],
        held: Callable[[int], Rows],
        recorded: Callable[[int, int], Awaitable[Rows]],
    ) -> None:
        self.name = name
        self._newest = newest
        self._held = held
        self._recorded = recorded
        self._events: dict[tuple[int, int, str], bytes] = {}

    def place(self, known: int | None) -> int | None:
        """Where a client stands that knows ``known``: never beyond the newest row, for then it
        comes from another city. Who knows nothing begins at now; None until there is any row."""
        newest = self._newest()
        if not newest:
            return known
        return newest if known is None else min(known, newest)

    def before_all(self) -> int | None:
        """The place before the oldest row in memory; None while there is none."""
        return self._held(0)[0].number - 1 if self._newest() else None

    async def since(self, after: int) -> Rows:
        """What follows row ``after``, in order, at most ``PIECE`` rows."""
        if self._newest() <= after:
            return ()
        held = self._held(after)
        if held[0].number > after + 1:
            recorded = await self._recorded(after, PIECE)
            if recorded:
                return recorded
        return held[:PIECE]

    def events(self, rows: Rows, after: int, write_id: Callable[[int], str]) -> bytes:
        """The events that tell ``rows``, which follow ``after``; what is missing is a gap."""
        out = b""
        for group in _unbroken(rows):
            first, last = group[0].number, group[-1].number
            if first > after + 1:
                out += event("gap", _encode(Gap(self.name, after + 1, first - 1)))
            out += self._event(group, (first, last, write_id(last)))
            after = last
        return out

    def _event(self, rows: Rows, key: tuple[int, int, str]) -> bytes:
        """Encoded once for all clients that stand at the same place."""
        if key not in self._events:
            if len(self._events) >= _KEPT:
                self._events.pop(next(iter(self._events)))
            self._events[key] = event(self.name, _encode(rows[::-1]), key[2])
        return self._events[key]


def event(name: str, data: bytes, id_: str = "") -> bytes:
    """One event of the WHATWG event stream format; ``data`` holds no line break."""
    head = f"id: {id_}\n" if id_ else ""
    return f"{head}event: {name}\ndata: ".encode() + data + b"\n\n"


def _unbroken(rows: Rows) -> Iterator[Rows]:
    """``rows`` cut where a number is missing."""
    begin = 0
    for i, row in enumerate(rows):
        if i and row.number != rows[i - 1].number + 1:
            yield rows[begin:i]
            begin = i
    if rows:
        yield rows[begin:]


class Places:
    """Where one client stands in each feed; written as the event id, such as ``1234,56``."""

    def __init__(self, feeds: Sequence[Feed], last_event_id: str) -> None:
        self._feeds = feeds
        told = last_event_id.split(",")
        known = [int(text) if text.isdecimal() and len(text) < 19 else None for text in told]
        known += [None] * len(feeds)
        self._at = [feed.place(at) for feed, at in zip(feeds, known, strict=False)]

    async def advance(self) -> tuple[bytes, bool]:
        """The events that bring the client forward, and whether there is still more to tell.

        What cannot be read from the record just now is told when it can.
        """
        out, more = b"", False
        for i, feed in enumerate(self._feeds):
            after = self._after(i)
            if after is None:
                continue
            try:
                rows = await feed.since(after)
            except BusyError:
                continue  # the record cannot be read just now: next time
            if rows:
                out += feed.events(rows, after, partial(self._written, i))
                self._at[i] = rows[-1].number
            more = more or len(rows) == PIECE
        return out, more

    def _after(self, i: int) -> int | None:
        """None while the feed is empty; its first rows then are all news."""
        at, feed = self._at[i], self._feeds[i]
        if at is None:
            return feed.before_all()
        return feed.place(at)

    def written(self) -> str:
        """Where the client stands now: it may leave before anything happens, and come back."""
        return _write_places(self._at)

    def _written(self, i: int, number: int) -> str:
        return _write_places([*self._at[:i], number, *self._at[i + 1 :]])


def _write_places(at: Sequence[int | None]) -> str:
    """In a feed that is still empty all is news."""
    return ",".join(str(one or 0) for one in at)
