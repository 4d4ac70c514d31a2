"""@contexts as a broker keeps and serves them (5.13)."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

HOSTED_PATH = "/ngsi-ld/v1/jsonldContexts/"
"""Where a broker serves what it hosts."""

Kind: TypeAlias = Literal["Hosted", "Cached", "ImplicitlyCreated"]


@dataclass(slots=True)
class KeptContext:
    """One @context. ``url`` is None where the broker itself serves it; times in ms.

    Hosted and ImplicitlyCreated ones belong to a ``tenant``, who alone sees them. ``hits`` and
    ``last_use`` count the requests since the start that named it.
    """

    id: str
    url: str | None
    kind: Kind
    created: int
    document: Any
    tenant: str = ""
    hits: int = 0
    last_use: int | None = None
