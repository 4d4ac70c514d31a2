"""What the rules of retention leave of commits: whole, then one in a while, then nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from cityloop.kernel.clock import WallTime
from cityloop.kernel.frame import EntityIds, Frame
from cityloop.kernel.ports import Batch, Commit
from cityloop.kernel.rows import Rows
from cityloop.standards.retention import Keep

Keeps = Mapping[str, Keep]


def thinned(commits: Iterator[Commit], keeps: Keeps, now: WallTime) -> Iterator[Commit]:
    """The same commits with what the rules leave of them at ``now``.

    Of what is sampled, the first observation of each span of city time stays.
    """
    taken: set[tuple[object, ...]] = set()
    for commit in commits:
        age = now - commit.committed_at
        batch = commit.batch
        frames = tuple(p for p in batch.frames if _stays(p, keeps.get(p.type), age, taken))
        sparse = (_sampled(p, keeps.get(p.type), age, taken) for p in batch.rows)
        changes = tuple(
            c for c in batch.changes if c.type not in keeps or age < keeps[c.type].kept_ms
        )
        left = Batch(
            batch.source,
            batch.run,
            batch.sequence,
            frames=frames,
            changes=changes,
            rows=tuple(part for part in sparse if part is not None),
            writes=batch.writes,
        )
        yield replace(commit, batch=left)


def _stays(part: Frame, keep: Keep | None, age: int, taken: set[tuple[object, ...]]) -> bool:
    if keep is None or age < keep.raw_ms:
        return True
    if age >= keep.kept_ms or keep.every_s is None:
        return age < keep.kept_ms
    key = part.type, part.run, part.ids, part.observed_at // round(keep.every_s * 1000)
    fresh = key not in taken
    taken.add(key)
    return fresh


def _sampled(
    part: Rows, keep: Keep | None, age: int, taken: set[tuple[object, ...]]
) -> Rows | None:
    if keep is None or age < keep.raw_ms:
        return part
    if age >= keep.kept_ms:
        return None
    if keep.every_s is None:
        return part
    spans = part.observed_at // round(keep.every_s * 1000)
    fresh = np.zeros(len(part), dtype=np.bool_)
    for row, (entity, span) in enumerate(zip(part.entity.tolist(), spans.tolist(), strict=True)):
        key: tuple[object, ...] = part.type, part.run, _name(part.ids, entity), span
        fresh[row] = key not in taken
        taken.add(key)
    return part.taken(fresh) if fresh.any() else None


def _name(ids: EntityIds, entity: int) -> str:
    return ids.names[entity]
