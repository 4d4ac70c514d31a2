"""Entity types as data: a row per attribute with unit, range, data class, keep and description.

The tables are the CSV files of this folder. Units are UN/CEFACT codes (Recommendation 20), as
NGSI-LD's ``unitCode`` wants them; empty for codes and text.
"""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Literal, get_args

from cityloop.kernel.errors import ConfigError

Kind = Literal["number", "integer", "boolean", "text"]
DataClass = Literal["public", "general", "important", "core"]
Keep = Literal["state", "event"]

COLUMNS = (
    "type",
    "attribute",
    "kind",
    "unit",
    "minimum",
    "maximum",
    "class",
    "keep",
    "description",
)
_KEEP = re.compile(r"(state|event) (P\d+[DY])(?: (PT\d+[SM]) after (P\d+[DY]))?")


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of an entity type.

    ``minimum``, ``maximum``: of the value, or of a text's length in characters. ``keep``: a
    *state* has a newest value in the context, an *event* only a place in history; ``kept_for``:
    ISO 8601 duration after which observations are erased. ``raw_for``: after which one observation
    in ``sample_every`` is kept; both empty where nothing is thinned.
    """

    type: str
    name: str
    kind: Kind
    unit: str
    minimum: float
    maximum: float
    data_class: DataClass
    keep: Keep
    kept_for: str
    description: str
    raw_for: str = ""
    sample_every: str = ""


AttributeTable = Mapping[str, Mapping[str, Attribute]]
"""Type → attribute → what is declared of it."""


def read_attributes(text: str, name: str) -> dict[str, dict[str, Attribute]]:
    """The table that a CSV text declares; raises ConfigError with ``name``, line and remedy."""
    reader = csv.DictReader(io.StringIO(text), strict=True)
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise ConfigError(f"{name}:1: the columns must be {','.join(COLUMNS)}")
    table: dict[str, dict[str, Attribute]] = {}
    for row in reader:
        where = f"{name}:{reader.line_num}"
        attribute = _read_row(row, where)
        of_type = table.setdefault(attribute.type, {})
        if attribute.name in of_type:
            raise ConfigError(f"{where}: {attribute.type}.{attribute.name} is declared twice")
        of_type[attribute.name] = attribute
    return table


def _read_row(row: Mapping[str, str], where: str) -> Attribute:
    if None in row or None in row.values():
        raise ConfigError(f"{where}: a row needs {len(COLUMNS)} cells; quote commas")
    keep = _KEEP.fullmatch(row["keep"])
    if keep is None:
        raise ConfigError(
            f'{where}: keep is {row["keep"]!r}; write e.g. "state P90D", "event P5Y",'
            ' "state P90D PT60S after P14D"'
        )
    for column, allowed in (("kind", get_args(Kind)), ("class", get_args(DataClass))):
        if row[column] not in allowed:
            raise ConfigError(f"{where}: {column} is {row[column]!r}, not {' or '.join(allowed)}")
    try:
        minimum, maximum = float(row["minimum"]), float(row["maximum"])
    except ValueError as error:
        raise ConfigError(f"{where}: minimum and maximum must be numbers: {error}") from error
    if not minimum <= maximum:
        raise ConfigError(f"{where}: minimum {minimum:g} is above maximum {maximum:g}")
    return Attribute(
        row["type"],
        row["attribute"],
        row["kind"],  # type: ignore[arg-type]  # checked above
        row["unit"],
        minimum,
        maximum,
        row["class"],  # type: ignore[arg-type]  # checked above
        keep[1],  # type: ignore[arg-type]  # the pattern's alternatives
        keep[2],
        row["description"],
        keep[4] or "",
        keep[3] or "",
    )


@cache
def declared() -> AttributeTable:
    """Every entity type that cityloop declares."""
    table: dict[str, Mapping[str, Attribute]] = {}
    for file in sorted(resources.files(__name__).iterdir(), key=lambda file: file.name):
        if file.name.endswith(".csv"):
            for type_, attributes in read_attributes(file.read_text("utf-8"), file.name).items():
                if type_ in table:
                    raise ConfigError(f"{file.name}: type {type_} is declared in two files")
                table[type_] = MappingProxyType(attributes)
    return MappingProxyType(table)


@cache
def event_types() -> frozenset[str]:
    """Types all of whose attributes are events: they have a history, but no newest value."""
    return frozenset(
        type_
        for type_, attributes in declared().items()
        if all(attribute.keep == "event" for attribute in attributes.values())
    )
