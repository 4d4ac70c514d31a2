"""Entities as JSON bodies, remembered: who asks for what has not changed has it written once.

The kept document itself is the key, so nothing that is remembered can be out of date.
"""

from dataclasses import replace
from functools import lru_cache

import msgspec

from cityloop.standards.cim.outgoing import View, write_entity
from cityloop.standards.cim.terms import Terms
from cityloop.standards.cim.writes import read_kept

_REMEMBERED = 4_096
_LONGEST = 4_096
_encode = msgspec.json.Encoder().encode


def write_document(document: str, terms: Terms, view: View, now: int) -> bytes:
    """The body, without @context, of the entity that is kept as ``document``.

    ``view`` has no time of its own; what has expired by ``now`` [ms] is left out. Some 30 MiB of
    bodies are remembered at most.
    """
    if "expiresAt" in document:
        return _written(document, terms, replace(view, now=now))
    if len(document) > _LONGEST:
        return _written(document, terms, view)
    return _remembered(document, terms, view)


def _written(document: str, terms: Terms, view: View) -> bytes:
    return _encode(write_entity(read_kept(document), terms, view))


_remembered = lru_cache(maxsize=_REMEMBERED)(_written)
