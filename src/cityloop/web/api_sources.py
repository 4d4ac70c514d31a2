"""The ways into the city: how each source does, and what the gates refused."""

import asyncio
from typing import Annotated

import msgspec

from cityloop.city.surface import RejectRow, SourceRow
from cityloop.web.port import DoorPort
from cityloop.web.route import get


class RejectQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Query of ``GET /api/rejects``; ``reason`` without its detail, as "too late"."""

    source: str = ""
    reason: str = ""
    after: Annotated[int, msgspec.Meta(ge=0)] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100


class SourceRoutes:
    """/api/sources and /api/rejects."""

    def __init__(self, city: DoorPort) -> None:
        self._city = city

    @get("/api/sources", "Every way in: how it does, what it brought, what was refused")
    async def sources(self) -> list[SourceRow]:
        """One row per source of city.toml."""
        return self._city.doors.sources()

    @get("/api/rejects", "What the gates refused and why, newest first")
    async def rejects(self, query: RejectQuery) -> list[RejectRow]:
        """Of one source, of one reason, after a number, or simply the newest."""
        given = query.source, query.reason, query.after, query.limit
        return await asyncio.to_thread(self._city.doors.rejects, *given)
