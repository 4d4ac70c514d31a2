"""What a query finds: a page of entities, or what is known of a type or an attribute."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

from cityloop.standards.cim.kept import Kept


class Found(NamedTuple):
    """One page of an answer. ``total``: of all that is meant, where asked for; ``more``: whether
    another page follows."""

    entities: list[Kept]
    total: int | None
    more: bool


@dataclass(slots=True)
class Described:
    """A type with the kinds of its attributes, or an attribute with its kinds by type.

    ``count``: how many entities have it. All names are expanded.
    """

    count: int = 0
    kinds: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
