"""The port by which devices and feeds reach a city: one adapter of about one file per kind.

All sources of a city run in one process, apart from the hub. An adapter reads the outside world,
decodes with a pure function of ``standards`` and delivers; it decides nothing. The intake stamps
run and sequence and keeps what it delivers until the log holds it; the gate checks it.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Protocol

import msgspec
from msgspec import Meta

from cityloop.kernel.clock import CityTime, Clock
from cityloop.kernel.errors import ConfigError
from cityloop.kernel.ports import Log
from cityloop.kernel.waiting import LIVE
from cityloop.standards.attributes import AttributeTable
from cityloop.standards.payloads import Decoder
from cityloop.standards.readings import Decoded, Fault

State = Literal["ok", "waiting", "failing"]
Mistake = tuple[tuple[str | int, ...], str, str]
"""(the key below the source's own, what is wrong, how to mend it)."""


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

    @property
    def city(self) -> CityClock:
        """City time, for a source that follows it."""
        ...

    async def deliver(self, decoded: Decoded, run: str = LIVE) -> Sequence[Fault]:
        """Hand over what came in; returns when the log has committed it (its faults are kept then,
        too), so that the outside world may be told. Several may wait at once; they are committed in
        the order in which they were called.

        ``run``: the city's own (``city.run``) for a source that follows its clock. Raises BusyError
        when too much waits already: nothing was taken, hold the outside world back and try again.
        Cancelling the call does not take back what was handed over.

        What it gives back names no declared device; it is kept in the reject log with the rest.
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

    ``folder``: the city's, for relative paths and secrets. ``clock``: wall time. ``log``: the
    tenant's, to read what of a source is committed; None where there is none. ``trial``: somebody
    only looks: leave no trace outside, and take nothing from a city that runs.
    """

    name: str
    folder: Path
    attributes: AttributeTable
    clock: Clock
    log: Log | None = None
    trial: bool = False


class SourceSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"
):
    """``[sources.NAME]``: what every kind understands.

    ``devices``: entity type → pattern of ids (``*`` stands for anything) that this source may speak
    of beside those registered for it in devices.csv. ``late_s``, ``ahead_s``: how far behind and
    before the clock an observation may be. ``silent_after_s``: people are told when nothing was
    accepted for so long; None where silence means nothing.
    """

    trial_may_acknowledge: ClassVar[bool] = False
    """Whether on trial the outside world may be told that it was taken, as it loses nothing."""

    devices: dict[str, str] = {}
    late_s: Annotated[float, Meta(ge=0)] = 86_400.0
    ahead_s: Annotated[float, Meta(ge=0)] = 60.0
    silent_after_s: Annotated[float, Meta(gt=0)] | None = None

    def mistakes(self) -> Iterable[Mistake]:
        """What one key alone does not tell."""
        return ()

    def decoder(self, table: AttributeTable) -> Decoder | None:
        """Reads the messages of this source; None where they cannot be read one by one."""
        return None

    def source(self, setup: Setup) -> Source:
        """The adapter; raises ConfigError for a secret or a file that is not there."""
        raise TypeError(f"{type(self).__name__} names no kind of source")


def kind_of(settings: SourceSettings) -> str:
    """What stands in city.toml as ``kind``."""
    return str(settings.__struct_config__.tag)


class Secret(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where a secret lies; it never stands in city.toml itself. Exactly one of the two: the name
    of an environment variable, or a file, relative to the city's folder.
    """

    env: str | None = None
    file: str | None = None

    def mistakes(self, key: str) -> Iterable[Mistake]:
        """Whether it says where, and once."""
        if (self.env is None) == (self.file is None):
            yield (key,), f"{key} lies in no place, or in two", "give exactly one of env and file"

    def read(self, folder: Path) -> str:
        """The secret; raises ConfigError, which does not quote it, where it is not there."""
        if self.env is not None:
            value = os.environ.get(self.env)
            if value is None:
                raise ConfigError(f"the environment variable {self.env} is not set; export it")
            return value
        path = folder / (self.file or "")
        try:
            return path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: the secret cannot be read: {error}") from None
