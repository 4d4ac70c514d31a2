"""Payloads of devices: messages in, readings out, one decoder for each way of writing them.

Many messages are decoded in one go, so that their values stand in columns at once; what of a
message cannot be read becomes a fault that quotes it, and the others go on.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from cityloop.standards.attributes import AttributeTable
from cityloop.standards.readings import ABSENT, Decoded, Faults, Readings, readings_of

Units = tuple[tuple[str, str], ...]
"""Attribute and the unit its value is given in, where that is said."""
MOST_ENTITIES = 100_000
"""So many entities one message may hold."""
_read_json = msgspec.json.Decoder().decode


class Message(NamedTuple):
    """One payload as it arrived. ``received_at``: wall time in ms, for what tells no time of its
    own; ``topic``: MQTT's, or the path of an HTTP push.
    """

    payload: bytes
    received_at: int
    topic: str = ""


Decoder = Callable[[Sequence[Message]], Decoded]


@dataclass(slots=True)
class _Group:
    """Rows of one type whose values stand in the same units."""

    entities: list[str] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    values: list[Mapping[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Alike:
    """Rows of one type that came with the same attributes, as columns already. ``times``: ms."""

    type: str
    entities: Sequence[str]
    times: Sequence[int]
    cells: Mapping[str, Sequence[object]]
    units: Units = ()


class Draft:
    """Collects rows and faults of many messages, and lays the rows out in columns."""

    def __init__(self, table: AttributeTable) -> None:
        self._table = table
        self._groups: dict[tuple[str, Units], _Group] = {}
        self._alike: list[Alike] = []
        self.faults = Faults()

    def add_alike(self, rows: Alike) -> None:
        """Rows of a type that the table declares."""
        self._alike.append(rows)

    def add(
        self, type_: str, entity: str, at: int, values: Mapping[str, Any], units: Units = ()
    ) -> None:
        """One entity's attributes at a time in ms since 1970."""
        group = self._groups.get((type_, units))
        if group is None:
            group = self._groups[type_, units] = _Group()
        group.entities.append(entity)
        group.times.append(at)
        group.values.append(values)

    def decoded(self) -> Decoded:
        """All that was collected."""
        return self.faults.of(self._readings())

    def _readings(self) -> Iterable[Readings]:
        for rows in self._alike:
            yield readings_of(
                self._table[rows.type],
                rows.type,
                rows.entities,
                rows.times,
                rows.cells,
                self.faults,
                units=dict(rows.units),
            )
        for (type_, units), group in self._groups.items():
            declared = self._table.get(type_)
            if declared is None:
                why = f"undeclared type: no table declares {type_[:80]}"
                for entity in group.entities:
                    self.faults.add("", why, entity=entity)
                continue
            names = dict.fromkeys(name for values in group.values for name in values)
            cells = {name: [values.get(name, ABSENT) for values in group.values] for name in names}
            yield readings_of(
                declared,
                type_,
                group.entities,
                group.times,
                cells,
                self.faults,
                units=dict(units),
            )


def read_json(message: Message, place: str, faults: Faults) -> Any:
    """The JSON of a message; ``ABSENT``, and a fault that quotes it, where it is none."""
    try:
        return _read_json(message.payload)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        why = _not_utf8(message.payload) or str(error).removeprefix("JSON is malformed: ")
        faults.add(place, f"malformed: {why}", value=message.payload)
        return ABSENT


def _not_utf8(payload: bytes) -> str:
    """Where a payload ceases to be UTF-8; empty when it does not."""
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        return f"invalid UTF-8 at byte {error.start}"
    return ""


def place_of(number: int, message: Message, count: int) -> str:
    """How a person finds a message again."""
    where = message.topic or "message"
    return where if count == 1 else f"{where} #{number + 1}"


def entities_in(document: Any, place: str, faults: Faults) -> Sequence[dict[str, Any]]:
    """The objects of a document that is one, or a list of them."""
    found = document if isinstance(document, list) else [document]
    if len(found) > MOST_ENTITIES:
        faults.add(place, f"too many entities: {len(found)} in one message")
        return ()
    good = [one for one in found if isinstance(one, dict)]
    if len(good) < len(found):
        bad = next(one for one in found if not isinstance(one, dict))
        why = f"no object: {len(found) - len(good)} of {len(found)} entities"
        faults.add(place, why, value=bad)
    return good
