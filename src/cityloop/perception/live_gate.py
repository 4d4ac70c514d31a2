"""The gate for sources whose devices speak when they like: rows with a time of their own.

As for frames (``gate``): declared types, devices and attributes only, values in range, whole
columns first. What differs is time. An observation may be late by what its source declares, and a
message that a broker delivers again after a crash is recognised by what its device said last.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cityloop.kernel.changes import Reject
from cityloop.kernel.clock import CityTime, iso, seconds
from cityloop.kernel.compiled import (
    INT_TABLE,
    INTS,
    NOTHING,
    TABLE_OF_INTS,
    VECTOR_OF_BOOLS,
    VECTOR_OF_INTS,
    compiled,
)
from cityloop.kernel.errors import InputError
from cityloop.kernel.frame import Bools, Column, EntityIds
from cityloop.kernel.ports import Batch
from cityloop.kernel.rows import Rows
from cityloop.perception.devices import Declared
from cityloop.perception.gate import Refusals, check_column, masked, present
from cityloop.perception.plausible import IMPLAUSIBLE, SOUND, Believer
from cityloop.standards.attributes import AttributeTable
from cityloop.standards.plausibility import plausible

Ints = npt.NDArray[np.int64]

_RECALLED = 8
"""So many observations of a device are remembered to recognise one that comes again."""
_NEVER = -(2**63)
_LISTS_KEPT = 256


@dataclass(frozen=True, slots=True)
class LiveSource:
    """What one source may deliver, and how far behind and before the clock."""

    name: str
    devices: Declared
    late_s: float
    ahead_s: float


class _Heard:
    """What the devices of a type said last: a ring of keys of time and attributes per device."""

    def __init__(self) -> None:
        self._slots: dict[str, int] = {}
        self._known: dict[bytes, Ints] = {}
        self._keys = np.full((0, _RECALLED), _NEVER, np.int64)
        self._next = np.zeros(0, np.int64)
        self._row = np.zeros(0, np.int64)

    def fresh(self, part: Rows, keys: Ints) -> Bools:
        """Rows that were not heard before, nor earlier in the part."""
        slots = self._slots_of(part.ids)[part.entity]
        fresh = _unheard(slots, keys, self._keys)
        if self._repeats(slots):
            order = np.lexsort((np.arange(len(keys)), keys, slots))
            again = (np.diff(slots[order]) == 0) & (np.diff(keys[order]) == 0)
            fresh[order[1:][again]] = False
        return fresh

    def _repeats(self, slots: Ints) -> bool:
        """Whether a device has several rows in a part; mostly none has, which spares a sort."""
        rows = np.arange(len(slots))
        self._row[slots] = rows
        return bool((self._row[slots] != rows).any())

    def hear(self, part: Rows, keys: Ints) -> None:
        """Remember rows; of more than fit, the last."""
        slots = self._slots_of(part.ids)[part.entity]
        _remember(slots, keys, self._keys, self._next)

    def _slots_of(self, ids: EntityIds) -> Ints:
        slots = self._known.get(ids.digest)
        if slots is None:
            found = [self._slots.setdefault(name, len(self._slots)) for name in ids]
            slots = np.array(found, np.int64)
            if len(self._known) >= _LISTS_KEPT:
                self._known.clear()
            self._known[ids.digest] = slots
            more = len(self._slots) - len(self._keys)
            fill = np.full((more, _RECALLED), _NEVER, np.int64)
            self._keys = np.concatenate([self._keys, fill])
            self._next = np.concatenate([self._next, np.zeros(more, np.int64)])
            self._row = np.concatenate([self._row, np.zeros(more, np.int64)])
        return slots


@compiled(VECTOR_OF_BOOLS, INTS, INTS, INT_TABLE)
def _unheard(slots: Ints, keys: Ints, heard: Ints) -> Bools:
    """Which keys are not among those of their device."""
    fresh = np.ones(len(keys), np.bool_)
    for i in range(len(keys)):
        for j in range(heard.shape[1]):
            if heard[slots[i], j] == keys[i]:
                fresh[i] = False
    return fresh


@compiled(NOTHING, INTS, INTS, TABLE_OF_INTS, VECTOR_OF_INTS)
def _remember(slots: Ints, keys: Ints, heard: Ints, turns: Ints) -> None:
    """Put keys into the rings of their devices, in order; ``turns``: how many each was told."""
    for i in range(len(keys)):
        slot = slots[i]
        heard[slot, turns[slot] % heard.shape[1]] = keys[i]
        turns[slot] += 1


class LiveGate:
    """The door of one tenant for its live sources; ``refuse`` as for ``gate.Gate``."""

    def __init__(
        self,
        sources: Iterable[LiveSource],
        table: AttributeTable,
        refuse: Callable[[Sequence[Reject]], None],
    ) -> None:
        self.sources = {source.name: source for source in sources}
        self._table = table
        self._refuse = refuse
        self._heard: dict[tuple[str, str], _Heard] = {}
        self._known: dict[tuple[str, str, bytes], Bools | None] = {}
        self._believers: dict[tuple[str, str, str], Believer] = {}
        self.counts: Counter[tuple[str, str]] = Counter()
        """(source, reason) → how many were rejected since the gate was made."""

    def admit(self, batch: Batch, now: CityTime, *, again: bool = False) -> Batch:
        """What of ``batch`` is accepted at ``now`` of the clock that its rows are stamped with.

        ``again``: a person lets in what was rejected; it may be late and look implausible. Raises
        InputError for a source that is not declared.
        """
        source = self.sources.get(batch.source)
        if source is None or batch.sequence < 1:
            self.counts[batch.source if source else "", "undeclared source"] += 1
            raise InputError(
                f"source {batch.source!r} with sequence {batch.sequence} is not declared here"
            )
        told = Refusals(batch.source, batch.run, now, self.counts)
        since = None if again else CityTime(now - seconds(source.late_s))
        found = (self._part(source, given, since, now, told) for given in batch.rows)
        rows = tuple(part for part in found if part)
        for frame in batch.frames:
            told.frame(frame, "no rows", f"{source.name} delivers rows with their own times")
        for change in batch.changes:
            told.one(change.entity, change.attribute, change.value, "no plain observation")
        if rejects := told.rejects():
            self._refuse(rejects)
        return replace(batch, frames=(), changes=(), rows=rows)

    def recall(self, batch: Batch) -> None:
        """Remember what the log holds, so that it is recognised when it comes again."""
        if batch.source in self.sources:
            for part in batch.rows:
                self._heard_of(batch.source, part.type).hear(part, self._keys(part))

    def _part(
        self,
        source: LiveSource,
        part: Rows,
        since: CityTime | None,
        now: CityTime,
        told: Refusals,
    ) -> Rows | None:
        """What of ``part`` is accepted; None when nothing is. ``since``: None lets in all that is
        late, and what is implausible.
        """
        declared = self._table.get(part.type)
        if declared is None or part.type not in source.devices.types:
            told.frame(part, "undeclared type", f"{source.name} delivers no {part.type}")
            return None
        if part.run != told.run:
            told.frame(part, "wrong run", f"{part.run!r} in a batch of run {told.run!r}")
            return None
        part = self._of_devices(source, part, told)
        part = _in_time(part, source, since, now, told)
        columns: dict[str, Column] = {}
        for name, column in part.columns.items():
            admitted = check_column(part, name, column, declared.get(name), told)
            if admitted is not None:
                columns[name] = admitted
        part = _with(part, columns)
        part = _spoken(part if since is None else self._believed(source.name, part, told))
        return self._once(source.name, part, told) if len(part) else None

    def _believed(self, source: str, part: Rows, told: Refusals) -> Rows:
        """``part`` without values that jump, or stand still for too long."""
        columns = dict(part.columns)
        for name in plausible().get(part.type, {}).keys() & columns.keys():
            key = source, part.type, name
            if key not in self._believers:
                self._believers[key] = Believer(plausible()[part.type][name])
            column = columns[name]
            rows = np.flatnonzero(present(column))
            values = column.values[rows].astype(np.float64)
            verdicts = np.full(len(part), SOUND)
            verdicts[rows] = self._believers[key].judge(part, rows, values)
            for verdict, (reason, detail) in IMPLAUSIBLE.items():
                if (bad := verdicts == verdict).any():
                    told.rows(part, name, bad, reason, detail)
                    columns[name] = masked(columns[name], bad)
        return _with(part, columns)

    def _of_devices(self, source: LiveSource, part: Rows, told: Refusals) -> Rows:
        key = (source.name, part.type, part.ids.digest)
        if key not in self._known:
            if len(self._known) >= _LISTS_KEPT:
                self._known.clear()
            allows = source.devices.allows(part.type)
            known = np.array([allows(name) for name in part.ids], np.bool_)
            self._known[key] = None if known.all() else known
        declared = self._known[key]
        if declared is None:
            return part
        keep = declared[part.entity]
        if keep.all():
            return part
        told.rows(part, "", ~keep, "undeclared device", f"{source.name} does not speak of it")
        return part.taken(keep)

    def _once(self, source: str, part: Rows, told: Refusals) -> Rows | None:
        """``part`` without what was said before, or twice."""
        heard, keys = self._heard_of(source, part.type), self._keys(part)
        fresh = heard.fresh(part, keys)
        if not fresh.all():
            told.rows(part, "", ~fresh, "duplicate", "the device said this of that time already")
            part, keys = part.taken(fresh), keys[fresh]
        heard.hear(part, keys)
        return part if len(part) else None

    def _heard_of(self, source: str, type_: str) -> _Heard:
        return self._heard.setdefault((source, type_), _Heard())

    def _keys(self, part: Rows) -> Ints:
        """A key of each row's time and of which attributes it speaks."""
        order = {name: place for place, name in enumerate(self._table[part.type])}
        spoken = np.zeros(len(part), np.int64)
        for name, column in part.columns.items():
            bit = np.int64(1 << order[name] % 62)
            if column.absent is None:
                spoken |= bit
            else:
                spoken |= np.where(column.absent, 0, bit)
        return (part.observed_at << 1) ^ (spoken * np.int64(_MIX))


_MIX = 0x9E3779B97F4A7C1
"""An odd number that spreads the bits of which attributes a row speaks over those of its time."""


def _with(part: Rows, columns: dict[str, Column]) -> Rows:
    """``part`` with these columns; itself where they are its own, so that the log can keep the very
    bytes it was read from.
    """
    if len(columns) == len(part.columns) and all(
        columns[name] is column for name, column in part.columns.items()
    ):
        return part
    return replace(part, columns=columns)


def _in_time(
    part: Rows, source: LiveSource, since: CityTime | None, now: CityTime, told: Refusals
) -> Rows:
    times = part.observed_at
    first, last = since or CityTime(0), now + seconds(source.ahead_s)
    if not len(part) or (times.min() >= first and times.max() <= last):
        return part
    late, ahead = times < first, times > last
    limit = f"more than {source.late_s:g} s before {iso(now)}"
    told.rows(part, "", late, "too late", limit)
    limit = f"more than {source.ahead_s:g} s after {iso(now)}"
    told.rows(part, "", ahead, "in the future", limit)
    return part.taken(~(late | ahead))


def _spoken(part: Rows) -> Rows:
    """``part`` without rows in which nothing is left."""
    left: Bools = np.zeros(len(part), np.bool_)
    for column in part.columns.values():
        if column.absent is None:
            return part
        left |= ~column.absent
    return part if left.all() and part.columns else part.taken(left)
