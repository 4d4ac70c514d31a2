"""What goes over a city's bus, a line a message, for people."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

from cityloop.city.bus_process import NONE, stream_rule
from cityloop.city.clock import wall_time
from cityloop.city.survey import survey
from cityloop.interconnection.bus.in_process import LogBus
from cityloop.interconnection.bus.jetstream import JetStreamBus
from cityloop.interconnection.bus.server import credentials
from cityloop.interconnection.tenant import Place, open_log
from cityloop.kernel.clock import iso
from cityloop.kernel.ports import Bus, Gap, Letter, Mark
from cityloop.standards.letters import Cut, read_letter

_AT_ONCE, _PATIENCE_S = 50, 1.0


def follow(
    folder: Path,
    data: Path | None,
    subjects: list[str],
    tell: Callable[[str], None],
    *,
    old: bool,
    count: int,
) -> None:
    """Tell what fits ``subjects`` (all, where there are none): with ``old`` all that there is, else
    what comes from now on; until ``count`` messages, 0 for ever.

    Raises ConfigError for a city that is none, OSError where its server is away.
    """
    seen = survey(folder, data)
    city, rule = seen.settings.city, seen.settings.bus
    wanted = subjects or [f"cityloop.{city.tenant}.>"]

    async def go() -> None:
        with ExitStack() as opened:
            if city.bus == NONE:
                place = Place(seen.root / city.tenant, city.store)
                log = opened.enter_context(closing(open_log(place, wall_time, readonly=True)))
                await _tell_all(
                    LogBus(log, city.tenant, Cut(rule.partitions)), wanted, tell, old, count
                )
                return
            line = await JetStreamBus.open(city.bus, credentials(), stream_rule(city.tenant, rule))
            try:
                await _tell_all(line, wanted, tell, old, count)
            finally:
                await line.close()

    asyncio.run(go())


async def _tell_all(
    bus: Bus, subjects: list[str], tell: Callable[[str], None], old: bool, count: int
) -> None:
    newest = None if old else await bus.last()
    after: Mark | None = newest.mark if newest else None
    reader = await bus.subscribe(subjects, after=after)
    told = 0
    while not count or told < count:
        most = min(_AT_ONCE, count - told) if count else _AT_ONCE
        for one in await reader.next(most, _PATIENCE_S):
            tell(_line(one))
            told += 1
        await reader.done()


def _line(one: Letter | Gap) -> str:
    if isinstance(one, Gap):
        return f"{one.until} {one.subject} not on the bus any more since {one.after}"
    content = read_letter(one)
    parts = f" {one.part}/{one.parts}" if one.parts > 1 else ""
    said = f"{one.position}{parts} {iso(one.committed_at)} {one.subject} {one.form} {len(content)}"
    return f"{said} from {one.source} {one.run}"
