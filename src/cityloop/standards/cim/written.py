"""Entities as JSON bodies, remembered: who asks for what has not changed has it written once.

The kept document itself is the key, so nothing that is remembered can be out of date.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import TypeAlias

import msgspec

from cityloop.standards.cim.outgoing import View, write_entity
from cityloop.standards.cim.terms import Terms
from cityloop.standards.cim.writes import read_kept

WriteDocument: TypeAlias = Callable[[str, int], bytes]

_REMEMBERED = 4_096
_LONGEST = 4_096
_VIEWS = 256
_encode = msgspec.json.Encoder().encode


@lru_cache(maxsize=_VIEWS)
def document_writer(terms: Terms, view: View) -> WriteDocument:
    """What writes the body, without @context, of a document as it is kept, at a time [ms].

    ``view`` has no time of its own; what has expired by then is left out. Some 30 MiB of bodies
    are remembered at most.
    """

    def plainly(document: str) -> bytes:
        return _encode(write_entity(read_kept(document), terms, view))

    def write(document: str, now: int) -> bytes:
        if "expiresAt" in document:
            return _encode(write_entity(read_kept(document), terms, replace(view, now=now)))
        if len(document) > _LONGEST:
            return plainly(document)
        return _remembered(document, plainly)

    return write


@lru_cache(maxsize=_REMEMBERED)
def _remembered(document: str, write: Callable[[str], bytes]) -> bytes:
    return write(document)
