"""What the readers of JSON feeds share: a document, its lists of objects, ids and times."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeGuard

import msgspec

from cityloop.kernel.clock import CityTime
from cityloop.kernel.errors import InputError
from cityloop.standards.readings import ABSENT, Faults, shown

Object = dict[str, Any]
_UNSAFE = re.compile(r"[^\w.,:@+-]", re.ASCII)
_ID_LENGTH = 200


def read_json(body: bytes) -> object:
    """The document in ``body``; raises InputError with the place of the mistake."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"not JSON: {error}") from None
    except RecursionError:
        raise InputError("not JSON that can be read: it is nested too deeply") from None


def is_object(value: object) -> TypeGuard[Object]:
    """Whether a JSON value is an object."""
    return isinstance(value, dict)


def objects_at(document: object, path: str, faults: Faults) -> list[Object]:
    """The objects of the list at ``path`` ("data.stations"; "" for the document itself).

    What of the list is no object becomes a fault. Raises InputError where there is no list.
    """
    found = document
    for name in path.split(".") if path else ():
        found = found.get(name) if is_object(found) else None
    if not isinstance(found, list):
        raise InputError(f"{path or 'the document'} is no list: is this the right format?")
    kept = [item for item in found if is_object(item)]
    if len(kept) < len(found):
        for row, item in enumerate(found):
            if not is_object(item):
                faults.add(f"{path}[{row}]", "no object", value=item)
    return kept


def cells(items: Sequence[Object], name: str) -> list[object]:
    """One cell of every item; ``ABSENT`` where it is missing."""
    return [item.get(name, ABSENT) for item in items]


def urn(type_: str, own_id: object) -> str:
    """The entity id for a feed's own id; raises InputError for what cannot be one.

    Letters that an NGSI-LD id may not hold are percent-encoded, so two ids stay two.
    """
    text = str(own_id) if isinstance(own_id, int) and not isinstance(own_id, bool) else own_id
    if not isinstance(text, str) or not 0 < len(text) <= _ID_LENGTH:
        raise InputError(f"no id: {shown(own_id)!r}")
    return f"urn:ngsi-ld:{type_}:{_UNSAFE.sub(_percent, text)}"


def _percent(found: "re.Match[str]") -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogatepass"))


class Rowed:
    """Items that have an id and a time, side by side with both."""

    def __init__(self) -> None:
        self.items: list[Object] = []
        self.entities: list[str] = []
        self.times: list[CityTime] = []

    def add(self, item: Object, entity: str, at: CityTime) -> None:
        """One more row."""
        self.items.append(item)
        self.entities.append(entity)
        self.times.append(at)

    def cells(self, names: Mapping[str, str]) -> dict[str, list[object]]:
        """Attribute → cells, for a map of the feed's names → attributes.

        Two names of one attribute (an old and a new spelling) fill each other's gaps; an
        attribute that no item mentions is left out.
        """
        found: dict[str, list[object]] = {}
        for name, attribute in names.items():
            values = cells(self.items, name)
            if attribute in found:
                values = [
                    new if old is ABSENT else old
                    for old, new in zip(found[attribute], values, strict=True)
                ]
            if any(value is not ABSENT for value in values):
                found[attribute] = values
        return found


def rowed(
    items: Sequence[Object],
    place: str,
    faults: Faults,
    entity_of: Callable[[Object], str],
    time_of: Callable[[Object], CityTime],
) -> Rowed:
    """The items that have an id and a time; the others become faults at ``place``.

    ``entity_of`` and ``time_of`` raise InputError for an item that has none.
    """
    found = Rowed()
    for row, item in enumerate(items):
        entity = ""
        try:
            entity = entity_of(item)
            found.add(item, entity, time_of(item))
        except InputError as error:
            faults.add(f"{place}[{row}]", str(error), entity=entity)
    return found
