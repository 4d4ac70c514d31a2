"""The Loop: declared inputs, ``analyse``, ``respond``, ``score`` (design, laws 4 and 5)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from cityloop.kernel.clock import CityTime
from cityloop.kernel.frame import EntityIds
from cityloop.kernel.partition import Partition
from cityloop.kernel.reasons import Reason, Wording
from cityloop.kernel.view import Memory, View

Ints = npt.NDArray[np.int64]


class Mode(IntEnum):
    """How far a loop may go; per loop and group of actuators, each step includes the former."""

    OBSERVE = 0
    SHADOW = 1
    ADVISE = 2
    ACT = 3


class Priority(IntEnum):
    """Who goes first at an actuator; a higher class takes the lease from a lower one."""

    OPTIMISATION = 1
    TRANSIT = 2
    EMERGENCY = 3
    MANUAL = 4


@dataclass(frozen=True, slots=True)
class Latest:
    """The latest value of ``attributes`` of every entity of ``type``.

    ``rows`` names the entry of ``knows`` whose attribute of that name lists the entity ids, as
    "network.detectors": rows of the table stand in that order, so they meet reference arrays.
    Where the entry is a mapping, the attribute is a key of it, as "devices.AirQualityObserved".

    It does not matter whether a twin or a live source speaks of them; what a live source says later
    than ``late_s`` seconds after it was observed is for the record alone.
    """

    type: str
    attributes: tuple[str, ...]
    rows: str
    late_s: float = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class Proposals:
    """What a loop wants done at one instant, as columns.

    ``rows``: shape (k,), rows of ``actuators``; ``actions``: shape (k,), the actuator type's own
    code (for a signal: the phase). ``reason(i)`` tells why proposal ``i`` is made; it is only asked
    where a decision is recorded. A proposal lapses ``valid_s`` seconds after its tick.
    """

    actuators: EntityIds
    rows: Ints
    actions: Ints
    reason: Callable[[int], Reason]
    valid_s: float = 5.0

    def __len__(self) -> int:
        return len(self.rows)


class Analyse(Protocol):
    """Pure: no clock, no I/O, no randomness but what memory holds; never changes ``memory``."""

    def __call__(self, view: View, memory: Memory, now: CityTime) -> tuple[Any, Memory]:
        """The tick's findings and the new memory."""
        ...


@dataclass(frozen=True, slots=True)
class Score:
    """What evaluation reports of a loop: a figure with its unit and which way is better."""

    name: str
    unit: str
    lower_is_better: bool


@dataclass(frozen=True, slots=True)
class Loop:
    """One loop: a value that runs nothing by itself.

    ``every_s``: city seconds between ticks. ``start``: the memory before the first tick, from what
    the loop ``knows``. ``version`` is recorded with every decision. ``wordings``: every kind of
    reason that its proposals may have, so that translations can be complete. ``earlier``:
    versions of the same name to which a city may go back. ``partition``: how it is divided where
    loops run on several machines; one without runs in the hub.
    """

    name: str
    version: str
    watches: Mapping[str, Latest]
    every_s: float
    start: Callable[[Mapping[str, Any]], Memory]
    analyse: Analyse
    respond: Callable[[Any], Proposals]
    score: Score
    knows: tuple[str, ...] = ()
    priority: Priority = Priority.OPTIMISATION
    settings: Mapping[str, float] = field(default_factory=dict)
    wordings: tuple[Wording, ...] = ()
    earlier: "tuple[Loop, ...]" = ()
    partition: Partition | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Orders:
    """Commands to cabinets, as columns; what the guard let pass.

    ``rows``: shape (k,), rows of the actuator bank; ``actions``: shape (k,). An order is void from
    ``expires_at`` on, from an older ``epoch``, or when it was ``issued_at`` no later than one that
    the cabinet already took from the same priority class: so none is carried out twice.
    """

    issued_at: CityTime
    expires_at: CityTime
    epoch: int
    priority: Priority
    rows: Ints
    actions: Ints


class Guard(Protocol):
    """The safety envelope as the centre asks it: may these actions be ordered now?"""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Verdict code → sentence; code 0 lets pass."""
        ...

    def judge(self, rows: Ints, actions: Ints, priority: Priority, view: View) -> Ints:
        """Verdict codes, shape (k,), of each action at each actuator as last observed."""
        ...
