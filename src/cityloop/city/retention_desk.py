"""How long each type is kept: what is declared, what somebody changed, and the record of it."""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from cityloop.city.surface import RetentionRow
from cityloop.city.totals import RETENTION_RULE
from cityloop.interconnection.context import StoredContext
from cityloop.kernel.clock import CityTime
from cityloop.kernel.errors import RefusedError
from cityloop.kernel.frame import EntityIds, Frame, frame
from cityloop.standards.attributes import AttributeTable
from cityloop.standards.retention import Keep, check_keep, declared_keeps


class RetentionDesk:
    """The rules in force; a fold of the log's ``RetentionRule`` frames over what is declared."""

    def __init__(self, table: AttributeTable) -> None:
        self._table = table
        self._declared = declared_keeps(table)
        self._changed: dict[str, tuple[Keep, str]] = {}

    def change(self, keeps: Sequence[Keep], by: str, run: str, at: CityTime) -> Frame:
        """Put rules in force; the record. Raises RefusedError with the type and what is wrong."""
        for keep in keeps:
            if keep.type not in self._declared:
                raise RefusedError(
                    f"Type {keep.type} is not declared; GET /api/retention lists all"
                )
            check_keep(keep, self._declared[keep.type], self._table[keep.type].values())
        if not keeps:
            raise RefusedError("There is no rule to change.")
        part = frame(
            RETENTION_RULE,
            run,
            at,
            EntityIds([rule_id(keep.type) for keep in keeps]),
            ofType=[keep.type for keep in keeps],
            raw=[keep.raw for keep in keeps],
            everySeconds=np.array([keep.every_s or 0.0 for keep in keeps]),
            kept=[keep.kept for keep in keeps],
            by=[by] * len(keeps),
        )
        self.fold(part)
        return part

    def fold(self, part: Frame) -> None:
        """Take up what a frame of the log tells, if it tells of rules."""
        if part.type != RETENTION_RULE:
            return
        columns = [part[name].tolist() for name in ("ofType", "raw", "everySeconds", "kept", "by")]
        for type_, raw, every_s, kept, by in zip(*columns, strict=True):
            self._changed[type_] = Keep(type_, raw, every_s or None, kept), by

    def rows(self) -> list[RetentionRow]:
        """Every declared type with the rule in force and the one that is declared."""
        return [self._row(type_, keep) for type_, keep in sorted(self._declared.items())]

    def _row(self, type_: str, declared: Keep) -> RetentionRow:
        keep, by = self._changed.get(type_, (declared, None))
        return RetentionRow(type_, keep.raw, keep.every_s, keep.kept, declared, by)

    def save(self) -> str:
        """What somebody changed, as JSON."""
        return msgspec.json.encode(list(self._changed.values())).decode()

    def load(self, text: str) -> None:
        """Take up what ``save`` gave."""
        for keep, by in msgspec.json.decode(text, type=list[tuple[Keep, str]]):
            self._changed[keep.type] = keep, by


def rule_id(type_: str) -> str:
    """The entity that holds the rule of a type."""
    return f"urn:ngsi-ld:{RETENTION_RULE}:{type_}"


def keeps_in_force(table: AttributeTable, context: StoredContext) -> Mapping[str, Keep]:
    """The rules as the context has them: what is declared, and what somebody changed."""
    keeps = declared_keeps(table)
    for type_ in keeps:
        told = {c.attribute: c.value for c in context.entity(RETENTION_RULE, rule_id(type_))}
        if told:
            every_s = float(str(told["everySeconds"])) or None
            keeps[type_] = Keep(type_, str(told["raw"]), every_s, str(told["kept"]))
    return keeps
