"""What a feed says that it did not say before: feeds repeat themselves until something changes."""

from dataclasses import replace

import numpy as np

from cityloop.kernel.frame import Bools, Column
from cityloop.standards.readings import Decoded, Readings

_Key = tuple[str, tuple[str, ...]]
"""Entity type and attributes: a feed may write one entity in several parts."""


class Novelty:
    """Lets pass what is newer than what its entity last said in the feed's previous edition.

    Only one edition is remembered, so entities that come and go (a hired bicycle takes a new id)
    do not pile up. A value that a feed corrects without a newer time is not seen.
    """

    def __init__(self) -> None:
        self._before: dict[_Key, dict[str, int]] = {}
        self._now: dict[_Key, dict[str, int]] = {}

    def begin(self) -> None:
        """A new edition is about to be read, in one page or several."""
        self._now = {}

    def fresh(self, decoded: Decoded) -> Decoded:
        """The part of a page that is new; its faults all."""
        parts = (self._part(part) for part in decoded.readings)
        return replace(decoded, readings=tuple(part for part in parts if part is not None))

    def end(self) -> None:
        """The edition was delivered as a whole: the next is compared with it."""
        self._before = self._now

    def _part(self, part: Readings) -> Readings | None:
        key = part.type, tuple(part.columns)
        before, now = self._before.get(key, {}), self._now.setdefault(key, {})
        keep = np.zeros(len(part), np.bool_)
        for row, (entity, at) in enumerate(
            zip(part.entities.tolist(), part.observed_at.tolist(), strict=True)
        ):
            keep[row] = at > before.get(entity, -1)
            now[entity] = max(at, now.get(entity, at))
        if keep.all():
            return part
        return _kept(part, keep) if keep.any() else None


def _kept(part: Readings, keep: Bools) -> Readings:
    columns = {
        name: Column(
            column.values[keep],
            None if column.absent is None else column.absent[keep],
            None if column.null is None else column.null[keep],
        )
        for name, column in part.columns.items()
    }
    return Readings(part.type, part.entities[keep], part.observed_at[keep], columns)
