"""How ``city.toml`` says what the columns of a table mean."""

from collections.abc import Iterable
from typing import Literal
from zoneinfo import available_timezones

import msgspec

from cityloop.perception.source import Mistake
from cityloop.standards.attributes import declared
from cityloop.standards.feeds.tables import TableMap


class TableSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``table`` of a source: the same keys as ``standards.feeds.tables.TableMap``.

    ``type``: the entity type of every row. ``entity``, ``observed_at``: the columns that hold id
    and time. ``attributes``: column → attribute; when empty, columns are called like attributes.
    ``units``: attribute → symbol or UN/CEFACT code of what the file holds. ``time_unit``: of times
    that are numbers. ``time_zone``: IANA name for times that have no zone.
    """

    type: str
    entity: str = "entity"
    observed_at: str = "observedAt"
    attributes: dict[str, str] = {}
    units: dict[str, str] = {}
    time_unit: Literal["s", "ms"] = "s"
    time_zone: str = ""

    @property
    def map(self) -> TableMap:
        """The same as the codecs take it."""
        return TableMap(**msgspec.structs.asdict(self))

    def mistakes(self, key: str) -> Iterable[Mistake]:
        """What does not fit the declared types, or is no time zone."""
        if self.type not in declared():
            yield (key, "type"), f"type {self.type} is not declared", "use a declared type"
            return
        for column, attribute in self.attributes.items():
            if attribute not in declared()[self.type]:
                what = f"{self.type} has no attribute {attribute}"
                names = ", ".join(declared()[self.type])
                yield (key, "attributes", column), what, f"it has {names}"
        if self.time_zone and self.time_zone not in available_timezones():
            what = f"{self.time_zone} is no time zone"
            yield (key, "time_zone"), what, 'give an IANA name, e.g. "Asia/Shanghai"'
