"""A place in a text that is being parsed, and the loop that all selection languages share."""

import re
from collections.abc import Callable
from typing import NoReturn, TypeVar

from cityloop.standards.cim.problems import Problem
from cityloop.standards.cim.selection.ast import And, Expression, Or

Leaf = TypeVar("Leaf")

LONGEST = 8_192
"""No expression is longer [characters]: it stands in an address, or is typed by a person."""

DEEPEST = 32
"""No parentheses are nested deeper: the parser must not run out of stack."""


class Scanner:
    """Reads ``text`` from left to right; every error says where. ``what`` names the parameter."""

    def __init__(self, what: str, text: str) -> None:
        self._what = what
        self.text = text
        self.at = 0
        self._depth = 0
        if len(text) > LONGEST:
            raise Problem("BadRequestData", f"{what} is longer than {LONGEST} characters.")

    def take(self, literal: str) -> bool:
        """Whether ``literal`` stands here; it is passed over then."""
        if self.text.startswith(literal, self.at):
            self.at += len(literal)
            return True
        return False

    def match(self, pattern: re.Pattern[str]) -> str:
        """What matches here, passed over; empty where nothing does."""
        found = pattern.match(self.text, self.at)
        if found is None:
            return ""
        self.at = found.end()
        return found.group()

    def expect(self, literal: str) -> None:
        """Pass over ``literal``; raise Problem where it does not stand."""
        if not self.take(literal):
            self.refuse(f"'{literal}' is missing")

    def refuse(self, why: str) -> NoReturn:
        """Raise Problem with the place."""
        rest = self.text[self.at : self.at + 20]
        place = f"before '{rest}'" if rest else "at its end"
        raise Problem("BadRequestData", f"{self._what} is not valid: {why} {place}.")

    def whole(
        self, leaf: Callable[["Scanner"], Leaf], ands: tuple[str, ...], ors: tuple[str, ...]
    ) -> Expression[Leaf]:
        """The expression that the whole text is; *and* binds closer than *or*."""
        expression = self._any(leaf, ands, ors)
        if self.at != len(self.text):
            self.refuse("something is left over")
        return expression

    def _any(
        self, leaf: Callable[["Scanner"], Leaf], ands: tuple[str, ...], ors: tuple[str, ...]
    ) -> Expression[Leaf]:
        parts = [self._every(leaf, ands, ors)]
        while any(self.take(sign) for sign in ors):
            parts.append(self._every(leaf, ands, ors))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _every(
        self, leaf: Callable[["Scanner"], Leaf], ands: tuple[str, ...], ors: tuple[str, ...]
    ) -> Expression[Leaf]:
        parts = [self._part(leaf, ands, ors)]
        while any(self.take(sign) for sign in ands):
            parts.append(self._part(leaf, ands, ors))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _part(
        self, leaf: Callable[["Scanner"], Leaf], ands: tuple[str, ...], ors: tuple[str, ...]
    ) -> Expression[Leaf]:
        if not self.take("("):
            return leaf(self)
        self._depth += 1
        if self._depth > DEEPEST:
            self.refuse(f"parentheses are nested deeper than {DEEPEST}")
        expression = self._any(leaf, ands, ors)
        self.expect(")")
        self._depth -= 1
        return expression
