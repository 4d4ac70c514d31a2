"""The scope query language (GS CIM 009, clause 4.19): ``/Madrid/+/ParqueNorte;/CompanyA/#``.

A comma or a bar is *or*, a semicolon is *and*. ``+`` stands for any one level; ``#`` as the last
level for the scope before it and everything below.
"""

import re
from collections.abc import Iterable

from cityloop.standards.cim.selection.ast import Expression, Scope
from cityloop.standards.cim.selection.scanner import Scanner

_LEVEL = re.compile(r"[^\s/,;|()#+]+|\+|#")


def read_scopes(text: str) -> Expression[Scope]:
    """The expression over scopes; raises Problem (BadRequestData)."""
    return Scanner("scopeQ", text).whole(_scope, (";",), (",", "|"))


def _scope(scanner: Scanner) -> Scope:
    scanner.take("/")
    levels = [scanner.match(_LEVEL)]
    while scanner.take("/"):
        levels.append(scanner.match(_LEVEL))
    if not all(levels):
        scanner.refuse("the name of a scope's level is missing")
    if "#" in levels[:-1]:
        scanner.refuse("'#' may only be the last level of a scope")
    return Scope(tuple(levels))


def levels_of(scope: str) -> tuple[str, ...]:
    """The levels of an entity's scope; a leading slash says nothing."""
    return tuple(scope.removeprefix("/").split("/"))


def in_scope(wanted: Scope, scopes: Iterable[str]) -> bool:
    """Whether one of an entity's ``scopes`` is the one wanted."""
    return any(_covers(wanted.levels, levels_of(scope)) for scope in scopes)


def _covers(wanted: tuple[str, ...], levels: tuple[str, ...]) -> bool:
    if wanted[-1] == "#":
        wanted = wanted[:-1]
        levels = levels[: len(wanted)]
    return len(wanted) == len(levels) and all(
        want in ("+", level) for want, level in zip(wanted, levels, strict=True)
    )
