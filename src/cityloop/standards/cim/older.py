"""Entities for readers of an earlier version of the standard (GS CIM 009, clause 4.3.6.8)."""

import re
from typing import NamedTuple

from cityloop.standards.cim.kept import MEMBERS, Attributes, Instance, Kept


class Version(NamedTuple):
    """A version of the standard, such as 1.5."""

    major: int
    minor: int


_SINCE = {
    "LanguageProperty": Version(1, 4),
    "VocabProperty": Version(1, 8),
    "JsonProperty": Version(1, 8),
    "ListProperty": Version(1, 8),
    "ListRelationship": Version(1, 8),
}
"""Kinds of attributes that an earlier reader does not know; it gets a Property in their place."""

_WISH = re.compile(r"(?:^|[,;\s])ngsi-ld=(\d{1,3})\.(\d{1,3})(?:$|[,;\s])")


def read_version(prefer: str) -> Version | None:
    """The version that a Prefer header wishes (``ngsi-ld=1.5``); None where it wishes none."""
    wish = _WISH.search(prefer)
    return Version(int(wish[1]), int(wish[2])) if wish else None


def for_version(kept: Kept, version: Version) -> Kept:
    """The entity as that version can say it; the very same one where nothing is newer."""
    attrs = _attributes(kept["attrs"], version)
    return kept if attrs is kept["attrs"] else {**kept, "attrs": attrs}


def _attributes(attributes: Attributes, version: Version) -> Attributes:
    changed = {
        name: {dataset: _instance(instance, version) for dataset, instance in instances.items()}
        for name, instances in attributes.items()
    }
    same = all(
        changed[name][dataset] is instance
        for name, instances in attributes.items()
        for dataset, instance in instances.items()
    )
    return attributes if same else changed


def _instance(instance: Instance, version: Version) -> Instance:
    if "sub" in instance:
        sub = _attributes(instance["sub"], version)
        instance = instance if sub is instance["sub"] else {**instance, "sub": sub}
    kind = instance["type"]
    if version >= _SINCE.get(kind, version):
        return instance
    plain = {**instance, "type": "Property"}
    plain["value"] = plain.pop(MEMBERS[kind])
    return plain
