"""The port by which devices and feeds reach a city: one adapter of about one file per kind.

All sources of a city run in one process, apart from the hub. An adapter reads the outside world,
decodes with a pure function of ``standards`` and delivers; it decides nothing. The intake stamps
run and sequence and keeps what it delivers until the log holds it; the gate checks it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import Meta

from cityloop.kernel.clock import CityTime, Clock
from cityloop.standards.attributes import AttributeTable
from cityloop.standards.readings import Decoded

LIVE = "live"
"""The run of all that is stamped with wall time."""

State = Literal["ok", "waiting", "failing"]


class CityClock(Protocol):
    """City time as the hub tells it, a few times a second. A twin's stands still while it pauses.

    ``run`` is empty and ``now`` 0 until the hub has told.
    """

    @property
    def run(self) -> str:
        """The run of the newest batch."""
        ...

    @property
    def now(self) -> CityTime:
        """City time of that run."""
        ...

    async def moved(self) -> None:
        """Wait until the hub tells the time again."""
        ...


class Intake(Protocol):
    """What a source may say to its city."""

    city: CityClock

    async def deliver(self, decoded: Decoded, run: str = LIVE) -> None:
        """Hand over what came in; returns when the log has committed it (its faults are kept then,
        too), so that the outside world may be told. Several may wait at once; they are committed in
        the order in which they were called.

        ``run``: the city's own (``city.run``) for a source that follows its clock. Raises BusyError
        when too much waits already: nothing was taken, hold the outside world back and try again.
        Cancelling the call does not take back what was handed over.
        """
        ...

    def tell(self, state: State, reason: str = "") -> None:
        """How the line to the outside world is; a person reads ``reason``."""
        ...

    def dropped(self, count: int) -> None:
        """So many messages were lost before they reached us, and we know it."""
        ...


class Source(Protocol):
    """One way in."""

    async def run(self, intake: Intake) -> None:
        """Read and deliver until cancelled; returns when there is nothing more to come.

        What the outside world does wrong is told with ``intake.tell`` and tried again with growing
        pauses; an OSError or CityloopError that is raised makes the intake start it again.
        """
        ...


@dataclass(frozen=True, slots=True)
class Setup:
    """What a source is made from, beside its settings.

    ``folder``: the city's, for relative paths and secrets. ``clock``: wall time.
    """

    name: str
    folder: Path
    attributes: AttributeTable
    clock: Clock


class SourceSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"
):
    """``[sources.NAME]``: what every kind understands.

    ``devices``: entity type → pattern of ids (``*`` stands for anything) that this source may speak
    of beside those registered for it in devices.csv. ``late_s``, ``ahead_s``: how far behind and
    before the clock an observation may be.
    """

    devices: Mapping[str, str] = {}
    late_s: Annotated[float, Meta(ge=0)] = 3600.0
    ahead_s: Annotated[float, Meta(ge=0)] = 60.0

    def source(self, setup: Setup) -> Source:
        """The adapter; raises ConfigError where the settings do not fit together."""
        raise TypeError(f"{type(self).__name__} names no kind of source")


class Secret(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where a secret lies; it never stands in city.toml itself. Exactly one of the two."""

    env: str | None = None
    file: str | None = None
