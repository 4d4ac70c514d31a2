"""Loops in parts: what a part of a loop knows, and findings of parts put together again.

A loop that declares a ``Partition`` gives the same findings, row for row, whether it analyses the
whole city at once or part by part on several machines; a property test holds every such loop to it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from cityloop.kernel.errors import InputError
from cityloop.kernel.frame import Array, EntityIds

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Partition:
    """How a loop is divided.

    ``key``: names the entity ids whose rows are dealt out to the parts, as ``Latest.rows`` does.
    ``halo``: (knows, rows) → what the part of these rows knows: itself, and of its neighbours as
    much as its findings rest on. What it keeps stands in the order of the whole.
    ``findings``: the dataclass that ``analyse`` gives: its fields are the ids of the key's rows, or
    arrays with one row for each of them.
    """

    key: str
    halo: Callable[[Mapping[str, Any], Ints], Mapping[str, Any]]
    findings: type


def ids_named(path: str, knows: Mapping[str, Any]) -> EntityIds:
    """The entity ids that a path as "network.detector_ids" names; none where a mapping has no such
    key. Raises TypeError where it names something else.
    """
    name, _, attribute = path.partition(".")
    known = knows[name]
    none = EntityIds(())
    ids = known.get(attribute, none) if isinstance(known, Mapping) else getattr(known, attribute)
    if not isinstance(ids, EntityIds):
        raise TypeError(f"rows = {path!r} must name entity ids, not {type(ids).__name__}")
    return ids


def dealt(order: Ints, parts: int) -> tuple[Ints, ...]:
    """The rows in ``order``, dealt out to at most ``parts`` parts of equal size, none empty; the
    rows of each ascend.
    """
    pieces = np.array_split(order, max(1, min(parts, len(order))))
    return tuple(np.sort(piece) for piece in pieces)


def columns_of(findings: object) -> dict[str, Array]:
    """The findings of one part as named arrays, without the ids, which both ends know."""
    told = {field.name: getattr(findings, field.name) for field in fields(findings)}  # type: ignore[arg-type]
    return {name: value for name, value in told.items() if not isinstance(value, EntityIds)}


def joined(
    partition: Partition,
    ids: EntityIds,
    parts: Iterable[tuple[Ints, Mapping[str, Array]]],
) -> tuple[Any, Ints]:
    """Findings of several parts as one, and the rows of ``ids`` they tell of, ascending.

    ``parts``: of each its rows and its ``columns_of``. Raises InputError where columns do not fit
    the rows, or are not those of the findings.
    """
    given = list(parts)
    rows = np.concatenate([rows for rows, _ in given])
    order = np.argsort(rows, kind="stable")
    told = rows[order]
    whole = len(told) == len(ids)
    of_rows = ids if whole else EntityIds([ids.names[row] for row in told.tolist()])
    columns: dict[str, Any] = {}
    for field in fields(partition.findings):
        pieces = [columns[field.name] for _, columns in given if field.name in columns]
        if pieces:
            _check(field.name, pieces, given)
            columns[field.name] = np.concatenate(pieces)[order]
        else:
            columns[field.name] = of_rows
    return partition.findings(**columns), told


def _check(
    name: str, pieces: Sequence[Array], given: Sequence[tuple[Ints, Mapping[str, Array]]]
) -> None:
    sizes = [len(piece) if piece.ndim else -1 for piece in pieces]
    if sizes != [len(rows) for rows, _ in given]:
        raise InputError(f"the column {name} of some part does not have a row for each of its rows")
