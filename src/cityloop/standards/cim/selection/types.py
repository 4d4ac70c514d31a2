"""The entity type selection language (GS CIM 009, clause 4.17).

Types: ``Building,(Home;Vehicle)``: a comma or a bar is *or*, a semicolon is *and*.
"""

import re
from collections.abc import Callable

from cityloop.standards.cim.selection.ast import Expression
from cityloop.standards.cim.selection.scanner import Scanner

_TYPE = re.compile(r"[^\s,;|()\"<>{}\\^`*]+")


def read_types(text: str, expand: Callable[[str], str]) -> Expression[str]:
    """The expression over expanded types; raises Problem (BadRequestData)."""

    def name(scanner: Scanner) -> str:
        term = scanner.match(_TYPE)
        if not term:
            scanner.refuse("the name of an entity type is missing")
        return expand(term)

    return Scanner("type", text).whole(name, (";",), (",", "|"))
