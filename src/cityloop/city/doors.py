"""The ways in as the web's process knows them: how sources are, and what was rejected."""

import asyncio

import msgspec

from cityloop.city.board import Ask
from cityloop.city.clock import wall_time
from cityloop.city.surface import RejectRow, SourceRow
from cityloop.interconnection.rejects import StoredRejects
from cityloop.interconnection.tenant import Place, open_rejects
from cityloop.kernel.changes import Reject
from cityloop.kernel.clock import CityTime, iso

_LAST_MS = 253_402_300_799_999


class Doors:
    """``place``: the tenant's, whose rejects are read where they lie. ``ask``: carries a command
    to the hub.
    """

    def __init__(self, place: Place, ask: Ask) -> None:
        self._place = place
        self._ask = ask
        self._sources: list[SourceRow] = []
        self._rejects: StoredRejects | None = None

    def hear(self, topic: str, body: bytes) -> bool:
        """Take in what the hub tells; whether the topic is ours."""
        if topic != "sources":
            return False
        self._sources = msgspec.json.decode(body, type=list[SourceRow])
        return True

    def sources(self) -> list[SourceRow]:
        """Every source as the hub last told; empty before it has."""
        return self._sources

    def rejects(self, source: str, reason: str, after: int, limit: int) -> list[RejectRow]:
        """The newest rejects with a number above ``after``, newest first; empty for any source or
        reason. Safe from any thread.
        """
        found = self._kept().page(source, reason, after, limit)
        return [_row(number, reject) for number, reject in found]

    async def try_again(self, source: str, reason: str, by: str) -> int:
        """Let a source read again what was rejected of it; how many were handed over. Raises
        RefusedError where there is nothing, or nobody to read it.
        """
        count = await asyncio.to_thread(lambda: self._kept().to_try(source, reason))
        await self._ask("try_again", source=source, reason=reason, by=by)
        return count

    def _kept(self) -> StoredRejects:
        if self._rejects is None:
            self._rejects = open_rejects(self._place, wall_time, readonly=True)
        return self._rejects


def _row(number: int, r: Reject) -> RejectRow:
    return RejectRow(number, _told(r.at), r.source, r.run, r.entity, r.attribute, r.value, r.reason)


def _told(at: CityTime) -> str | None:
    return iso(at) if 0 < at <= _LAST_MS else None
