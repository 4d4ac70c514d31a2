"""Tables for export that have no history of their own: rows as they are now."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import msgspec
import pyarrow as pa

from cityloop.city.export import row_batch
from cityloop.city.surface import RejectRow, RetentionRow, SourceRow
from cityloop.city.surface_alarms import SensorRow
from cityloop.standards.plans import CalendarEntry, Green
from cityloop.web.port import CityPort

_REJECTS = 100_000


class LoopGroupNow(msgspec.Struct, frozen=True):
    """A loop on one of its groups."""

    loop: str
    version: str
    state: str
    group: str
    junctions: list[str]
    mode: str


class PlanNow(msgspec.Struct, frozen=True):
    """A junction's part of a plan; ``plan`` is empty for what it runs where none is called."""

    plan: str
    name: str
    junction: str
    offset_s: float | None
    phases: list[Green]


async def sensors(city: CityPort) -> pa.RecordBatch:
    """How every sensor does."""
    return row_batch(city.desk.sensors(), SensorRow)


async def sources(city: CityPort) -> pa.RecordBatch:
    """How every way in does."""
    return row_batch(city.doors.sources(), SourceRow)


async def rejects(city: CityPort) -> pa.RecordBatch:
    """What the gates refused and still is kept, newest first."""
    return row_batch(await asyncio.to_thread(city.doors.rejects, "", "", 0, _REJECTS), RejectRow)


async def loops(city: CityPort) -> pa.RecordBatch:
    """Every loop on each of its groups."""
    rows = [
        LoopGroupNow(one.name, one.version, one.state, group.name, group.junctions, group.mode)
        for one in city.board.loops()
        for group in one.groups
    ]
    return row_batch(rows, LoopGroupNow)


async def plans(city: CityPort) -> pa.RecordBatch:
    """The junctions' own plans, then those by the time of day."""
    told = city.board.plans()
    tables = [("", "", told.default), *((one.id, one.name, one.junctions) for one in told.plans)]
    rows = [
        PlanNow(plan, name, part.junction, part.offset_s, part.phases)
        for plan, name, parts in tables
        for part in parts
    ]
    return row_batch(rows, PlanNow)


async def calendar(city: CityPort) -> pa.RecordBatch:
    """When which plan is called."""
    return row_batch(city.board.calendar().entries, CalendarEntry)


async def retention(city: CityPort) -> pa.RecordBatch:
    """How long each type is kept."""
    return row_batch(city.board.retention(), RetentionRow)


NOW: Mapping[str, Callable[[CityPort], Awaitable[pa.RecordBatch]]] = {
    "calendar": calendar,
    "loops": loops,
    "plans": plans,
    "rejects": rejects,
    "retention": retention,
    "sensors": sensors,
    "sources": sources,
}
"""Name in the address → its rows."""
