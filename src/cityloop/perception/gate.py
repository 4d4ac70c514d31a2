"""The gate: the one door by which observations enter (design, law 10).

Whole columns are checked first; rows are looked at only where something is wrong. A bad value is
masked absent, kept as a ``Reject`` and counted; the rest of its batch goes on.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from cityloop.kernel.changes import Reject
from cityloop.kernel.clock import CityTime, seconds
from cityloop.kernel.errors import InputError
from cityloop.kernel.frame import Array, Bools, Column, EntityIds, Frame
from cityloop.kernel.ports import Batch
from cityloop.kernel.rows import Rows
from cityloop.standards.attributes import Attribute, AttributeTable
from cityloop.standards.kept import kept_row

Ints = npt.NDArray[np.int64]

_DTYPES = {"integer": "iu", "number": "iuf", "boolean": "b", "text": "O"}
_TOLD_PER_BATCH = 1000
_VALUE_LENGTH = 100
_LISTS_KEPT = 1024
_least, _most = np.minimum.reduce, np.maximum.reduce  # what min() and max() of an array come to


@dataclass(frozen=True, slots=True)
class DeviceSource:
    """What a source of devices may deliver; anything else is rejected.

    ``devices``: entity type → ids. ``tick_s``: city seconds that one batch advances at most; a
    batch may not reach further ahead of the one before, nor back behind it.
    """

    name: str
    devices: Mapping[str, EntityIds]
    tick_s: float = 1.0


@dataclass(slots=True)
class _Progress:
    """How far a source has come in its present run.

    ``newest``: the newest accepted time, of the batch ``newest_in``; None before the first.
    """

    run: str
    sequence: int
    newest: CityTime | None = None
    newest_in: int = 0


class Gate:
    """The door of one tenant for its declared device sources.

    ``refuse`` is given what was rejected, at most 1,000 records of a batch (``counts`` has all of
    them); it must not wait. ``committed(source, run)``: the highest sequence that the log holds.
    """

    def __init__(
        self,
        sources: Iterable[DeviceSource],
        table: AttributeTable,
        refuse: Callable[[Sequence[Reject]], None],
        committed: Callable[[str, str], int],
    ) -> None:
        self._sources = {source.name: source for source in sources}
        self._table = table
        self._refuse = refuse
        self._committed = committed
        self._progress: dict[str, _Progress] = {}
        self._known: dict[tuple[str, str, bytes], Bools | None] = {}
        self.counts: Counter[tuple[str, str]] = Counter()
        """(source, reason) → how many were rejected since the gate was made."""

    def admit(self, batch: Batch) -> Batch:
        """What of ``batch`` is accepted; the same object where all of it is.

        A batch that is repeated loses all its content. Raises InputError for a source that is not
        declared and for a sequence below 1: nothing of that kind may reach the log.
        """
        source = self._sources.get(batch.source)
        if source is None or batch.sequence < 1:
            self.counts[batch.source if source else "", "undeclared source"] += 1
            raise InputError(
                f"source {batch.source!r} with sequence {batch.sequence} is not declared here"
            )
        at = max((part.observed_at for part in batch.frames), default=CityTime(0))
        told = Refusals(batch.source, batch.run, at, self.counts)
        progress = self._in_run(source, batch)
        accepted = self._accept(source, batch, progress, told)
        if rejects := told.rejects():
            self._refuse(rejects)
        return accepted

    def _in_run(self, source: DeviceSource, batch: Batch) -> _Progress:
        progress = self._progress.get(source.name)
        if progress is None or progress.run != batch.run:
            progress = _Progress(batch.run, self._committed(source.name, batch.run))
            self._progress[source.name] = progress
        return progress

    def _accept(
        self, source: DeviceSource, batch: Batch, progress: _Progress, told: "Refusals"
    ) -> Batch:
        steps = batch.sequence - progress.sequence
        if steps < 1:
            told.batch("repeat", f"sequence {progress.sequence} was taken already")
            return replace(batch, frames=(), changes=())
        if steps > 1:
            told.batch("gap", f"{steps - 1} batches before this one are missing")
        progress.sequence = batch.sequence
        latest = None
        if progress.newest is not None:
            ahead = seconds(source.tick_s) * (batch.sequence - progress.newest_in)
            latest = CityTime(progress.newest + ahead)
        frames: list[Frame] = []
        for part in batch.frames:
            if _in_time(part, progress.newest, latest, told):
                admitted = self._frame(source, part, told)
                if admitted is not None:
                    frames.append(_once(admitted, frames, told))
        for change in batch.changes:
            told.one(change.entity, change.attribute, change.value, "no plain observation")
        if frames:
            progress.newest = max(part.observed_at for part in frames)
            progress.newest_in = batch.sequence
        if not batch.changes and _same(frames, batch.frames):
            return batch
        return replace(batch, frames=tuple(frames), changes=())

    def _frame(self, source: DeviceSource, part: Frame, told: "Refusals") -> Frame | None:
        declared, devices = self._table.get(part.type), source.devices.get(part.type)
        if declared is None or devices is None:
            told.frame(part, "undeclared type", f"{source.name} delivers no {part.type}")
            return None
        if part.run != told.run:
            told.frame(part, "wrong run", f"{part.run!r} in a batch of run {told.run!r}")
            return None
        part = self._of_devices(source.name, part, devices, told)
        columns: dict[str, Column] = {}
        same = True
        for name, column in part.columns.items():
            admitted = check_column(part, name, column, declared.get(name), told)
            same &= admitted is column
            if admitted is not None:
                columns[name] = admitted
        return part if same else replace(part, columns=columns)

    def _of_devices(self, source: str, part: Frame, devices: EntityIds, told: "Refusals") -> Frame:
        """``part`` without the rows of devices that are not declared."""
        key = (source, part.type, part.ids.digest)
        if key not in self._known:
            if len(self._known) >= _LISTS_KEPT:
                self._known.clear()
            keep = np.array([name in devices.index for name in part.ids], np.bool_)
            self._known[key] = None if keep.all() else keep
        keep_rows = self._known[key]
        if keep_rows is None:
            return part
        for row in np.flatnonzero(~keep_rows).tolist():
            told.one(part.ids.names[row], "", "", "undeclared device")
        return _rows(part, keep_rows)


class Refusals:
    """Collects what of one batch is rejected: all of it is counted, the first thousand kept.

    ``at``: the time of what has none of its own.
    """

    def __init__(
        self, source: str, run: str, at: CityTime, counts: Counter[tuple[str, str]]
    ) -> None:
        self.run = run
        self._kept: list[Reject] = []
        self._beyond: Counter[str] = Counter()
        self._source = source
        self._at = at
        self._counts = counts

    def rejects(self) -> list[Reject]:
        """Those that are kept, and for each reason one that stands for all the others."""
        others = (
            Reject(self._source, self.run, self._at, "", "", "", why, count=count)
            for reason, count in self._beyond.items()
            for why in (f"{reason}: {count} more of this batch, which are not kept",)
        )
        return [*self._kept, *others]

    def batch(self, reason: str, detail: str) -> None:
        """The whole batch."""
        self.one("", "", "", reason, detail)

    def frame(self, part: Frame | Rows, reason: str, detail: str) -> None:
        """All of a frame, or of rows of one type."""
        self.one("", "", part.type, reason, detail)

    def rows(
        self, part: Frame | Rows, attribute: str, bad: Bools, reason: str, detail: str
    ) -> None:
        """Rows of a part; of one attribute, or whole where it is empty."""
        values = part.columns[attribute].values if attribute else None
        bad_rows = np.flatnonzero(bad)
        beyond = max(0, len(bad_rows) - _TOLD_PER_BATCH)
        self._counts[self._source, reason] += beyond
        if beyond:
            self._beyond[reason] += beyond
        for row in bad_rows[:_TOLD_PER_BATCH].tolist():
            value = "" if values is None else values[row]
            if isinstance(part, Rows):
                entity, at = part.ids.names[part.entity[row]], CityTime(int(part.observed_at[row]))
                content = kept_row(part.type, entity, at, _cells(part, attribute, row))
                self.one(entity, attribute, value, reason, detail, at, content)
            else:
                self.one(part.ids.names[row], attribute, value, reason, detail)

    def one(
        self,
        entity: str,
        attribute: str,
        value: object,
        reason: str,
        detail: str = "",
        at: CityTime | None = None,
        content: bytes = b"",
    ) -> None:
        """One thing that is refused; ``content``: what it takes to try it again."""
        self._counts[self._source, reason] += 1
        if len(self._kept) >= _TOLD_PER_BATCH:
            self._beyond[reason] += 1
        else:
            text = str(value)[:_VALUE_LENGTH]
            sentence = f"{reason}: {detail}" if detail else reason
            self._kept.append(
                Reject(
                    self._source,
                    self.run,
                    self._at if at is None else at,
                    entity,
                    attribute,
                    text,
                    sentence,
                    content,
                )
            )


def _cells(part: Rows, attribute: str, row: int) -> dict[str, Any]:
    """The values of a row: of ``attribute``, or where it is empty all that it has."""
    cells = {}
    for name, column in part.columns.items():
        if attribute in ("", name) and not (column.absent is not None and column.absent[row]):
            null = column.null is not None and column.null[row]
            cells[name] = None if null else column.values[row]
    return cells


def _in_time(part: Frame, newest: CityTime | None, latest: CityTime | None, told: Refusals) -> bool:
    at = part.observed_at
    if at < 0 or (newest is not None and at < newest):
        told.frame(part, "too late", f"{at} is before {newest} of this run")
        return False
    if latest is not None and at > latest:
        told.frame(part, "in the future", f"{at} is after {latest}")
        return False
    return True


def check_column(
    part: Frame | Rows, name: str, column: Column, declared: Attribute | None, told: Refusals
) -> Column | None:
    """``column``, with what is bad masked absent; None when nothing of it can be taken."""
    if declared is None:
        told.one("", name, part.type, "undeclared attribute")
        return None
    if column.values.dtype.kind not in _DTYPES[declared.kind]:
        told.one("", name, column.values.dtype, "wrong kind", f"{declared.kind} is declared")
        return None
    if declared.kind == "text":
        bad = _bad_texts(column.values, declared)
    elif _in_range(column, declared):
        return column
    else:
        numbers = column.values.astype(np.float64)
        bad = ~((numbers >= declared.minimum) & (numbers <= declared.maximum))
    bad &= present(column)
    if not bad.any():
        return column
    told.rows(part, name, bad, "out of range", f"{declared.minimum:g} to {declared.maximum:g}")
    return masked(column, bad)


@lru_cache(maxsize=4096)
def _to_check(dtype: np.dtype[Any], minimum: float, maximum: float) -> tuple[bool, bool]:
    """Whether the dtype can go below the minimum, and above the maximum."""
    if dtype.kind not in "iu":
        return dtype.kind == "f", dtype.kind == "f"
    limits = np.iinfo(dtype)
    return limits.min < minimum, limits.max > maximum


def _in_range(column: Column, declared: Attribute) -> bool:
    """Whether the whole column is finite and in range; may say no for what is absent or null."""
    values = column.values
    below, above = _to_check(values.dtype, declared.minimum, declared.maximum)
    if column.null is not None and (below or above):
        values = values[~column.null]
    if not len(values):
        return True
    # A comparison with NaN is false, so NaN fails either test.
    return (not below or bool(_least(values) >= declared.minimum)) and (
        not above or bool(_most(values) <= declared.maximum)
    )


def _bad_texts(values: Array, declared: Attribute) -> Bools:
    return np.array(
        [
            not isinstance(text, str) or not declared.minimum <= len(text) <= declared.maximum
            for text in values
        ],
        np.bool_,
    )


def present(column: Column) -> Bools:
    """Rows that hold a value."""
    present = np.ones(len(column.values), np.bool_)
    for mask in (column.absent, column.null):
        if mask is not None:
            present &= ~mask
    return present


def masked(column: Column, bad: Bools) -> Column:
    """``column`` with ``bad`` rows absent."""
    return replace(column, absent=bad if column.absent is None else column.absent | bad)


def _rows(part: Frame, keep: Bools) -> Frame:
    ids = EntityIds([name for name, kept in zip(part.ids, keep.tolist(), strict=True) if kept])
    columns = {
        name: Column(
            column.values[keep],
            None if column.absent is None else column.absent[keep],
            None if column.null is None else column.null[keep],
        )
        for name, column in part.columns.items()
    }
    return replace(part, ids=ids, columns=columns)


def _once(part: Frame, earlier: Iterable[Frame], told: Refusals) -> Frame:
    """``part`` without what an earlier frame of the batch said of the same row and time."""
    for other in earlier:
        if (other.type, other.observed_at) != (part.type, part.observed_at):
            continue
        twice = np.array([name in other.ids.index for name in part.ids], np.bool_)
        columns = dict(part.columns)
        for name in columns.keys() & other.columns.keys() if twice.any() else ():
            bad = twice & present(columns[name])
            told.rows(part, name, bad, "duplicate", "the batch says it twice")
            columns[name] = masked(columns[name], twice)
        part = replace(part, columns=columns)
    return part


def _same(left: Sequence[Frame], right: Sequence[Frame]) -> bool:
    return len(left) == len(right) and all(a is b for a, b in zip(left, right, strict=True))
