"""One part of one loop, wherever it runs: follows what the hub turns, and tells what it sees."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cityloop import __version__
from cityloop.city.totals import VERSION_CHANGE
from cityloop.interconnection.checkpoints import read_memory, write_memory
from cityloop.kernel.errors import InputError
from cityloop.kernel.frame import Column, EntityIds, Frame
from cityloop.kernel.loop import Ints, Loop, Priority
from cityloop.kernel.partition import columns_of, ids_named
from cityloop.kernel.ports import Batch
from cityloop.kernel.runner import Runner
from cityloop.kernel.view import View
from cityloop.standards.arrow import read_batch, read_ids

KEEP_EVERY = 300
"""Batches from one checkpoint to the next."""

Item = tuple[int, bytes]
"""(number, batch as bytes); number 0 for what only catches up, -1 for a list of ids."""
Told = tuple[int, bytes, str]
"""(number, the columns of the findings as bytes, why there are none)."""
Kept = tuple[int, bytes]
"""(number, state as of this batch)."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What a follower is made of: the loop, the knows of its part, what all loops watch."""

    loop: Loop
    knows: Mapping[str, Any]
    watched: frozenset[str]
    stand_for: Mapping[str, str]


class PartFollower:
    """A fold of the hub's batches; answers with findings, never with orders.

    It holds no lease of its own: ``epoch`` is what the hub granted, and goes back with every
    answer.
    """

    def __init__(self, part: Part) -> None:
        self._part = part
        self._ids: dict[bytes, EntityIds] = {}
        self._cuts: dict[tuple[str, bytes], tuple[npt.NDArray[np.int64], EntityIds]] = {}
        self._tables = _tables(part)
        self._runner = self._fresh()
        self.epoch = 0

    def _fresh(self) -> Runner:
        part = self._part
        return Runner(
            [part.loop],
            part.knows,
            _NoGuard(),
            EntityIds(()),
            stand_for=part.stand_for,
            watched=part.watched,
        )

    def process(self) -> tuple[int, str]:
        """Which process it is, and which version of the program runs there."""
        return os.getpid(), __version__

    def begin(self, epoch: int, state: bytes) -> None:
        """Hold the lease ``epoch``, with the memory that a checkpoint kept; fresh where empty."""
        self.epoch = epoch
        self._runner = self._fresh()
        if state:
            self._runner.load(read_memory(state))

    def follow(self, items: Sequence[Item]) -> tuple[int, list[Told], list[Kept]]:
        """Fold batches in order: the epoch, the findings of those that ticked, checkpoints."""
        told: list[Told] = []
        kept: list[Kept] = []
        for number, body in items:
            if number < 0:
                ids = read_ids(body)
                self._ids[ids.digest] = ids
                continue
            told += self._follow(number, read_batch(body, self._ids))
            if number and number % KEEP_EVERY == 0:
                kept.append((number, write_memory(self._runner.save())))
        return self.epoch, told, kept

    def _follow(self, number: int, batch: Batch) -> list[Told]:
        if any(self._tells_of_version(part) for part in batch.frames):
            self._runner.install(self._part.loop)
        frames = tuple(self._cut(f) for f in batch.frames if f.type in self._part.watched)
        own = replace(batch, frames=frames)
        self._runner.take_in(own)
        seen = [seen for _, _, seen in self._runner.follow(own)]
        return [
            (
                number,
                write_memory(columns_of(one.findings)) if not one.failure else b"",
                one.failure,
            )
            for one in seen
        ]

    def _tells_of_version(self, part: Frame) -> bool:
        return part.type == VERSION_CHANGE and self._part.loop.name in part["loop"]

    def _cut(self, part: Frame) -> Frame:
        """Of a frame the rows of this part; the ids of its own table where it tells of all."""
        table = self._tables.get(part.type)
        if table is None or table.digest == part.ids.digest:
            return part
        key = part.type, part.ids.digest
        if key not in self._cuts:
            rows = part.ids.rows(table.names).astype(np.int64)
            there = rows[rows >= 0]
            whole = len(there) == len(table)
            ids = table if whole else EntityIds([part.ids.names[row] for row in there.tolist()])
            self._cuts[key] = there, ids
        rows, ids = self._cuts[key]
        columns = {name: _taken(column, rows) for name, column in part.columns.items()}
        return replace(part, ids=ids, columns=columns)


def _tables(part: Part) -> dict[str, EntityIds]:
    """Type → the ids that the part watches of it, where one input alone does."""
    watches = list(part.loop.watches.values())
    types = [watch.type for watch in watches]
    return {
        watch.type: ids_named(watch.rows, part.knows)
        for watch in watches
        if types.count(watch.type) == 1
    }


def _taken(column: Column, rows: npt.NDArray[np.int64]) -> Column:
    return Column(
        column.values[rows],
        None if column.absent is None else column.absent[rows],
        None if column.null is None else column.null[rows],
    )


class _NoGuard:
    """Nothing is proposed here, so there is nothing to judge."""

    reasons: tuple[str, ...] = ()

    def judge(self, rows: Ints, actions: Ints, priority: Priority, view: View) -> Ints:
        raise InputError("a part of a loop was asked for orders; the hub alone gives them")
