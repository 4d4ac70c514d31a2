"""Documents that are written alike: a pattern of how, and marks in the places of their values.

A drawing of one document is a regular expression that the others match, whose groups are the
values; and the document with a mark in the place of each, to see where it comes out of what is
made of the document.
"""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from cityloop.standards.cim.iris import ASCII_IRI
from cityloop.standards.cim.kept import NULL

NUMBER: Final = r"(-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,17})?(?:[eE][+-]?[0-9]{1,2})?)"
"""A number of 64 bits at most."""
_PLAIN = r'[^"\\\x00-\x1f]*'
_ESCAPE = r'\\(?:[nrt"\\/bf]|u(?!00[0-7]|[dD][89a-fA-F])[0-9a-fA-F]{4})'
"""Of what no NGSI-LD Null consists, and no half of a letter."""
SCALAR: Final = f'({NUMBER[1:-1]}|true|false|"(?!{NULL}"){_PLAIN}(?:{_ESCAPE}{_PLAIN})*")'
"""A number, a truth value or a text."""
IRI: Final = f'("(?!{NULL}"){ASCII_IRI}")'


class Style(NamedTuple):
    """How a library writes JSON."""

    comma: str
    colon: str
    scalar: Callable[[Any], str]


def _as_utf8(value: Any) -> str:
    return msgspec.json.encode(value).decode()


COMPACT: Final = Style(",", ":", _as_utf8)
SPACED: Final = Style(", ", ": ", json.dumps)

Match: TypeAlias = Callable[[str], "re.Match[str] | None"]


class Drawing:
    """A document as it is drawn. What draws a part of it returns that part, with marks in it.

    ``marks``: as they stand in JSON, in the order of the groups of ``match``.
    """

    def __init__(self, style: Style = COMPACT) -> None:
        self._style = style
        self.pattern: list[str] = []
        self.marks: list[str] = []

    def match(self) -> Match:
        """What matches the documents that are written alike, in full."""
        return re.compile("".join(self.pattern)).fullmatch

    def text(self, pattern: str, mark: str) -> str:
        """Any value that ``pattern`` matches, quotation marks among; ``mark`` is a text."""
        self.pattern.append(pattern)
        self.marks.append(f'"{mark}"')
        return mark

    def number(self) -> float:
        """Any number."""
        mark = f"1.{len(self.marks) + 1000}1"
        self.pattern.append(NUMBER)
        self.marks.append(mark)
        return float(mark)

    def literal(self, value: Any) -> Any:
        """This value alone."""
        if type(value) is dict:
            return self.object(value, lambda _, each: self.literal(each))
        if type(value) is list:
            return self.list(value, self.literal)
        self.pattern.append(re.escape(self._style.scalar(value)))
        return value

    def object(self, value: dict[str, Any], member: Callable[[str, Any], Any]) -> dict[str, Any]:
        """An object with these members, each drawn by ``member``."""
        drawn, comma = {}, ""
        self.pattern.append(r"\{")
        for name, each in value.items():
            self.pattern.append(comma + re.escape(self._style.scalar(name)) + self._style.colon)
            drawn[name] = member(name, each)
            comma = self._style.comma
        self.pattern.append(r"\}")
        return drawn

    def list(self, value: list[Any], item: Callable[[Any], Any]) -> list[Any]:
        """A list of so many items, each drawn by ``item``."""
        drawn, comma = [], ""
        self.pattern.append(r"\[")
        for each in value:
            self.pattern.append(comma)
            drawn.append(item(each))
            comma = self._style.comma
        self.pattern.append(r"\]")
        return drawn


class Template(NamedTuple):
    """What a document is but for its marks. ``order``: which mark stands between two literals."""

    literals: tuple[str, ...]
    order: tuple[int, ...]

    @property
    def text(self) -> str:
        """With ``%s`` in the place of each mark."""
        return "%s".join(literal.replace("%", "%%") for literal in self.literals)


def template(document: str, marks: Sequence[str]) -> Template:
    """What ``document`` is but for its marks."""
    if not marks:
        return Template((document,), ())
    places = {mark: place for place, mark in enumerate(marks)}
    parts = re.split("(" + "|".join(map(re.escape, marks)) + ")", document)
    return Template(tuple(parts[::2]), tuple(places[mark] for mark in parts[1::2]))
