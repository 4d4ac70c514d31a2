"""An entity of a notification as a line for people: what became of it, and from what to what."""

import json
from collections.abc import Iterator
from typing import Any

import typer

from cityloop.kernel.errors import InputError

Told = dict[str, Any]
"""An entity as a notification shows it: normalised, with system attributes and previous values."""

_VALUES = {
    "value": "previousValue",
    "object": "previousObject",
    "languageMap": "previousLanguageMap",
    "vocab": "previousVocab",
    "json": "previousJson",
    "valueList": "previousValueList",
    "objectList": "previousObjectList",
}
"""By the member with what an attribute says, the one with what it said before (CIM 5.2.5 to 8)."""
_MEMBERS = {"id", "type", "scope", "@context", "createdAt", "modifiedAt", "deletedAt", "expiresAt"}
_NULL = "urn:ngsi-ld:null"
_COLOURS = {
    "created": typer.colors.GREEN,
    "updated": typer.colors.CYAN,
    "deleted": typer.colors.RED,
}
_LONGEST = 60


def entities(notification: Any) -> list[Told]:
    """What a notification tells of, in order; raises InputError for what is none."""
    data = notification.get("data") if isinstance(notification, dict) else None
    if not isinstance(data, list) or not all(isinstance(it, dict) and "id" in it for it in data):
        raise InputError("this is no notification of an NGSI-LD broker")
    return data


def change_line(at: str, entity: Told) -> str:
    """``time  what  id  type  attribute old → new, …``; coloured where the terminal shows it."""
    what = _what(entity)
    types = entity.get("type", "")
    kind = ",".join(types) if isinstance(types, list) else types
    said = "  ".join(_attributes(entity))
    heads = (at, typer.style(f"{what:<7}", fg=_COLOURS[what]), typer.style(entity["id"], bold=True))
    return "  ".join((*heads, printable(kind), said)).rstrip()


def printable(text: str) -> str:
    """``text`` without what a terminal would obey: an entity's words are anybody's."""
    return "".join(it if it.isprintable() else it.encode("unicode_escape").decode() for it in text)


def _what(entity: Told) -> str:
    if "deletedAt" in entity:
        return "deleted"
    return "created" if entity.get("createdAt") == entity.get("modifiedAt") else "updated"


def _attributes(entity: Told) -> Iterator[str]:
    """What the write touched; all where the broker does not say when each was written."""
    said = [
        (name, instance)
        for name, value in entity.items()
        if name not in _MEMBERS
        for instance in (value if isinstance(value, list) else [value])
    ]
    # Not the entity's own modifiedAt: that of its attributes may be the time of the request.
    newest = max((_written(instance) for _, instance in said), default="")
    for name, instance in said:
        if _written(instance) == newest:
            yield f"{printable(name)} {_change(instance)}"


def _written(instance: Any) -> str:
    return str(instance.get("modifiedAt", "")) if isinstance(instance, dict) else ""


def _change(instance: Any) -> str:
    if not isinstance(instance, dict):
        return _short(instance)
    for now, before in _VALUES.items():
        if now in instance:
            new = "gone" if instance[now] in (_NULL, {"@none": _NULL}) else _short(instance[now])
            dataset = f" ({instance['datasetId']})" if "datasetId" in instance else ""
            was = instance.get(before, instance[now])
            old = f"{_short(was)} → " if was != instance[now] else ""
            return f"{old}{new}{printable(dataset)}"
    return _short(instance)


def _short(value: Any) -> str:
    text = printable(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
