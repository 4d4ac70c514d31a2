"""A source on trial: what arrives, what would be rejected and why, and nothing is committed."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from cityloop.city.clock import wall_time
from cityloop.city.config import read_draft
from cityloop.city.intake_process import HubClock, rows_of
from cityloop.city.settings_reader import nearest
from cityloop.city.survey import DEVICES, read_registered
from cityloop.kernel.changes import Reject
from cityloop.kernel.clock import CityTime, iso
from cityloop.kernel.errors import ConfigError, Gathered
from cityloop.kernel.ports import Batch
from cityloop.kernel.rows import Rows
from cityloop.kernel.waiting import LIVE
from cityloop.perception.devices import Declared, Register
from cityloop.perception.live_gate import LiveGate, LiveSource
from cityloop.perception.source import Setup, SourceSettings, State
from cityloop.standards.attributes import declared
from cityloop.standards.readings import Decoded, Fault

Tell = Callable[[str], None]
_SHOWN_TOGETHER = 20
"""So many rows of one delivery are shown; of more it is said how many."""


def try_source(folder: Path, name: str, seconds: float, tell: Tell) -> tuple[int, Counter[str]]:
    """Run source ``name`` of ``folder/city.toml`` for so long and ``tell`` what comes line by line;
    how many rows would be accepted, and what would be rejected by reason.

    Raises ConfigError for what is wrong with the settings, OSError where the way in is taken.
    """
    draft = read_draft(folder)
    sources = draft.sections.get("sources", {})
    if name not in sources:
        Gathered(draft.mistakes).check()
        mend = nearest(name, list(sources))
        raise ConfigError(f"{draft.path}: there is no source {name}; {mend}")
    settings: SourceSettings = sources[name]
    devices = read_registered(folder / DEVICES, {name: settings.devices})
    setup = Setup(name, folder.absolute(), declared(), wall_time, trial=True)
    source = settings.source(setup)

    async def run() -> tuple[int, Counter[str]]:
        trial = Trial(name, settings, devices[name], tell)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await source.run(trial)
        return trial.accepted, trial.rejected

    return asyncio.run(run())


class Trial:
    """The intake of a source on trial (``perception.source.Intake``)."""

    def __init__(self, name: str, settings: SourceSettings, devices: Declared, tell: Tell) -> None:
        self.city = HubClock()
        self.accepted = 0
        self.rejected: Counter[str] = Counter()
        self._name = name
        self._may_acknowledge = settings.trial_may_acknowledge
        self._register = Register(devices)
        source = LiveSource(name, devices, settings.late_s, settings.ahead_s)
        self._gate = LiveGate([source], declared(), self._refused)
        self._sequence = 0
        self._tell = tell

    async def deliver(self, decoded: Decoded, run: str = LIVE) -> Sequence[Fault]:
        """Show what came. Returns only where an acknowledgement costs nobody anything: what waits
        for a commit waits for ever, for there is none.
        """
        rows, strangers = rows_of(self._register, decoded, run)
        now = CityTime(wall_time())
        for fault in (*decoded.faults, *strangers):
            self._refused([fault.reject(self._name, run, now)])
        self._sequence += 1
        admitted = self._gate.admit(Batch(self._name, run, self._sequence, rows=tuple(rows)), now)
        for part in admitted.rows:
            self._show(part)
        if not self._may_acknowledge:
            await asyncio.Event().wait()
        return strangers

    def _show(self, part: Rows) -> None:
        self.accepted += len(part)
        for line in _lines(part.taken(np.arange(min(len(part), _SHOWN_TOGETHER)))):
            self._tell(f"+ {line}")
        if len(part) > _SHOWN_TOGETHER:
            self._tell(f"+ … and {len(part) - _SHOWN_TOGETHER} more {part.type}")

    def _refused(self, rejects: Sequence[Reject]) -> None:
        for reject in rejects:
            self.rejected[reject.reason.partition(":")[0]] += 1
            what = " ".join(filter(None, (reject.entity, reject.attribute, reject.value)))
            self._tell(f"- {what or self._name}: {reject.reason}")

    def tell(self, state: State, reason: str = "") -> None:
        """How the line to the outside world is."""
        self._tell(f"= {state}: {reason}" if reason else f"= {state}")

    def dropped(self, count: int) -> None:
        """So many messages were lost before they reached us."""
        self._tell(f"= {count} messages were lost before they reached us")


def _lines(part: Rows) -> list[str]:
    """Each row in words."""
    lines = []
    for frame in part.frames():
        columns = {name: (c, c.values.tolist()) for name, c in frame.columns.items()}
        for row, entity in enumerate(frame.ids):
            said = " ".join(
                f"{name}={'null' if c.null is not None and c.null[row] else values[row]}"
                for name, (c, values) in columns.items()
                if c.absent is None or not c.absent[row]
            )
            lines.append(f"{frame.type} {entity} {iso(frame.observed_at)} {said}")
    return lines
