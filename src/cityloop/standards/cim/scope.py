"""The scopes of an entity (4.18): paths such as /Madrid/Gardens."""

import re
from typing import Any

from cityloop.standards.cim.problems import bad_request

_LEVEL = r"[^\W\d_]\w*"
_SCOPE = re.compile(f"/?{_LEVEL}(?:/{_LEVEL})*").fullmatch


def read_scope(given: Any) -> list[str]:
    """The scopes of the member "scope", each with its leading slash; raises Problem if wrong."""
    scopes = given if isinstance(given, list) else [given]
    if not scopes or not all(isinstance(scope, str) and _SCOPE(scope) for scope in scopes):
        raise bad_request(
            f"scope is {given!r}; write paths of names such as /Madrid/Gardens: each level begins "
            "with a letter, then letters, digits and '_' (4.18)"
        )
    return list(dict.fromkeys(scope if scope[0] == "/" else f"/{scope}" for scope in scopes))
