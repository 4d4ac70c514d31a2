"""How something that a client wrote is to be read."""

from enum import IntEnum
from typing import NamedTuple

from cityloop.standards.cim.terms import Terms


class Nulls(IntEnum):
    """Where NGSI-LD Null may stand (5.5.4)."""

    NONE = 0
    """Nowhere: create, replace, append."""
    MEMBERS = 1
    """As the value of an attribute or of one of its members: update, partial update."""
    DEEP = 2
    """Inside of values, too: merge."""


class Reading(NamedTuple):
    """How a document is to be read.

    ``now``: the stamp of what is written, ms. ``partial``: an instance may lack its type and its
    value. ``simplified``: attributes are bare values (options=keyValues).
    """

    terms: Terms
    now: int
    nulls: Nulls = Nulls.NONE
    partial: bool = False
    simplified: bool = False
