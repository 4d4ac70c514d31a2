"""The query language ``q`` (GS CIM 009, clause 4.9): text to `ast.Query`.

``name=="Eiffel Tower";(temperature.observedAt>2026-01-01T00:00:00Z|address[city]~="^B")``. A
semicolon is *and* and binds closer than a bar, *or*. ``managedBy{Person:name}=="Ann"`` looks at the
entity that a Relationship points to.
"""

import json
import math
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from cityloop.standards.cim.selection.ast import (
    Hop,
    Operand,
    Path,
    Pattern,
    Query,
    Range,
    Scalar,
    Term,
    Text,
    Values,
    leaves,
)
from cityloop.standards.cim.selection.ids import read_pattern
from cityloop.standards.cim.selection.scanner import Scanner
from cityloop.standards.cim.selection.types import read_types
from cityloop.standards.cim.times import is_datetime, read_datetime

_ADDRESS = re.compile(r"[A-Za-z][\w+\-]*://[^\s=<>!~;|()\[\]{},\"]+")
_NAME = re.compile(r"[^\s=<>!~;|()\[\]{}.,\"\\*+^`]+")
_HINT = re.compile(r"[^\s=<>!~;|()\[\]{}\"]+:(?=[^{}:/])")
_KEY = re.compile(r"[^\s=<>!~;|()\[\]{}.\"\\]+")
_OPERATOR = re.compile(r"!~=|~=|==|!=|>=|<=|>|<")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_PLAIN = re.compile(r"[^\s;|()\[\]{}\",]+")
_BARE_PATTERN = re.compile(r"(?:[^;|()]|\([^()]*\))+")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_DAY_OR_TIME = re.compile(r"\d{4}-\d\d-\d\d|\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?")

_CORE = "https://uri.etsi.org/ngsi-ld/"
STAMPS = frozenset({"createdAt", "modifiedAt"})
"""Members that the broker itself writes: instants, held as ms."""

MEMBERS = STAMPS | {"observedAt", "unitCode", "expiresAt"}
"""Members of an attribute that a path may name in place of its value."""

ORDERINGS = frozenset({">", ">=", "<", "<="})

LARGEST_INTEGER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Names:
    """How names in a query become IRIs: by ``expand``; by ``expand_value`` the values that are
    compared with the attributes ``expanded`` (as written; the parameter ``expandValues``)."""

    expand: Callable[[str], str]
    expand_value: Callable[[str], str]
    expanded: Collection[str] = ()


def read_q(text: str, names: Names) -> Query:
    """The query; raises Problem: BadRequestData, or TooComplexQuery for a pattern."""
    return Scanner("q", text).whole(lambda scanner: _term(scanner, names), (";",), ("|",))


def depth(query: Query) -> int:
    """How many Relationships are followed one after the other, at most."""
    return max(len(term.path.hops) for term in leaves(query))


def attributes_of(query: Query) -> set[str]:
    """The attributes that the query looks at (expanded), those of linked entities left out."""
    paths = [term.path for term in leaves(query)]
    firsts = [(*(hop.attribute for hop in path.hops), *path.attributes) for path in paths]
    return {path[0] for path in firsts if path}


def instant(text: str) -> int | None:
    """The instant that ``text`` denotes [ms since 1970]; None where it is no DateTime (4.6.3)."""
    return read_datetime(text) if is_datetime(text) else None


def _term(scanner: Scanner, names: Names) -> Term:
    start = scanner.at
    path = read_path(scanner, names.expand)
    written = re.split(r"[.\[{]", scanner.text[start : scanner.at], maxsplit=1)[0]
    operator = scanner.match(_OPERATOR)
    if not operator:
        return Term(path)
    operand = _operand(scanner, operator)
    if written in names.expanded:
        operand = _expanded(operand, names.expand_value)
    return Term(path, operator, operand)


def read_path(scanner: Scanner, expand: Callable[[str], str]) -> Path:
    """The path that begins here: ``a.b[c]`` or, through a Relationship, ``r{Type:a.b}``."""
    written = _dotted(scanner)
    if len(written) == 1 and scanner.take("{"):
        hint = scanner.match(_HINT)
        types = read_types(hint[:-1], expand) if hint else None
        inner = read_path(scanner, expand)
        scanner.expect("}")
        hops = (Hop(expand(written[0]), types), *inner.hops)
        return Path(inner.attributes, inner.member, inner.inside, hops)
    member = written[-1].removeprefix(_CORE)
    attributes = written[:-1] if member in MEMBERS else written
    return Path(
        tuple(expand(name) for name in attributes),
        member if member in MEMBERS else "",
        _inside(scanner),
    )


def _dotted(scanner: Scanner) -> list[str]:
    names = []
    while True:
        name = scanner.match(_ADDRESS) or scanner.match(_NAME)
        if not name:
            scanner.refuse("the name of an attribute is missing")
        names.append(name)
        # Two dots are a range, and belong to a value.
        if not scanner.take("."):
            return names


def _inside(scanner: Scanner) -> tuple[str, ...]:
    keys: list[str] = []
    while scanner.take("["):
        while True:
            key = scanner.match(_KEY)
            if not key:
                scanner.refuse("the name of a member within [] is missing")
            keys.append(key)
            if not scanner.take("."):
                break
        scanner.expect("]")
    return tuple(keys)


def _operand(scanner: Scanner, operator: str) -> Operand:
    if operator in ("~=", "!~="):
        return _pattern(scanner)
    first = _scalar(scanner, operator)
    if operator in ORDERINGS:
        return first
    if isinstance(first, Range):
        return first
    values = [first]
    while scanner.take(","):
        value = _scalar(scanner, operator)
        if isinstance(value, Range):
            scanner.refuse("a range stands in a list")
        values.append(value)
    return values[0] if len(values) == 1 else Values(tuple(values))


def _scalar(scanner: Scanner, operator: str) -> Scalar | Range:
    quoted = scanner.match(_QUOTED)
    if quoted:
        low: Scalar = _text(scanner, quoted)
        if not scanner.take(".."):
            return low
        high: Scalar = _text(scanner, scanner.match(_QUOTED) or scanner.refuse("no text"))
    else:
        plain = scanner.match(_PLAIN)
        if not plain:
            scanner.refuse("a value is missing")
        first, dots, last = plain.partition("..")
        low = _plain(scanner, first, operator)
        if not dots:
            return low
        high = _plain(scanner, last, operator)
    if operator in ORDERINGS:
        scanner.refuse("a range goes with == or != only, and stands")
    if isinstance(low, bool) or isinstance(low, Text) is not isinstance(high, Text):
        scanner.refuse("the ends of a range are of different kinds")
    return Range(low, high)


def _plain(scanner: Scanner, text: str, operator: str) -> Scalar:
    """A value without quotes: a number, ``true``, ``false``, a date or time, or a URI."""
    if _NUMBER.fullmatch(text):
        return _number(scanner, text)
    at = instant(text)
    if operator in ORDERINGS and at is None and not _DAY_OR_TIME.fullmatch(text):
        scanner.refuse("no number, date or text in quotes, which alone are greater or less, stands")
    if text in ("true", "false"):
        return text == "true"
    return Text(text, at)


def _number(scanner: Scanner, text: str) -> int | float:
    if text.lstrip("-").isdigit() and abs(int(text)) <= LARGEST_INTEGER:
        return int(text)
    number = float(text)
    if not math.isfinite(number):
        scanner.refuse(f"'{text}' is too large a number")
    return number


def _text(scanner: Scanner, quoted: str) -> Text:
    try:
        text = json.loads(quoted, strict=False)
    except ValueError:
        scanner.refuse(f"{quoted} is no JSON string")
    return Text(text, instant(text))


def _pattern(scanner: Scanner) -> Pattern:
    quoted = scanner.match(_QUOTED)
    # Within the quotes stands the expression itself, not a JSON string: "\d+" is four characters.
    pattern = quoted[1:-1].replace('\\"', '"') if quoted else scanner.match(_BARE_PATTERN)
    if not pattern:
        scanner.refuse("a regular expression is missing")
    read_pattern(pattern, "q")
    return Pattern(pattern)


def _expanded(operand: Operand, expand: Callable[[str], str]) -> Operand:
    if isinstance(operand, Text):
        return Text(expand(operand.text))
    if isinstance(operand, Values):
        return Values(
            tuple(Text(expand(v.text)) if isinstance(v, Text) else v for v in operand.values)
        )
    return operand
