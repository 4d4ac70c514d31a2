"""What a sound sensor cannot do: jump further than its quantity can, or stand still for ever.

``plausibility.csv`` says it per attribute, with the reason; an attribute that is not named may do
both. The tests are WMO's step and persistence tests (WMO-No. 8, volume V, chapter 1, "Time
consistency"), with limits that also let unusual weather pass.
"""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from math import inf
from types import MappingProxyType

from cityloop.standards.attributes import declared


@dataclass(frozen=True, slots=True)
class Plausible:
    """``most_per_s``: the most that the value can change in a second, in its unit; ``frozen_s``:
    how long it can stay exactly the same. Infinite where anything goes.
    """

    most_per_s: float
    frozen_s: float


@cache
def plausible() -> Mapping[str, Mapping[str, Plausible]]:
    """Type → attribute → what is plausible; of declared numbers only."""
    text = resources.files("cityloop.standards").joinpath("plausibility.csv").read_text("utf-8")
    table: dict[str, dict[str, Plausible]] = {}
    for row in csv.DictReader(io.StringIO(text), strict=True):
        attribute = declared()[row["type"]][row["attribute"]]
        limits = (float(row[name] or inf) for name in ("most_per_s", "frozen_s"))
        table.setdefault(attribute.type, {})[attribute.name] = Plausible(*limits)
    return MappingProxyType(table)
