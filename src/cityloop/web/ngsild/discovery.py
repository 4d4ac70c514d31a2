"""/types and /attributes: what there is (GS CIM 009, 6.25 to 6.28)."""

from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from cityloop.standards.cim.asked import read_flag
from cityloop.standards.cim.found import Described
from cityloop.standards.cim.problems import Problem
from cityloop.standards.cim.terms import Terms
from cityloop.web.ngsild.request import Answer, Request, Route, answer_json, named


async def list_types(request: Request) -> Answer:
    """5.7.5, and 5.7.6 with details."""
    terms = await request.terms()
    if not read_flag(request.params, "details"):
        names = await request.tenant.queries.type_names()
        listed = {"typeList": _names(names, terms)}
        return answer_json(request, terms, _identified("EntityTypeList", listed))
    found = await request.tenant.queries.attributes_by_type()
    body = [
        {
            "id": type_,
            "type": "EntityType",
            "typeName": terms.compact(type_),
            "attributeNames": _names(attributes, terms),
        }
        for type_, attributes in found.items()
    ]
    return answer_json(request, terms, body)


async def describe_type(request: Request) -> Answer:
    """5.7.7."""
    terms = await request.terms()
    type_ = terms.expand(request.names[0])
    found = await request.tenant.queries.described_type(type_)
    described = _known(found, f"no entity has the type {type_}")
    details = [
        {
            "id": attribute,
            "type": "Attribute",
            "attributeName": terms.compact(attribute),
            "attributeTypes": sorted(kinds),
        }
        for attribute, kinds in described.kinds.items()
    ]
    body = {
        "id": type_,
        "type": "EntityTypeInfo",
        "typeName": terms.compact(type_),
        "entityCount": described.count,
        "attributeDetails": details,
    }
    return answer_json(request, terms, body)


async def list_attributes(request: Request) -> Answer:
    """5.7.8, and 5.7.9 with details."""
    terms = await request.terms()
    if not read_flag(request.params, "details"):
        names = await request.tenant.queries.attribute_names()
        listed = {"attributeList": _names(names, terms)}
        return answer_json(request, terms, _identified("AttributeList", listed))
    found = await request.tenant.queries.types_by_attribute()
    body = [
        {
            "id": attribute,
            "type": "Attribute",
            "attributeName": terms.compact(attribute),
            "typeNames": _names(types, terms),
        }
        for attribute, types in found.items()
    ]
    return answer_json(request, terms, body)


async def describe_attribute(request: Request) -> Answer:
    """5.7.10."""
    terms = await request.terms()
    name = _attribute(request.names[0], terms)
    found = await request.tenant.queries.described_attribute(name)
    described = _known(found, f"no entity has the attribute {name}")
    body = {
        "id": name,
        "type": "Attribute",
        "attributeName": terms.compact(name),
        "attributeCount": described.count,
        "attributeTypes": sorted(set().union(*described.kinds.values())),
        "typeNames": _names(described.kinds, terms),
    }
    return answer_json(request, terms, body)


def _attribute(name: str, terms: Terms) -> str:
    """The attribute's IRI; a member that is no attribute (id, type) is one that nobody has."""
    try:
        return terms.expand(name)
    except Problem as problem:
        raise Problem("ResourceNotFound", problem.detail) from problem


def _known(found: Described | None, missing: str) -> Described:
    if found is None:
        raise Problem("ResourceNotFound", missing)
    return found


def _identified(type_: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"id": f"urn:ngsi-ld:{type_}:{uuid4()}", "type": type_, **body}


def _names(iris: Iterable[str], terms: Terms) -> list[str]:
    return sorted(map(terms.compact, iris))


ROUTES = (
    Route("GET", "types", list_types, named("details")),
    Route("GET", "types/*", describe_type, named()),
    Route("GET", "attributes", list_attributes, named("details")),
    Route("GET", "attributes/*", describe_attribute, named()),
)
