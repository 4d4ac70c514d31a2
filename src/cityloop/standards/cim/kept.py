"""The kept form of an entity: plain dicts, names expanded, instances by datasetId.

::

    {"id", "type": [iri], "scope": ["/a"], "createdAt": ms, "modifiedAt": ms, "expiresAt",
     "attrs": {attribute iri: {datasetId or "": Instance}}}

An Instance holds "type", its value under the member of its kind (``MEMBERS``), "observedAt",
"unitCode", "valueType", "objectType", "expiresAt", "createdAt", "modifiedAt" and
"sub": {iri: {datasetId: Instance}}; what was not given is absent. Values stay as they were given,
but for a "vocab", which is expanded. A kept entity is never changed in place: who changes
something copies what leads to it.
"""

from typing import Any, TypeAlias

Kept: TypeAlias = dict[str, Any]
Instance: TypeAlias = dict[str, Any]
Attributes: TypeAlias = dict[str, dict[str, Instance]]

NULL = "urn:ngsi-ld:null"
"""NGSI-LD Null: what it stands for is to be deleted (5.5.4); never kept."""

MEMBERS = {
    "Property": "value",
    "GeoProperty": "value",
    "Relationship": "object",
    "LanguageProperty": "languageMap",
    "VocabProperty": "vocab",
    "JsonProperty": "json",
    "ListProperty": "valueList",
    "ListRelationship": "objectList",
}
"""The eight kinds of attribute and the member that holds the value of each."""

_NULLS: tuple[Any, ...] = (NULL, [NULL], {"@none": NULL})


def is_deletion(instance: Instance) -> bool:
    """Whether ``instance``, read from a fragment, asks for its deletion (its value is Null)."""
    return any(instance.get(member) in _NULLS for member in _VALUES if member in instance)


_VALUES = tuple(dict.fromkeys(MEMBERS.values()))
