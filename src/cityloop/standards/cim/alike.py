"""Reads entities that are written alike: the first as any other, the rest by its layout.

What machines send is alike to the byte but for ids, values and times. From one entity that the
reader has read a layout is learnt: a pattern of how it is written, and how the kept form of all
that match it is written. What it says is still what ``incoming`` makes of the document: where a
value stands a mark is put, and where the mark comes out the value goes. Numbers beyond 64 bits,
NGSI-LD Null and whatever else needs a look match no layout. An entity of five attributes costs a
quarter of what the reader takes.
"""

import json
import re
from collections.abc import Callable
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from cityloop.standards.cim.geometry import is_geometry
from cityloop.standards.cim.incoming import NOT_ATTRIBUTES, read_entity
from cityloop.standards.cim.instances import RESERVED
from cityloop.standards.cim.iris import ASCII_IRI
from cityloop.standards.cim.kept import NULL, Kept
from cityloop.standards.cim.problems import Problem
from cityloop.standards.cim.reading import Reading
from cityloop.standards.cim.writes import write_kept

_MOST_LAYOUTS: Final = 8
_LEARNT_AT_ONCE: Final = 16
_THEN_ONE_IN: Final = 512
_MOST_MARKS: Final = 256
_LONGEST: Final = 16_384

_DAY = (
    "(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    "|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
)
_TIME = (
    f'("(?!0000)[0-9]{{4}}-{_DAY}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]'
    '(?:[.,][0-9]{1,9})?Z")'
)
_NUMBER = r"(-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,17})?(?:[eE][+-]?[0-9]{1,2})?)"
_IRI = f'("(?!{NULL}"){ASCII_IRI}")'
_PLAIN = r'[^"\\\x00-\x1f]*'
_ESCAPE = r'\\(?:[nrt"\\/bf]|u(?!00[0-7]|[dD][89a-fA-F])[0-9a-fA-F]{4})'
"""Of what no NGSI-LD Null consists, and no half of a letter."""
_ANY_SCALAR = f'({_NUMBER[1:-1]}|true|false|"(?!{NULL}"){_PLAIN}(?:{_ESCAPE}{_PLAIN})*")'

_SCALARS = frozenset({str, int, float, bool})
_NUMBERS = frozenset({int, float})

_AT: Final = 8_000_000_000_001
_CREATED: Final = 8_000_000_000_002


class Draft(NamedTuple):
    """A whole entity that matched a layout; only when it was created is left to be said.

    ``types``: one a line; ``at``: when it was written, ms.
    """

    id: str
    types: str
    at: int
    values: tuple[str, ...]
    write: Callable[[tuple[object, ...]], str]

    def doc(self, created: int) -> str:
        """Its kept form as JSON, created at ``created`` [ms]."""
        return self.write((*self.values, self.at, created))


Entity: TypeAlias = Kept | Draft
"""A whole entity in either form in which it is read."""


class _Layout(NamedTuple):
    """``id``: which of the values that ``match`` finds is the entity's."""

    match: Callable[[str], re.Match[str] | None]
    id: int
    types: str
    write: Callable[[tuple[object, ...]], str]


class Layouts:
    """The layouts of what is read with one ``Reading`` but for its time; learnt as they come."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading._replace(now=_AT)
        self._layouts: list[_Layout] = []
        self._missed = 0

    def read(self, item: bytes | memoryview | msgspec.Raw, at: int) -> Draft | None:
        """The entity, written at ``at`` [ms]; None where it matches no layout.

        ``item``: a JSON value. Raises UnicodeDecodeError for what is no UTF-8.
        """
        text = str(item, "utf-8")
        for place, (match, id_, types, write) in enumerate(self._layouts):
            found = match(text)
            if found is not None:
                if place:
                    self._layouts.insert(0, self._layouts.pop(place))
                values = found.groups()
                return Draft(values[id_][1:-1], types, at, values, write)
        return None

    def learn(self, item: bytes | memoryview | msgspec.Raw) -> None:
        """Learn the layout of an entity that ``read`` knew none of, and that is right.

        Learning costs as much as reading a hundred entities: who sends each in another way has it
        done seldom.
        """
        self._missed += 1
        if self._missed > _LEARNT_AT_ONCE and self._missed % _THEN_ONE_IN:
            return
        try:
            layout = _learnt(str(item, "utf-8"), self._reading)
        except Problem:  # a mark may not stand for one of its values, a geometry in a text, say
            return
        if layout is not None:
            self._layouts.insert(0, layout)
            del self._layouts[_MOST_LAYOUTS:]


class _Style(NamedTuple):
    """How a client's library writes JSON."""

    comma: str
    colon: str
    scalar: Callable[[Any], str]


def _as_utf8(value: Any) -> str:
    return msgspec.json.encode(value).decode()


_STYLES = (_Style(",", ":", _as_utf8), _Style(", ", ": ", json.dumps))
_Mark: TypeAlias = str
"""What stands in the kept form for a value."""


class _Drawing:
    """The pattern of an entity as it is drawn, and the marks that stand in it for values."""

    def __init__(self, style: _Style) -> None:
        self._style = style
        self.pattern: list[str] = []
        self.marks: list[_Mark] = []
        self.id = -1

    def entity(self, sample: dict[str, Any]) -> dict[str, Any]:
        """``sample`` with marks in it."""
        return self._object(sample, self._of_entity)

    def _of_entity(self, name: str, value: Any) -> Any:
        if name == "id":
            self.id = len(self.marks)
            return self._text(_IRI, f"urn:mark:{len(self.marks):04}")
        if name in NOT_ATTRIBUTES or name.startswith("@"):
            return self._literal(value)
        return self._attribute(value)

    def _attribute(self, value: Any) -> Any:
        if is_geometry(value):
            return self._object(value, self._of_geometry)
        if type(value) is dict:
            kind = value.get("type", "Property")
            return self._object(value, lambda name, each: self._member(kind, name, each))
        return self._scalar(value) if type(value) in _SCALARS else self._literal(value)

    def _member(self, kind: Any, name: str, value: Any) -> Any:
        if name == "observedAt" and type(value) is str:
            return self._text(_TIME, f"0001-01-01T00:00:00.{len(self.marks):09}Z")
        if (kind, name) == ("Property", "value") and type(value) in _SCALARS:
            return self._scalar(value)
        if (kind, name) == ("Relationship", "object") and type(value) is str:
            return self._text(_IRI, f"urn:mark:{len(self.marks):04}")
        if (kind, name) == ("GeoProperty", "value") and type(value) is dict:
            return self._object(value, self._of_geometry)
        return self._literal(value) if name in RESERVED else self._attribute(value)

    def _of_geometry(self, name: str, value: Any) -> Any:
        if name == "coordinates" and type(value) is list and _NUMBERS.issuperset(map(type, value)):
            return self._list(value, lambda _: self._number())
        return self._literal(value)

    def _scalar(self, _: Any) -> str:
        return self._text(_ANY_SCALAR, f"mark {len(self.marks):04}")

    def _text(self, pattern: str, mark: str) -> str:
        self.pattern.append(pattern)
        self.marks.append(f'"{mark}"')
        return mark

    def _number(self) -> float:
        mark = f"1.{len(self.marks) + 1000}1"
        self.pattern.append(_NUMBER)
        self.marks.append(mark)
        return float(mark)

    def _literal(self, value: Any) -> Any:
        if type(value) is dict:
            return self._object(value, lambda _, each: self._literal(each))
        if type(value) is list:
            return self._list(value, self._literal)
        self.pattern.append(re.escape(self._style.scalar(value)))
        return value

    def _object(self, value: dict[str, Any], member: Callable[[str, Any], Any]) -> dict[str, Any]:
        drawn, comma = {}, ""
        self.pattern.append(r"\{")
        for name, each in value.items():
            self.pattern.append(comma + re.escape(self._style.scalar(name)) + self._style.colon)
            drawn[name] = member(name, each)
            comma = self._style.comma
        self.pattern.append(r"\}")
        return drawn

    def _list(self, value: list[Any], item: Callable[[Any], Any]) -> list[Any]:
        drawn, comma = [], ""
        self.pattern.append(r"\[")
        for each in value:
            self.pattern.append(comma)
            drawn.append(item(each))
            comma = self._style.comma
        self.pattern.append(r"\]")
        return drawn


def _learnt(text: str, reading: Reading) -> _Layout | None:
    sample = msgspec.json.decode(text)
    if len(text) > _LONGEST or "expiresAt" in sample:
        return None
    for style in _STYLES:
        drawing = _Drawing(style)
        marked = drawing.entity(sample)
        if len(drawing.marks) > _MOST_MARKS:
            return None
        match = re.compile("".join(drawing.pattern)).fullmatch
        if match(text) and drawing.id >= 0:
            return _layout(text, drawing, read_entity(marked, reading), match)
    return None


def _layout(
    text: str, drawing: _Drawing, kept: Kept, match: Callable[[str], re.Match[str] | None]
) -> _Layout | None:
    """None where a mark does not come out just once: then the value is not merely passed on."""
    kept["createdAt"] = _CREATED
    slots = [*drawing.marks, str(_AT), str(_CREATED)]
    literals, order = _cut(write_kept(kept).decode(), slots)
    passed = sorted(place for place in order if place < len(drawing.marks))
    if passed != list(range(len(drawing.marks))) or any(map(text.__contains__, slots)):
        return None
    template = "%s".join(literal.replace("%", "%%") for literal in literals)
    pick = itemgetter(*order)
    types = "\n".join(kept["type"])
    return _Layout(match, drawing.id, types, lambda values: template % pick(values))


def _cut(document: str, slots: list[_Mark]) -> tuple[list[str], list[int]]:
    """What stands between the slots, and which ones they are."""
    places = {mark: place for place, mark in enumerate(slots)}
    parts = re.split("(" + "|".join(map(re.escape, slots)) + ")", document)
    return parts[::2], [places[mark] for mark in parts[1::2]]
