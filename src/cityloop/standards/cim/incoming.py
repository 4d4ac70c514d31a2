"""Reads entities and fragments of them as clients write them: normalised, concise, simplified.

Every kind of attribute and every rule of 4.5 that a document alone can break. What is read is the
kept form (``kept``), names expanded. Where a ``Reading`` allows NGSI-LD Null, an instance may hold
``NULL``; ``kept.is_deletion`` recognises one that is to go as a whole.
"""

from collections.abc import Mapping
from typing import Any

from cityloop.standards.cim.geometry import is_one_of
from cityloop.standards.cim.instances import read_instance, read_instances
from cityloop.standards.cim.iris import checked_id
from cityloop.standards.cim.kept import MEMBERS, NULL, Attributes, Instance, Kept
from cityloop.standards.cim.problems import Problem, bad_request
from cityloop.standards.cim.reading import Nulls, Reading
from cityloop.standards.cim.scope import read_scope
from cityloop.standards.cim.terms import Terms
from cityloop.standards.cim.times import is_datetime
from cityloop.standards.cim.values import wrong_null

__all__ = [
    "Nulls",
    "Reading",
    "read_attribute",
    "read_attributes",
    "read_entity",
    "read_fragment",
    "read_types",
]

NOT_ATTRIBUTES = frozenset(
    {"id", "@id", "type", "@type", "scope", "expiresAt", "@context"}
    | {"createdAt", "modifiedAt", "deletedAt"}
)
_NOT_REIFIED = frozenset(
    {"datasetId", "instanceId", "observedAt", "unitCode", "valueType", "objectType"}
)
"""4.5.1: such terms of the core @context "shall not be used as Attribute names"."""
_VALUES = frozenset(MEMBERS.values())


def read_entity(body: Any, reading: Reading) -> Kept:
    """The kept form of a whole entity, stamped with ``reading.now``; raises Problem."""
    kept = read_fragment(body, reading)
    for member in ("id", "type"):
        if member not in kept:
            raise bad_request(f"the entity has no {member}; write one")
    kept["createdAt"] = kept["modifiedAt"] = reading.now
    return kept


def read_fragment(body: Any, reading: Reading) -> Kept:
    """What a fragment of an entity says, in the kept form without stamps of its own.

    "id", "type", "scope", "expiresAt" are there when they were given ("scope" and "expiresAt" may
    be ``NULL`` where the reading allows it); "attrs" is always there. Raises Problem.
    """
    if not isinstance(body, dict):
        raise Problem("InvalidRequest", "the body is no JSON object; write one entity")
    kept: Kept = {}
    given = body.get("id", body.get("@id"))
    if given is not None:
        if given == NULL:
            raise wrong_null("the id of the entity")
        kept["id"] = checked_id(given, "the id of the entity")
    types = body.get("type", body.get("@type"))
    if types is not None:
        kept["type"] = read_types(types, reading.terms)
    if "scope" in body:
        kept["scope"] = _or_null(body["scope"], reading) or read_scope(body["scope"])
    if "expiresAt" in body:
        kept["expiresAt"] = _or_null(body["expiresAt"], reading) or _expiry(body["expiresAt"])
    kept["attrs"] = read_attributes(body, reading)
    return kept


def _or_null(given: Any, reading: Reading) -> str | None:
    return NULL if given == NULL and reading.nulls else None


def _expiry(given: Any) -> str:
    if not is_datetime(given):
        raise bad_request(f"expiresAt is {given!r}; write a DateTime such as 2026-01-31T08:00:00Z")
    text: str = given
    return text


def read_types(given: Any, terms: Terms) -> list[str]:
    """The IRIs of an entity's type or types; raises Problem for none or a wrong one."""
    names = given if isinstance(given, list) else [given]
    if not names or not all(isinstance(name, str) for name in names):
        raise bad_request(f"the type of the entity is {given!r}; write a name or a list of names")
    return list(dict.fromkeys(map(terms.expand, names)))


def read_attributes(body: Mapping[str, Any], reading: Reading) -> Attributes:
    """The attributes of an entity or a fragment, other members left out; raises Problem."""
    expand = reading.terms.expand
    attributes: Attributes = {}
    for name, given in body.items():
        if name in NOT_ATTRIBUTES:
            continue
        if name in _NOT_REIFIED or (name in _VALUES and not _is_typed(given)):
            raise bad_request(f"{name!r} is no attribute; it is a member inside of one (4.5.1)")
        iri = expand(name)
        if iri in attributes:
            raise bad_request(f"{name!r} is a second name of the same attribute {iri}")
        if given is None:
            raise wrong_null(name)
        attributes[iri] = read_instances(given, name, iri, reading)
    return attributes


def _is_typed(given: Any) -> bool:
    """Whether what bears the name of a value's member says that it is an attribute."""
    return isinstance(given, dict) and is_one_of(MEMBERS, given)


def read_attribute(body: Any, name: str, reading: Reading) -> dict[str, Instance]:
    """The instance, by its datasetId, of a body that is one attribute (.../attrs/{name})."""
    iri = reading.terms.expand(name)
    if isinstance(body, dict):
        body = {key: value for key, value in body.items() if key != "@context"}
        dataset, instance = read_instance(body, name, iri, reading)
        return {dataset: instance}
    if isinstance(body, list) and not reading.partial:
        return read_instances(body, name, iri, reading)
    raise Problem("InvalidRequest", "the body is no JSON object; write one attribute")
