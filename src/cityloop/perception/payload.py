"""``[sources.NAME.payload]``: how the messages of a source are written."""

from collections.abc import Iterable
from typing import TypeAlias

import msgspec

from cityloop.kernel.errors import InputError
from cityloop.perception.source import Mistake
from cityloop.standards.attributes import AttributeTable, declared
from cityloop.standards.kept import keeping
from cityloop.standards.mapping import Mapped, MappingTable
from cityloop.standards.ngsild import NgsiLd
from cityloop.standards.payloads import Decoder
from cityloop.standards.senml import SenMl


class PayloadSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="format"
):
    """What every format understands: nothing."""

    def mistakes(self) -> Iterable[Mistake]:
        """What one key alone does not tell."""
        return ()

    def decoder(self, table: AttributeTable) -> Decoder:
        """The decoder for types of ``table``; what it cannot read is kept with its fault."""
        return keeping(self._decoder(table))

    def _decoder(self, table: AttributeTable) -> Decoder:
        raise TypeError(f"{type(self).__name__} names no format")


class NgsiLdPayload(PayloadSettings, frozen=True, tag="ngsi-ld"):
    """NGSI-LD or NGSI-v2 entities and Smart Data Models JSON: they name type and id themselves."""

    def _decoder(self, table: AttributeTable) -> Decoder:
        return NgsiLd(table)


class SenMlPayload(PayloadSettings, frozen=True, tag="senml"):
    """SenML (RFC 8428). ``entity``: the id, from ``{name}`` before the last ``:`` or ``/`` of a
    record's name, and ``{type}``. ``attributes``: what stands behind it → our attribute.
    """

    type: str
    entity: str = "urn:ngsi-ld:{type}:{name}"
    attributes: dict[str, str] = {}

    def mistakes(self) -> Iterable[Mistake]:
        """Types and attributes that no table declares."""
        return _undeclared(self.type, self.attributes.values())

    def _decoder(self, table: AttributeTable) -> Decoder:
        return SenMl(table, self.type, self.entity, self.attributes)


class MappingPayload(PayloadSettings, frozen=True, tag="mapping"):
    """Any other JSON, compact arrays too, by a table (``standards.mapping``)."""

    type: str
    entity: str
    attributes: dict[str, str]
    time: str = ""
    each: str = ""
    units: dict[str, str] = {}
    numbers_in_text: bool = False

    def mistakes(self) -> Iterable[Mistake]:
        """Paths that are none; types and attributes that no table declares."""
        yield from _undeclared(self.type, self.attributes)
        try:
            self.decoder(declared())
        except InputError as error:
            yield ("payload",), str(error), "mend the path"

    def _decoder(self, table: AttributeTable) -> Decoder:
        return Mapped(table, MappingTable(**msgspec.structs.asdict(self)))


class OnvifPayload(PayloadSettings, frozen=True, tag="onvif"):
    """Counts of video analytics as ONVIF cameras publish them over MQTT (Profile M). Only what
    ``attributes`` names of ``Data`` is read: a picture that comes along is never kept.
    """

    type: str
    entity: str = "urn:ngsi-ld:{type}:{Source.VideoSource}"
    attributes: dict[str, str] = msgspec.field(default_factory=lambda: {"intensity": "Count"})

    def mistakes(self) -> Iterable[Mistake]:
        """Types and attributes that no table declares."""
        return _undeclared(self.type, self.attributes)

    def _decoder(self, table: AttributeTable) -> Decoder:
        paths = {name: f"Data.{item}" for name, item in self.attributes.items()}
        entity = self.entity.replace("{type}", self.type)
        told = MappingTable(self.type, entity, paths, time="UtcTime", numbers_in_text=True)
        return Mapped(table, told)


AnyPayload: TypeAlias = NgsiLdPayload | SenMlPayload | MappingPayload | OnvifPayload


def _undeclared(type_: str, attributes: Iterable[str]) -> Iterable[Mistake]:
    table = declared()
    if type_ not in table:
        yield ("payload", "type"), f"no table declares the type {type_}", "see the page of types"
        return
    for name in attributes:
        if name not in table[type_]:
            there = ", ".join(table[type_])
            yield ("payload", "attributes"), f"{type_} has no attribute {name}", f"it has {there}"
