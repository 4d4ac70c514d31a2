"""The one door through which ``web`` meets a city; values are those of ``city.surface``."""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from cityloop.city.board import Board
from cityloop.city.desk_reader import DeskReader
from cityloop.city.doors import Doors
from cityloop.city.metrics import CityMetrics
from cityloop.city.surface import (
    DecisionRow,
    DriveAction,
    Health,
    LiveState,
    MapData,
    ModeName,
    Operation,
    Summary,
    Vehicles,
)
from cityloop.city.surface_alarms import AlarmRow, ShiftRow
from cityloop.city.surface_past import Moment, RecordTable, RunRow, Timeline, Trend


class CityReadings(Protocol):
    """What a city tells. Every call but ``changes`` answers at once from memory, in any order.

    Called from one event loop; none may block it.
    """

    def summary(self) -> Summary:
        """The run in one line of figures."""
        ...

    def health(self) -> Health:
        """Which parts live and work; still answers when the hub is dead."""
        ...

    def map(self) -> MapData:
        """What does not change while the city runs."""
        ...

    def state(self) -> LiveState:
        """The newest state; the last one known when the hub is dead (``hub_alive`` tells)."""
        ...

    def decisions(
        self, limit: int, junction: str | None = None, after: int = 0
    ) -> list[DecisionRow]:
        """The newest ``limit`` decisions with ``number > after``, newest first.

        ``junction`` keeps one junction's. The city may hold only recent ones in memory: a reader
        sees by the numbers that something is missing. Empty when there is nothing newer.
        """
        ...

    async def changes(self, after_seq: int) -> int:
        """Wait until ``state().seq > after_seq`` and give the newest seq.

        A new decision moves seq as well. May be cancelled at any time without effect on others.
        """
        ...


class VehicleReadings(Protocol):
    """The vehicles of the loop's twin; nobody measures them while nobody looks."""

    def looking(self) -> AbstractContextManager[None]:
        """Somebody looks while this is entered."""
        ...

    def newest(self) -> Vehicles | None:
        """Where they were last seen; None while nobody looks, or nothing was told yet."""
        ...


class PastReadings(Protocol):
    """The record of a city. Each call may take a moment, holds up nobody else, and raises
    MissingError for what is not on record and BusyError while the record cannot be read.
    """

    async def runs(self) -> list[RunRow]:
        """The runs on record, the newest last."""
        ...

    async def moment(self, run: str | None, at: datetime | None) -> Moment:
        """The city as it was; without a run the newest, without a time its end."""
        ...

    async def timeline(
        self, junction: str, minutes: float, run: str | None, at: datetime | None
    ) -> Timeline:
        """The minutes of a junction that end at a second."""
        ...

    async def trend(self, run: str | None) -> Trend:
        """The measures of a run over its time."""
        ...

    async def decisions_after(self, number: int, limit: int) -> list[DecisionRow]:
        """The first ``limit`` decisions on record with a higher number, in order."""
        ...

    async def alarms_after(self, number: int, limit: int) -> list[AlarmRow]:
        """The first ``limit`` events of alarms on record with a higher number, in order."""
        ...

    async def entries_after(self, number: int, limit: int) -> list[ShiftRow]:
        """The first ``limit`` entries of the shift log with a higher number, in order."""
        ...

    def table(
        self, name: RecordTable, run: str | None, since: datetime | None, until: datetime | None
    ) -> "AsyncIterator[pa.RecordBatch]":
        """A table of the record (``since <= city time < until``) in pieces of one schema."""
        ...


class CityCommands(Protocol):
    """What a person may ask of a city. Each raises RefusedError with a sentence that says why and
    what to do instead, and BusyError when the hub is away; when it returns, the city took it.
    ``by``: who did it, for the shift log.
    """

    async def set_mode(
        self, loop: str, group: str, mode: ModeName, shadow_result: str | None, by: str
    ) -> None:
        """Let a loop go so far on a group; ``act`` needs the shadow result that justifies it."""
        ...

    async def advise(self, decision_id: str, confirm: bool, by: str) -> None:
        """Confirm or reject a decision that waits for a person."""
        ...

    async def operate(
        self, junction: str, action: Operation, phase: int | None, minutes: float, by: str
    ) -> None:
        """Take a junction by hand for ``minutes`` of city time, or give it back (``release``).

        ``phase`` is the one to hold; None holds what is green.
        """
        ...

    async def drive(self, action: DriveAction, speed: float | None) -> None:
        """Set the twins' speed (city seconds per wall second, 0 as fast as it goes), pause,
        resume, or step one second while paused.
        """
        ...


class BoardPort(Protocol):
    """How the city is run: loops, plans, calendar, retention."""

    @property
    def board(self) -> Board:
        """What the hub tells of it, and the commands that change it."""
        ...


class DeskPort(Protocol):
    """The operators' desk: alarms, shift log, sensors."""

    @property
    def desk(self) -> DeskReader:
        """What the hub tells of it, and what people do at it."""
        ...


class DoorPort(Protocol):
    """The ways in."""

    @property
    def doors(self) -> Doors:
        """How sources are, and what was rejected."""
        ...


class MetricsPort(Protocol):
    """How the city's machinery does, in figures."""

    @property
    def metrics(self) -> CityMetrics:
        """What its processes tell."""
        ...


class CityPort(CityReadings, CityCommands, BoardPort, DeskPort, DoorPort, MetricsPort, Protocol):
    """A running city, to read and to command; topics of their own are parts of it."""

    @property
    def vehicles(self) -> VehicleReadings:
        """The vehicles as they move."""
        ...

    @property
    def past(self) -> PastReadings:
        """What was."""
        ...
