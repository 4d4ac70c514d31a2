"""Payloads of no standard, read by a declared table: where in the JSON what is to be found.

A path names steps from the top: ``data.sensors[0].pm25``. ``each`` is the path of a list whose
members are read one by one. In ``entity``, ``{…}`` stands for a path's value, and ``{topic[2]}``
for a part of the MQTT topic (or path of an HTTP push). A member that is itself a list is read by
numbers: ``[1]``: so compact arrays need no format of their own.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cityloop.kernel.errors import InputError
from cityloop.standards.attributes import AttributeTable
from cityloop.standards.payloads import (
    MOST_ENTITIES,
    Alike,
    Draft,
    Message,
    Units,
    place_of,
    read_json,
)
from cityloop.standards.readings import ABSENT, Decoded, read_time

_STEP = re.compile(r"\[(\d{1,6})\]|([^.\[\]]+)")
_PATH = re.compile(r"(\[\d{1,6}\]|[^.\[\]]+)(\[\d{1,6}\]|\.[^.\[\]]+)*")
_HOLE = re.compile(r"\{([^{}]+)\}")
_MILLISECONDS = 100_000_000_000
"""A time above this (the year 5138 in seconds) is given in milliseconds."""
Steps = tuple[str | int, ...]


def read_path(path: str) -> Steps:
    """The steps of a path; raises InputError when it is none."""
    if not _PATH.fullmatch(path):
        raise InputError(f"{path!r} is no path; write e.g. data.sensors[0].pm25")
    return tuple(int(index) if index else name for index, name in _STEP.findall(path))


@dataclass(frozen=True, slots=True)
class MappingTable:
    """What a table declares; all paths are read from a member of ``each``.

    ``attributes``: attribute → path. ``units``: attribute → unit of its values. ``time``: path of
    the time (ISO 8601, or seconds or milliseconds since 1970); empty: when it arrived.
    ``numbers_in_text``: "12.5" counts as a number.
    """

    type: str
    entity: str
    attributes: Mapping[str, str]
    time: str = ""
    each: str = ""
    units: Mapping[str, str] = field(default_factory=dict)
    numbers_in_text: bool = False


class Mapped:
    """``payloads.Decoder`` for one declared mapping; raises InputError for a path that is none."""

    def __init__(self, table: AttributeTable, declared: MappingTable) -> None:
        self._table = table
        self._type = declared.type
        self._entity = _template(declared.entity)
        self._time = read_path(declared.time) if declared.time else None
        self._each = read_path(declared.each) if declared.each else None
        self._paths = {name: read_path(path) for name, path in declared.attributes.items()}
        self._places = _places(self._paths)
        self._units: Units = tuple(sorted(declared.units.items()))
        self._in_text = declared.numbers_in_text

    def __call__(self, messages: Sequence[Message]) -> Decoded:
        """All members of all messages."""
        draft = Draft(self._table)
        for number, message in enumerate(messages):
            place = place_of(number, message, len(messages))
            document = read_json(message, place, draft.faults)
            if document is ABSENT:
                continue
            members = self._members(document, place, draft)
            rows = self._alike(members, message) if len(members) > 1 else None
            if rows is not None:
                draft.add_alike(rows)
                continue
            for row, member in enumerate(members):
                self._member(member, message, place if not row else f"{place} [{row}]", draft)
        return draft.decoded()

    def _members(self, document: Any, place: str, draft: Draft) -> Sequence[Any]:
        if self._each is None:
            return [document]
        found = _at(document, self._each)
        if not isinstance(found, list):
            draft.faults.add(place, f"no list: nothing to read at {_written(self._each)}")
            return ()
        if len(found) > MOST_ENTITIES:
            draft.faults.add(place, f"too many entities: {len(found)} in one message")
            return ()
        return found

    def _alike(self, members: Sequence[Any], message: Message) -> Alike | None:
        """Compact arrays of one length as columns; None where they have to be read one by one."""
        places = self._places
        if not places or self._type not in self._table or set(map(type, members)) != {list}:
            return None
        if len(set(map(len, members))) > 1 or max(places.values()) >= len(members[0]):
            return None
        columns = list(zip(*members, strict=True))
        try:
            names = [self._entity(member, message.topic) for member in members]
            times = [message.received_at] * len(members)
            if self._time is not None:
                times = [_moment(_at(member, self._time)) for member in members]
        except InputError:
            return None
        cells: dict[str, Sequence[Any]] = {name: columns[at] for name, at in places.items()}
        if self._in_text:
            cells = {name: list(map(_number, values)) for name, values in cells.items()}
        return Alike(self._type, names, times, cells, self._units)

    def _member(self, member: Any, message: Message, place: str, draft: Draft) -> None:
        try:
            entity = self._entity(member, message.topic)
            at = message.received_at if self._time is None else _moment(_at(member, self._time))
        except InputError as error:
            draft.faults.add(place, str(error))
            return
        values: dict[str, Any] = {}
        for name, path in self._paths.items():
            value = _at(member, path)
            if value is not ABSENT:
                values[name] = _number(value) if self._in_text else value
        if values:
            draft.add(self._type, entity, at, values, self._units)
        else:
            draft.faults.add(place, "no attribute: nothing that is mapped is there", entity=entity)


def _at(value: Any, steps: Steps) -> Any:
    """What lies at the end of a path; ABSENT when the way there is not."""
    for step in steps:
        if isinstance(step, int):
            if not isinstance(value, list) or step >= len(value):
                return ABSENT
            value = value[step]
        elif isinstance(value, dict) and step in value:
            value = value[step]
        else:
            return ABSENT
    return value


def _places(paths: Mapping[str, Steps]) -> dict[str, int]:
    """Where in a list each value stands; nothing unless all are places in one list."""
    found = {n: s[0] for n, s in paths.items() if len(s) == 1 and isinstance(s[0], int)}
    return found if len(found) == len(paths) else {}


def _written(steps: Steps) -> str:
    return "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in steps).lstrip(".")


def _template(text: str) -> Callable[[Any, str], str]:
    """A function from member and topic to the entity's id."""
    holes = [read_path(hole) for hole in _HOLE.findall(text)]
    literals = _HOLE.split(text)[::2]

    def fill(member: Any, topic: str) -> str:
        parts: list[str] = [literals[0]]
        for steps, literal in zip(holes, literals[1:], strict=True):
            source: Any = {"topic": topic.strip("/").split("/")} if steps[0] == "topic" else member
            value = _at(source, steps)
            if isinstance(value, bool) or not isinstance(value, str | int):
                raise InputError(f"no entity: nothing to name it by at {_written(steps)}")
            parts += (str(value)[:200], literal)
        return "".join(parts)

    return fill


def _moment(value: Any) -> int:
    if isinstance(value, int | float) and not isinstance(value, bool) and value > _MILLISECONDS:
        value = value / 1000
    try:
        return read_time(value if value is not ABSENT else None)
    except InputError as error:
        raise InputError(f"wrong time: {error}") from None


def _number(value: Any) -> Any:
    """A number where a text writes one; anything else as it is."""
    if not isinstance(value, str) or len(value) > 40:
        return value
    try:
        number = float(value)
    except ValueError:
        return value
    return int(number) if number.is_integer() and abs(number) < 2**53 else number
