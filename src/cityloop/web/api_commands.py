"""What a person may ask of the city."""

from typing import Annotated

import msgspec

from cityloop.city.surface import DriveAction, ModeName, Operation
from cityloop.web.port import CityCommands
from cityloop.web.route import post

By = Annotated[str, msgspec.Meta(min_length=1, max_length=80, pattern=r"\S")]


RowNumber = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
"""A number of a row of the record, as every client can write it and every store can take it."""


class ModeChange(msgspec.Struct, forbid_unknown_fields=True):
    """Body of ``POST /api/loops/{name}/mode``."""

    group: str
    mode: ModeName
    shadow_result: str | None = None
    by: By = "operator"


class Advice(msgspec.Struct, forbid_unknown_fields=True):
    """Body of ``POST /api/advice/{id}``."""

    confirm: bool
    by: By = "operator"


class Operate(msgspec.Struct, forbid_unknown_fields=True):
    """Body of ``POST /api/junctions/{id}/operate``; ``minutes`` of city time, at most 240."""

    action: Operation
    phase: int | None = None
    minutes: Annotated[float, msgspec.Meta(gt=0, le=240)] = 15.0
    by: By = "operator"


class Drive(msgspec.Struct, forbid_unknown_fields=True):
    """Body of ``POST /api/drive``; ``speed`` (0 = as fast as it goes) belongs to action speed."""

    action: DriveAction
    speed: Annotated[float, msgspec.Meta(ge=0, le=1000)] | None = None

    def __post_init__(self) -> None:
        if (self.action == "speed") != (self.speed is not None):
            raise ValueError("action speed needs a speed, and no other action takes one")


class CommandRoutes:
    """/api: commands; each is answered 204 when the city took it."""

    def __init__(self, city: CityCommands) -> None:
        self._city = city

    @post("/api/loops/{name:path}/mode", "Let a loop go so far on a group of junctions")
    async def set_mode(self, name: str, body: ModeChange) -> None:
        """Mode ``act`` needs the shadow result that justifies it."""
        await self._city.set_mode(name, body.group, body.mode, body.shadow_result, body.by)

    @post("/api/advice/{id:path}", "Confirm or reject a decision that waits for a person")
    async def advise(self, id: str, body: Advice) -> None:  # noqa: A002 (the word of the path)
        """A decision that waits no more is refused."""
        await self._city.advise(id, body.confirm, body.by)

    @post("/api/junctions/{id:path}/operate", "Take a junction by hand, or give it back")
    async def operate(self, id: str, body: Operate) -> None:  # noqa: A002 (the word of the path)
        """A hold without a phase holds what is green."""
        await self._city.operate(id, body.action, body.phase, body.minutes, body.by)

    @post("/api/drive", "Set the pace of the twins")
    async def drive(self, body: Drive) -> None:
        """Speed in city seconds per wall second; pause, resume, step one second while paused."""
        await self._city.drive(body.action, body.speed)
