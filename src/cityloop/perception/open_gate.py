"""The gate for what clients of the API write: any entity may be spoken of, values stay in range.

The API is open-world (design, law 10): what no table declares is none of the gate's business. What
one does, loops may watch: a value out of its range is kept from them, recorded and counted.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from cityloop.kernel.changes import Reject
from cityloop.kernel.clock import CityTime
from cityloop.kernel.frame import Column
from cityloop.kernel.ports import Batch
from cityloop.kernel.rows import Rows
from cityloop.perception.gate import Refusals, check_column
from cityloop.standards.attributes import AttributeTable


class OpenGate:
    """``refuse`` as for ``gate.Gate``."""

    def __init__(self, table: AttributeTable, refuse: Callable[[Sequence[Reject]], None]) -> None:
        self._table = table
        self._refuse = refuse
        self._counts: Counter[tuple[str, str]] = Counter()

    def admit(self, batch: Batch, now: CityTime) -> Batch:
        """``batch`` with what of its rows is accepted, as said at ``now``; its writes as they are.

        Of two batches of one moment the later one counts.
        """
        told = Refusals(batch.source, batch.run, now, self._counts)
        parts = [self._part(part, now, told) for part in batch.rows]
        if rejects := told.rejects():
            self._refuse(rejects)
        rows = tuple(part for part in parts if part.columns)
        return replace(batch, frames=(), changes=(), rows=rows)

    def _part(self, part: Rows, now: CityTime, told: Refusals) -> Rows:
        part = replace(part, observed_at=np.full(len(part), now, np.int64))
        declared = self._table.get(part.type, {})
        columns: dict[str, Column] = {}
        for name, column in part.columns.items():
            admitted = check_column(part, name, column, declared.get(name), told)
            if admitted is not None:
                columns[name] = admitted
        return replace(part, columns=columns)
