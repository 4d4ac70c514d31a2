"""What a selection says, apart from how it is written and who answers it.

Three languages of the standard share one shape: terms joined by *and* and *or* (``q``, clause 4.9;
entity types, 4.17; scopes, 4.19). The leaves differ; the shape, its parser's loop and its walk are
the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

Leaf = TypeVar("Leaf")


@dataclass(frozen=True, slots=True)
class And(Generic[Leaf]):
    """Holds where all parts hold."""

    parts: tuple["Expression[Leaf]", ...]


@dataclass(frozen=True, slots=True)
class Or(Generic[Leaf]):
    """Holds where one part holds."""

    parts: tuple["Expression[Leaf]", ...]


Expression: TypeAlias = Leaf | And[Leaf] | Or[Leaf]


def leaves(expression: Expression[Leaf]) -> list[Leaf]:
    """All leaves, in the order they were written."""
    if isinstance(expression, And | Or):
        return [leaf for part in expression.parts for leaf in leaves(part)]
    return [expression]


Answer = TypeVar("Answer")


def fold(
    expression: Expression[Leaf],
    leaf: Callable[[Leaf], Answer],
    every: Callable[[list[Answer]], Answer],
    some: Callable[[list[Answer]], Answer],
) -> Answer:
    """What becomes of the expression when ``leaf`` answers for its leaves, ``every`` for an *and*
    and ``some`` for an *or*."""
    if isinstance(expression, And | Or):
        parts = [fold(part, leaf, every, some) for part in expression.parts]
        return every(parts) if isinstance(expression, And) else some(parts)
    return leaf(expression)


@dataclass(frozen=True, slots=True)
class Hop:
    """A Relationship that is followed; ``types`` are the linked entity's, where they are hinted."""

    attribute: str
    types: Expression[str] | None = None


@dataclass(frozen=True, slots=True)
class Path:
    """The element of an entity that a term or an ordering looks at (clause 4.9).

    ``hops`` are followed first. ``attributes`` is the attribute and its sub-attributes, expanded;
    empty for a member of the entity itself. ``member`` names what is taken in place of the value
    (``observedAt``, ``createdAt``, …). ``inside`` are the keys within a compound value; of a
    LanguageProperty the language, ``*`` for any.
    """

    attributes: tuple[str, ...]
    member: str = ""
    inside: tuple[str, ...] = ()
    hops: tuple[Hop, ...] = ()


@dataclass(frozen=True, slots=True)
class Text:
    """A string; ``at`` is the instant it denotes [ms since 1970], where it is an ISO 8601 one."""

    text: str
    at: int | None = None


Scalar = int | float | bool | Text


@dataclass(frozen=True, slots=True)
class Range:
    """From ``low`` to ``high``, both included; both are of one kind."""

    low: Scalar
    high: Scalar


@dataclass(frozen=True, slots=True)
class Values:
    """Any of these."""

    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression, found anywhere in a string."""

    pattern: str


Operand = Scalar | Range | Values | Pattern


@dataclass(frozen=True, slots=True)
class Term:
    """``path operator operand``; without an operator: the element exists."""

    path: Path
    operator: str = ""
    operand: Operand | None = None


Query: TypeAlias = Expression[Term]


@dataclass(frozen=True, slots=True)
class Scope:
    """A scope with its wildcards: ``+`` is any one level, a last ``#`` any levels or none."""

    levels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GeoQuery:
    """A spatial relation to a reference geometry (clause 4.10).

    ``geometry`` is GeoJSON; ``distance`` [m] goes with ``near``, where ``relation`` is ``nearer``
    or ``farther``. ``attribute`` is the GeoProperty looked at, expanded.
    """

    relation: str
    geometry: str
    attribute: str
    distance: float = 0.0


@dataclass(frozen=True, slots=True)
class Selector:
    """Entities by id or pattern and type (EntitySelector, clause 5.2.33); what is empty admits all.

    Ids take precedence over the pattern.
    """

    ids: tuple[str, ...] = ()
    id_pattern: str = ""
    types: Expression[str] | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """All conditions of one request; an entity is meant when every one holds.

    ``selectors``: one of them (none: any entity). ``attributes``: the entity has one of them
    (expanded; none: whatever it has).
    """

    selectors: tuple[Selector, ...] = ()
    attributes: tuple[str, ...] = ()
    q: Query | None = None
    geo: GeoQuery | None = None
    scope: Expression[Scope] | None = None
