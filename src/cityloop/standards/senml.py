"""SenML (RFC 8428) in JSON: packs of records with base values, resolved into rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cityloop.kernel.errors import InputError
from cityloop.standards.attributes import AttributeTable
from cityloop.standards.payloads import Draft, Message, entities_in, place_of, read_json
from cityloop.standards.readings import ABSENT, Decoded

_VERSION = 10
_RELATIVE_S = 2**28
"""Times below this are relative to now (section 4.5.3)."""
_UNITS = {
    "Cel": "CEL", "K": "KEL", "%RH": "P1", "%": "P1", "/": "C62", "1": "C62", "m": "MTR",
    "km": "KMT", "mm": "MMT", "m/s": "MTS", "km/h": "KMH", "Pa": "PAL", "hPa": "A97", "lx": "LUX",
    "W": "WTT", "kW": "KWT", "J": "JOU", "kWh": "KWH", "V": "VLT", "A": "AMP", "Hz": "HTZ",
    "s": "SEC", "min": "MIN", "h": "HUR", "ms": "C26", "kg": "KGM", "l": "LTR", "m3": "MTQ",
    "m3/s": "MQS", "l/s": "G51", "dB": "2N", "rad": "C81", "deg": "DD", "pH": "Q30",
    "ppm": "59", "ug/m3": "GQ", "W/m2": "D54", "count": "C62", "EL": "P1",
}  # fmt: skip
"""SenML's unit → UN/CEFACT code; a unit that is not here goes on as it is."""
_KNOWN = frozenset(
    {"bn", "bt", "bu", "bv", "bs", "bver", "n", "u", "v", "vs", "vb", "vd", "s", "t", "ut"}
)
_READ_TO = 253_402_300_799


@dataclass(frozen=True, slots=True)
class SenMl:
    """``payloads.Decoder``. The last part of a name, after ``:`` or ``/``, is the attribute (by
    ``attributes`` where it names it differently), the rest the device: ``entity`` with ``{name}``.
    """

    table: AttributeTable
    type: str
    entity: str = "{name}"
    attributes: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, messages: Sequence[Message]) -> Decoded:
        """All records of all packs."""
        draft = Draft(self.table)
        for number, message in enumerate(messages):
            place = place_of(number, message, len(messages))
            document = read_json(message, place, draft.faults)
            if document is not ABSENT:
                self._pack(entities_in(document, place, draft.faults), message, place, draft)
        return draft.decoded()

    def _pack(
        self, records: Sequence[dict[str, Any]], message: Message, place: str, draft: Draft
    ) -> None:
        base = _Base()
        rows: dict[tuple[str, int, str], dict[str, Any]] = {}
        for number, record in enumerate(records):
            where = f"{place} record {number + 1}".lstrip()
            try:
                base.take(record)
                found = self._record(base, record, message.received_at)
            except InputError as error:
                draft.faults.add(where, str(error), value=record.get("n", ""))
                continue
            if found is not None:
                entity, at, attribute, unit, value = found
                row = rows.setdefault((entity, at, unit), {})
                if attribute in row:
                    why = "duplicate: the pack says it twice"
                    draft.faults.add(where, why, entity=entity, attribute=attribute, value=value)
                else:
                    row[attribute] = value
        for (entity, at, unit), values in rows.items():
            units = tuple((name, unit) for name in values) if unit else ()
            draft.add(self.type, entity, at, values, units)

    def _record(
        self, base: "_Base", record: dict[str, Any], received_at: int
    ) -> tuple[str, int, str, str, Any] | None:
        """Entity, time, attribute, unit and value; None for a record of base values alone."""
        value = base.value_of(record)
        if value is ABSENT:
            return None
        name = base.name + _text(record, "n")
        device, attribute = _split(name)
        at_s = base.time + _number(record, "t")
        at = received_at + round(at_s * 1000) if at_s < _RELATIVE_S else round(at_s * 1000)
        unit = _text(record, "u") or base.unit
        entity = self.entity.replace("{name}", device).replace("{type}", self.type)
        code = _UNITS.get(unit, unit)
        return entity, at, self.attributes.get(attribute, attribute), code, value


@dataclass(slots=True)
class _Base:
    """The base values that hold from here on in a pack."""

    name: str = ""
    time: float = 0.0
    unit: str = ""
    value: float | None = None

    def take(self, record: dict[str, Any]) -> None:
        """Take over base values; raises InputError for what a reader must not pass over."""
        for key in record.keys() - _KNOWN:
            if key.endswith("_"):
                raise InputError(f"unknown field: {key[:40]} must be understood and is not")
        version = record.get("bver", _VERSION)
        if not isinstance(version, int) or version > _VERSION:
            raise InputError(f"unknown version: {version} of SenML is newer than {_VERSION}")
        self.name = _text(record, "bn") if "bn" in record else self.name
        self.time = _number(record, "bt") if "bt" in record else self.time
        self.unit = _text(record, "bu") if "bu" in record else self.unit
        self.value = _number(record, "bv") if "bv" in record else self.value

    def value_of(self, record: dict[str, Any]) -> Any:
        """The value of a record, the base value added; ABSENT when it has none."""
        if "v" in record:
            return _number(record, "v") + self.value if self.value is not None else record["v"]
        for key in ("vs", "vb"):
            if key in record:
                return record[key]
        for key in ("vd", "s"):
            if key in record:
                raise InputError(f"unsupported field: {key} carries no single value")
        return ABSENT if self.value is None or "n" not in record else self.value


def _split(name: str) -> tuple[str, str]:
    at = max(name.rfind(":"), name.rfind("/"))
    if at <= 0 or at == len(name) - 1:
        raise InputError(f"no device: {name[:80]!r} is no device with an attribute behind : or /")
    return name[:at], name[at + 1 :]


def _text(record: Mapping[str, Any], key: str) -> str:
    value = record.get(key, "")
    if not isinstance(value, str):
        raise InputError(f"wrong kind: {key} is no text")
    return value


def _number(record: Mapping[str, Any], key: str) -> float:
    value = record.get(key, 0)
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > _READ_TO:
        raise InputError(f"wrong kind: {key} is no number in range")
    return value
