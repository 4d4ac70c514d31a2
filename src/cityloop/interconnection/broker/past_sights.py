"""What sources said of an entity over time, out of the city's own record, the newest first.

Nothing is kept for it: segments are read by type, and of them no more than is asked for.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np

from cityloop.interconnection.log import StoredLog
from cityloop.kernel.clock import CityTime
from cityloop.kernel.frame import Column, Frame
from cityloop.kernel.ports import API_RUN
from cityloop.kernel.rows import Rows
from cityloop.standards.cim.evolution import Moment
from cityloop.standards.cim.kept import Kept
from cityloop.standards.cim.observed import Known, entity_iri, iri_of, name_of, observation
from cityloop.standards.cim.problems import Problem
from cityloop.standards.cim.temporal_query import TemporalQuery

MOST = 10_000
"""Of an attribute in one answer."""
_FOREVER = 2**62
_BEFORE_WRITES = -1
"""As a write's number: what a client wrote for the same time corrects it."""


class PastSights:
    """Reads ``log``, which another process writes; for one thread at a time.

    Raises OSError, BusyError and CorruptError as the log does.
    """

    def __init__(self, log: StoredLog, known: Known) -> None:
        self._log = log
        self._known = known

    def moments(
        self, kept: Kept, query: TemporalQuery, attributes: frozenset[str] | None
    ) -> list[Moment]:
        """What was said of an entity in the window, of each attribute the last N at least.

        By observedAt alone: sources' values were never created nor modified. Raises Problem where
        that is more than ``MOST`` of an attribute.
        """
        if query.time_property != "observedAt":
            return []
        each = (self._of_type(name_of(iri), kept["id"], query, attributes) for iri in kept["type"])
        return list(chain.from_iterable(each))

    def _of_type(
        self, type_: str, id_: str, query: TemporalQuery, attributes: frozenset[str] | None
    ) -> list[Moment]:
        declared = self._known.table.get(type_, {})
        asked = {name for name in declared if attributes is None or iri_of(name) in attributes}
        found: list[Moment] = []
        counts: Counter[str] = Counter(dict.fromkeys(asked, 0))
        rows: dict[bytes, int | None] = {}
        for stretch in self._stretches(type_, query) if asked else ():
            for part in reversed(stretch):
                if part.ids.digest not in rows:
                    rows[part.ids.digest] = _row(part, id_)
                row = rows[part.ids.digest]
                for name, at, value in _said(part, row, asked) if row is not None else ():
                    if query.covers(at):
                        found.append(self._moment(type_, name, at, value))
                        counts[name] += 1
                if query.last_n and _enough(counts, query.last_n):
                    return found
                if max(counts.values()) > MOST:
                    raise Problem("TooManyResults", _TOO_MANY)
        return found

    def _moment(self, type_: str, name: str, at: int, value: Any) -> Moment:
        instance = observation(value, at, self._known.table[type_].get(name), at, at)
        iri = iri_of(name)
        id_ = f"urn:ngsi-ld:Instance:observed:{name}:{at}"
        return Moment(at, iri, "", id_, instance, (_BEFORE_WRITES, 0))

    def _stretches(self, type_: str, query: TemporalQuery) -> Iterator[list[Frame | Rows]]:
        """The parts of a type in the window, a stretch of the log at a time, the newest first."""
        since = CityTime(0 if query.start is None else max(0, query.start))
        until = CityTime(_FOREVER if query.end is None else query.end)
        compacted = self._log.compacted()
        rows = self._log.rows(compacted, {type_})
        yield [part for _, batch in rows for part in batch.parts if part.run != API_RUN]
        for name in reversed(self._log.segments_within(type_, since, until)):
            parts = self._log.cold.parts(name, type_)
            yield [part for part in parts if part.run != API_RUN]

    def close(self) -> None:
        """Let go of the file."""
        self._log.close()


_TOO_MANY = (
    f"sources said more than {MOST} values of one attribute in that time; "
    "ask for the last ones (lastN), or for a shorter time (timerel)"
)


def _enough(counts: Counter[str], last_n: int) -> bool:
    """Whether there are so many of each attribute that was said at all by then."""
    return all(count >= last_n or not count for count in counts.values()) and any(counts.values())


def _row(part: Frame | Rows, id_: str) -> int | None:
    """Which of the part's ids is that of an entity; it may be one that is no IRI by itself."""
    row = part.ids.index.get(id_)
    if row is not None:
        return row
    return next((i for i, name in enumerate(part.ids) if entity_iri(part.type, name) == id_), None)


def _said(part: Frame | Rows, row: int, asked: set[str]) -> Iterator[tuple[str, int, Any]]:
    """Attribute, time and value of what a part says of an entity, the last first."""
    if isinstance(part, Rows):
        places = np.flatnonzero(part.entity == row)[::-1].tolist()
        times = part.observed_at[places].tolist()
    else:
        places, times = [row], [part.observed_at]
    for place, at in zip(places, times, strict=True):
        for name in asked & part.columns.keys():
            if _holds(part.columns[name], place):
                yield name, at, part.columns[name].values[place : place + 1].tolist()[0]


def _holds(column: Column, place: int) -> bool:
    """Whether there is a value, not absent and no null."""
    absent, null = column.absent, column.null
    return not (absent is not None and absent[place]) and not (null is not None and null[place])
