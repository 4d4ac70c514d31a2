"""Which representation a request gets, and which one its body is in (GS CIM 009, 6.3.4, 6.3.5)."""

import re
from functools import lru_cache

from cityloop.standards.cim.problems import Problem

JSON = "application/json"
LD_JSON = "application/ld+json"
GEO_JSON = "application/geo+json"
MERGE_PATCH = "application/merge-patch+json"
PROBLEM = "application/problem+json"

DOCUMENTS = (JSON, LD_JSON)
ENTITIES = (JSON, LD_JSON, GEO_JSON)
"""What an operation can answer in, the preferred one first."""

_WEIGHT = re.compile(r"(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)").fullmatch
_LINK = re.compile(r"<([^>]*)>([^,<]*)")
_CONTEXT = re.compile(r"\brel\s*=\s*\"?http://www\.w3\.org/ns/json-ld#context\"?")


@lru_cache(maxsize=512)
def accepted(header: str, offers: tuple[str, ...]) -> str:
    """The one of ``offers`` that an Accept header wants most; raises Problem (406) for none.

    A weight counts for the most specific range that a representation falls under (RFC 9110).
    """
    ranges = [_weighed(part) for part in header.split(",") if part.strip()] or [("*/*", 1.0)]
    weights = {offer: _weight(offer, ranges) for offer in offers}
    best = max(weights.values())
    if best <= 0:
        raise Problem(
            "InvalidRequest",
            f"Accept: {header} names none of {', '.join(offers)}; ask for one of them",
            status=406,
        )
    return next(offer for offer, weight in weights.items() if weight == best)


def _weighed(part: str) -> tuple[str, float]:
    media, *parameters = (each.strip() for each in part.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q" and _WEIGHT(value.strip()):
            return media.lower(), float(value)
    return media.lower(), 1.0


def _weight(offer: str, ranges: list[tuple[str, float]]) -> float:
    for wanted in (offer, offer.partition("/")[0] + "/*", "*/*"):
        found = [weight for media, weight in ranges if media == wanted]
        if found:
            return max(found)
    return 0.0


@lru_cache(maxsize=512)
def media_type(header: str, allowed: tuple[str, ...]) -> str:
    """The media type of a body; raises Problem (415) for one that is not ``allowed``."""
    media = header.partition(";")[0].strip().lower()
    if media not in allowed:
        told = f"Content-Type: {media}" if media else "no Content-Type"
        detail = f"the body has {told}; send {' or '.join(allowed)}"
        raise Problem("InvalidRequest", detail, status=415)
    return media


@lru_cache(maxsize=512)
def linked_context(header: str) -> str | None:
    """The URL of the @context that a Link header names; None where it names none."""
    for url, parameters in _LINK.findall(header):
        if _CONTEXT.search(parameters):
            found: str = url.strip()
            return found
    return None
