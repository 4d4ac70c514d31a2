"""Reads entities that are written alike: the first as any other, the rest by its layout.

What machines send is alike to the byte but for ids, values and times. From one entity that the
reader has read a layout is learnt: a pattern of how it is written, and how the kept form of all
that match it is written. What it says is still what ``incoming`` makes of the document: where a
value stands a mark is put, and where the mark comes out the value goes. Numbers beyond 64 bits,
NGSI-LD Null and whatever else needs a look match no layout. An entity of five attributes costs a
quarter of what the reader takes.
"""

from collections.abc import Callable
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from cityloop.standards.cim.drawing import (
    COMPACT,
    IRI,
    SCALAR,
    SPACED,
    Drawing,
    Match,
    Style,
    Template,
    template,
)
from cityloop.standards.cim.geometry import is_geometry
from cityloop.standards.cim.incoming import NOT_ATTRIBUTES, read_entity
from cityloop.standards.cim.instances import RESERVED
from cityloop.standards.cim.kept import Kept
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
    parts: list[str]
    pick: Callable[[tuple[str, ...]], tuple[str, ...]]

    def doc(self, created: int) -> str:
        """Its kept form as JSON, created at ``created`` [ms]."""
        parts = self.parts
        parts[1::2] = self.pick((*self.values, str(created)))
        return "".join(parts)


Entity: TypeAlias = Kept | Draft
"""A whole entity in either form in which it is read."""


class _Layout:
    """``id``: which of the values that ``match`` finds is the entity's."""

    def __init__(self, match: Match, id_: int, types: str, kept: Template, at: int) -> None:
        self.match = match
        self.id = id_
        self.types = types
        self._kept = kept
        self._stamp = at
        self._at = -1
        self._parts: list[str] = []
        # When it was created comes after the values; when it was written is no value.
        self.pick = itemgetter(*(min(place, at) for place in kept.order if place != at))

    def parts(self, at: int) -> list[str]:
        """What of the kept form is the same for all written at ``at``, with gaps for the rest."""
        if at != self._at:
            literals = self._kept.literals
            parts = [literals[0]]
            for place, literal in zip(self._kept.order, literals[1:], strict=True):
                if place == self._stamp:
                    parts[-1] += f"{at}{literal}"
                else:
                    parts += ("", literal)
            self._at, self._parts = at, parts
        return self._parts


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
        for place, layout in enumerate(self._layouts):
            found = layout.match(text)
            if found is not None:
                if place:
                    self._layouts.insert(0, self._layouts.pop(place))
                values = found.groups()
                id_ = values[layout.id][1:-1]
                return Draft(id_, layout.types, at, values, layout.parts(at), layout.pick)
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


class _Drawing(Drawing):
    """An entity as clients write it. ``id``: which of the marks is its id; none: -1."""

    def __init__(self, style: Style) -> None:
        super().__init__(style)
        self.id = -1

    def entity(self, sample: dict[str, Any]) -> dict[str, Any]:
        """``sample`` with marks in it."""
        return self.object(sample, self._of_entity)

    def _of_entity(self, name: str, value: Any) -> Any:
        if name == "id":
            self.id = len(self.marks)
            return self.text(IRI, f"urn:mark:{len(self.marks):04}")
        if name in NOT_ATTRIBUTES or name.startswith("@"):
            return self.literal(value)
        return self._attribute(value)

    def _attribute(self, value: Any) -> Any:
        if is_geometry(value):
            return self.object(value, self._of_geometry)
        if type(value) is dict:
            kind = value.get("type", "Property")
            return self.object(value, lambda name, each: self._member(kind, name, each))
        return self._scalar(value) if type(value) in _SCALARS else self.literal(value)

    def _member(self, kind: Any, name: str, value: Any) -> Any:
        if name == "observedAt" and type(value) is str:
            return self.text(_TIME, f"0001-01-01T00:00:00.{len(self.marks):09}Z")
        if (kind, name) == ("Property", "value") and type(value) in _SCALARS:
            return self._scalar(value)
        if (kind, name) == ("Relationship", "object") and type(value) is str:
            return self.text(IRI, f"urn:mark:{len(self.marks):04}")
        if (kind, name) == ("GeoProperty", "value") and type(value) is dict:
            return self.object(value, self._of_geometry)
        return self.literal(value) if name in RESERVED else self._attribute(value)

    def _of_geometry(self, name: str, value: Any) -> Any:
        if name == "coordinates" and type(value) is list and _NUMBERS.issuperset(map(type, value)):
            return self.list(value, lambda _: self.number())
        return self.literal(value)

    def _scalar(self, _: Any) -> str:
        return self.text(SCALAR, f"mark {len(self.marks):04}")


def _learnt(text: str, reading: Reading) -> _Layout | None:
    sample = msgspec.json.decode(text)
    if len(text) > _LONGEST or "expiresAt" in sample:
        return None
    for style in (COMPACT, SPACED):
        drawing = _Drawing(style)
        marked = drawing.entity(sample)
        if len(drawing.marks) > _MOST_MARKS:
            return None
        match = drawing.match()
        if match(text) and drawing.id >= 0:
            return _layout(text, drawing, read_entity(marked, reading), match)
    return None


def _layout(text: str, drawing: _Drawing, kept: Kept, match: Match) -> _Layout | None:
    """None where a mark does not come out just once: then the value is not merely passed on."""
    kept["createdAt"] = _CREATED
    slots = [*drawing.marks, str(_AT), str(_CREATED)]
    form = template(write_kept(kept).decode(), slots)
    at = len(drawing.marks)
    passed = sorted(place for place in form.order if place != at)
    if passed != [*range(at), at + 1] or any(map(text.__contains__, slots)):
        return None
    return _Layout(match, drawing.id, "\n".join(kept["type"]), form, at)
