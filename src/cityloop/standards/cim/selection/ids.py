"""Ids and patterns of ids (GS CIM 009, clauses 4.6.2 and 5.2.33)."""

import re
from functools import lru_cache

from cityloop.standards.cim.problems import Problem

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\s<>\"{}|\\^`]+")

LONGEST_PATTERN = 512
"""No pattern is longer [characters]."""

_REPEATED_TWICE = re.compile(r"\((?:[^()\\]|\\.)*[+*}](?:[^()\\]|\\.)*\)[+*{]")


def is_uri(text: str) -> bool:
    """Whether ``text`` has the form of a URI or IRI with a scheme (RFC 3986, RFC 3987)."""
    return _URI.fullmatch(text) is not None


def read_ids(ids: list[str]) -> tuple[str, ...]:
    """The ids; raises Problem (BadRequestData) where one is no URI."""
    for name in ids:
        if not is_uri(name):
            raise Problem("BadRequestData", f"The id '{name}' is not a URI.")
    return tuple(ids)


@lru_cache(maxsize=1_024)
def read_pattern(pattern: str, what: str = "idPattern") -> re.Pattern[str]:
    """The compiled regular expression; it is searched, not anchored.

    Raises Problem: BadRequestData where it is no expression, TooComplexQuery where a repetition is
    repeated, which could take for ever on a text that does not match.
    """
    if len(pattern) > LONGEST_PATTERN:
        raise Problem("BadRequestData", f"{what} is longer than {LONGEST_PATTERN} characters.")
    if _REPEATED_TWICE.search(pattern):
        raise Problem(
            "TooComplexQuery",
            f"{what} '{pattern}' repeats a repetition; write it without the outer one.",
        )
    try:
        return re.compile(pattern)
    except re.error as error:
        raise Problem(
            "BadRequestData", f"{what} '{pattern}' is no regular expression: {error}."
        ) from error
