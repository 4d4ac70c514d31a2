"""The loops at work: health, versions, shadow results."""

from typing import Annotated

import msgspec

from cityloop.city.surface import LoopRow
from cityloop.web.port import BoardPort
from cityloop.web.route import get, post

By = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]


class VersionChange(msgspec.Struct, forbid_unknown_fields=True):
    """Body of ``POST /api/loops/{name}/version``; ``reason`` is kept in the record."""

    version: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
    by: By


class LoopRoutes:
    """/api/loops: what turns here, how it does, and which version."""

    def __init__(self, city: BoardPort) -> None:
        self._city = city

    @get("/api/loops", "The loops: version, health, latency; by group mode and shadow result")
    async def loops(self) -> list[LoopRow]:
        """Empty until the hub has told of them."""
        return self._city.board.loops()

    @post("/api/loops/{name:path}/version", "Put another installed version of a loop to work")
    async def set_version(self, name: str, body: VersionChange) -> None:
        """Live, in the modes of the version before it; memory and shadow results start fresh."""
        await self._city.board.set_version(name, body.version, body.reason, body.by)
