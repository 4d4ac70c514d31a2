"""How long observations are kept: whole, then one in a while, then not at all. By wall time."""

import re
from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta, Struct

from cityloop.kernel.errors import RefusedError
from cityloop.kernel.reasons import Wording
from cityloop.standards.attributes import Attribute, AttributeTable

Span = Annotated[str, Meta(pattern=r"^P[1-9]\d{0,4}[DY]$")]
Every = Annotated[float, Meta(ge=1, le=86_400)]
_DAY_MS = 86_400_000
_DAYS = {"D": 1.0, "Y": 365.25}
RAW_LONGER = Wording(
    "keep_raw_longer",
    "{type}: raw for {raw} is longer than kept for {kept}; kept ends both",
)
EVENTS = Wording("keep_events", "{type} are events: each counts, they cannot be sampled")
RECORD = Wording(
    "keep_record",
    "{type} is a record ({data_class}): it is kept whole for {raw} at least, and for {kept} in all",
)


class Keep(Struct, frozen=True, forbid_unknown_fields=True):
    """The rule of one entity type, counted from the commit.

    ``raw``: kept whole for so long, an ISO 8601 duration in days or years; then one observation of
    each entity every ``every_s`` seconds of city time (None: the same as before); erased after
    ``kept``.
    """

    type: Annotated[str, Meta(min_length=1, max_length=200)]
    raw: Span
    every_s: Every | None
    kept: Span

    @property
    def raw_ms(self) -> int:
        """For how long it is kept whole; as long as it is kept at all where nothing is thinned."""
        return span_ms(self.raw) if self.every_s is not None else self.kept_ms

    @property
    def kept_ms(self) -> int:
        """After how long it is erased."""
        return span_ms(self.kept)


def span_ms(span: str) -> int:
    """A duration such as P90D or P5Y in ms; a year has 365.25 days."""
    return round(float(span[1:-1]) * _DAYS[span[-1]] * _DAY_MS)


def seconds_of(span: str) -> float:
    """A duration such as PT60S or PT5M in seconds."""
    number, unit = re.fullmatch(r"PT(\d+)([SM])", span).groups()  # type: ignore[union-attr]
    return float(number) * (60 if unit == "M" else 1)


def declared_keeps(table: AttributeTable) -> dict[str, Keep]:
    """The rule of each declared type: the longest of its attributes."""
    return {type_: _declared(type_, of_type.values()) for type_, of_type in table.items()}


def _declared(type_: str, attributes: Iterable[Attribute]) -> Keep:
    attributes = list(attributes)
    kept = max((a.kept_for for a in attributes), key=span_ms)
    raw = max((a.raw_for or a.kept_for for a in attributes), key=span_ms)
    spans = [a.sample_every for a in attributes if a.sample_every]
    every_s = min(map(seconds_of, spans)) if len(spans) == len(attributes) else None
    return Keep(type_, raw, every_s, kept)


def check_keep(keep: Keep, declared: Keep, attributes: Iterable[Attribute]) -> None:
    """Raise RefusedError where a rule cannot be, or lets go of a record before its time."""
    attributes = list(attributes)
    if keep.raw_ms > keep.kept_ms:
        raise RefusedError(RAW_LONGER(type=keep.type, raw=keep.raw, kept=keep.kept))
    if all(a.keep == "event" for a in attributes) and keep.every_s is not None:
        raise RefusedError(EVENTS(type=keep.type))
    record = any(a.data_class in ("important", "core") for a in attributes)
    if record and (keep.raw_ms < declared.raw_ms or keep.kept_ms < declared.kept_ms):
        class_ = attributes[0].data_class
        raise RefusedError(
            RECORD(type=keep.type, data_class=class_, raw=declared.raw, kept=declared.kept)
        )
