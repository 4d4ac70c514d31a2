"""The attribute projection language (GS CIM 009, clause 4.21): ``id,locatedAt{name,owner{id}}``.

What stands in braces concerns the entity that the Relationship before them points to.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from cityloop.standards.cim.selection.scanner import DEEPEST, Scanner

ENTITY_MEMBERS = frozenset(
    {"id", "type", "scope", "createdAt", "modifiedAt", "deletedAt", "expiresAt"}
)
"""Members of an entity that are no attributes; their names are never expanded."""

_NAME = re.compile(r"[^\s,|;{}()\[\]\"<>\\^`]+")


@dataclass(frozen=True, slots=True)
class Projection:
    """Names of members (attributes expanded), each with what is said of the entity linked by it."""

    members: dict[str, "Projection"] = field(default_factory=dict)

    @property
    def depth(self) -> int:
        """How many Relationships it follows one after the other, at most."""
        return max((1 + below.depth for below in self.members.values() if below.members), default=0)

    @property
    def whole(self) -> frozenset[str]:
        """The members named themselves, without braces."""
        return frozenset(name for name, below in self.members.items() if not below.members)

    def below(self, name: str) -> "Projection":
        """What is said of the entity linked by ``name``; nothing, where nothing is."""
        return self.members.get(name, NOTHING)


NOTHING = Projection()


def read_projection(what: str, text: str, expand: Callable[[str], str]) -> Projection:
    """The projection of the parameter ``what``; raises Problem (BadRequestData)."""
    scanner = Scanner(what, text)
    projection = _members(scanner, expand, 0)
    if scanner.at != len(text):
        scanner.refuse("something is left over")
    return projection


def _members(scanner: Scanner, expand: Callable[[str], str], depth: int) -> Projection:
    if depth > DEEPEST:
        scanner.refuse(f"braces are nested deeper than {DEEPEST}")
    members: dict[str, Projection] = {}
    while True:
        name = scanner.match(_NAME)
        if not name:
            scanner.refuse("the name of a member is missing")
        below = NOTHING
        if scanner.take("{"):
            below = _members(scanner, expand, depth + 1)
            scanner.expect("}")
        members[name if name in ENTITY_MEMBERS else expand(name)] = below
        if not (scanner.take(",") or scanner.take("|")):
            return Projection(members)
