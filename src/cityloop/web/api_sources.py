"""The ways into the city: how each source does, and what the gates refused."""

import asyncio
from typing import Annotated

import msgspec

from cityloop.city.surface import RejectRow, SourceRow
from cityloop.web.api_commands import By, RowNumber
from cityloop.web.port import DoorPort
from cityloop.web.route import get, post


class RejectQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Query of ``GET /api/rejects``; ``reason`` without its detail, as "too late"."""

    source: str = ""
    reason: str = ""
    after: RowNumber = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100


class TryAgain(msgspec.Struct, forbid_unknown_fields=True):
    """Body of ``POST /api/rejects/replay``; ``reason`` as in the query, None for any."""

    source: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    reason: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    by: By = "operator"


class HandedOver(msgspec.Struct, frozen=True):
    """How many rejects were handed to their source to be read again; outcomes come with the rest:
    what is accepted is committed, what is not is rejected anew."""

    handed_over: int


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

    @post("/api/rejects/replay", "After a mend: try again what was rejected of a source")
    async def replay_rejects(self, body: TryAgain) -> HandedOver:
        """Late and implausible values are let in then: a person has looked."""
        given = body.source, body.reason or "", body.by
        return HandedOver(await self._city.doors.try_again(*given))
