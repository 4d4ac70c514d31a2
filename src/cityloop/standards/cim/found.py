"""What a query finds: a page of entities, or what is known of a type or an attribute."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cityloop.standards.cim.kept import Kept
from cityloop.standards.cim.writes import read_kept


class Found(NamedTuple):
    """One page of an answer. ``documents``: its entities as they are kept; ``total``: of all that
    is meant, where asked for; ``more``: whether another page follows."""

    documents: Sequence[str]
    total: int | None
    more: bool

    @property
    def entities(self) -> list[Kept]:
        """The entities, decoded."""
        return [read_kept(document) for document in self.documents]


@dataclass(slots=True)
class Described:
    """A type with the kinds of its attributes, or an attribute with its kinds by type.

    ``count``: how many entities have it. All names are expanded.
    """

    count: int = 0
    kinds: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
