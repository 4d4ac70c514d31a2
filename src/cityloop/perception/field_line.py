"""A line to a machine in the field that is asked for declared values, such as a controller's."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol

from cityloop.kernel.errors import CityloopError
from cityloop.perception.backoff import Backoff
from cityloop.perception.source import Intake, Mistake
from cityloop.standards.attributes import declared
from cityloop.standards.feeds.tables import entity_id

Wait = Callable[[float], Awaitable[None]]
MOST_PAUSE_S = 300.0
"""The longest pause before a line that broke is tried again."""


class Mapped(Protocol):
    """A value of the machine as the map names it: what it says, and of what."""

    @property
    def type(self) -> str:
        """The entity's type."""
        ...

    @property
    def entity(self) -> str:
        """The entity's id, or the device's own name."""
        ...

    @property
    def attribute(self) -> str:
        """The attribute."""
        ...


class LineError(CityloopError):
    """The machine is away, or refuses us; connect again."""


def map_mistakes(key: str, values: Sequence[Mapped]) -> Iterable[Mistake]:
    """What is wrong with the map under ``key`` of a source's settings."""
    for row, value in enumerate(values):
        if value.attribute not in declared().get(value.type, {}):
            what = f"{value.type}.{value.attribute} is not declared"
            yield (key, row, "attribute"), what, "use a declared type and attribute"
        if not entity_id(value.entity, value.type):
            yield (key, row, "entity"), "no entity id", "give the device's own name"


async def keep_line(
    serve: Callable[[Intake], Awaitable[None]], intake: Intake, backoff: Backoff, wait: Wait
) -> None:
    """``serve`` until cancelled; a line that breaks (LineError) is made again after growing
    pauses."""
    while True:
        try:
            await serve(intake)
        except LineError as error:
            intake.tell("failing", str(error))
            await wait(backoff.next_s())
