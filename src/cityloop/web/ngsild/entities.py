"""/entities: what writes one entity and its attributes (GS CIM 009, 6.4-6.7)."""

from collections.abc import Callable
from urllib.parse import quote

from cityloop.standards.cim.incoming import (
    Nulls,
    Reading,
    read_attribute,
    read_entity,
    read_fragment,
)
from cityloop.standards.cim.instances import DEFAULT_INSTANCE
from cityloop.standards.cim.iris import checked_id
from cityloop.standards.cim.kept import Kept
from cityloop.standards.cim.problems import bad_request
from cityloop.standards.cim.scope import SCOPE
from cityloop.standards.cim.selection.memory import has_types
from cityloop.standards.cim.selection.types import read_types
from cityloop.standards.cim.terms import Terms
from cityloop.web.ngsild.request import (
    WITH_MERGE_PATCH,
    Answer,
    Request,
    Route,
    answer_plain,
    named,
)

_DONE = Answer(204)


async def create(request: Request) -> Answer:
    """5.6.1."""
    body, terms = await request.document()
    entity = read_entity(body, _reading(request, terms))
    await request.tenant.entities.create(entity)
    place = f"/ngsi-ld/v1/entities/{quote(entity['id'], safe=':')}"
    return Answer(201, b"", [(b"location", place.encode())])


async def delete(request: Request) -> Answer:
    """5.6.6."""
    id_ = request.entity_id()
    await request.tenant.entities.delete(id_, _fits(request, await request.terms()))
    return _DONE


async def replace(request: Request) -> Answer:
    """5.6.18."""
    id_ = request.entity_id()
    body, terms = await request.document()
    entity = read_entity({"id": id_, **body}, _reading(request, terms))
    _check_id(entity, id_)
    await request.tenant.entities.replace(id_, entity, _fits(request, terms))
    return _DONE


async def merge(request: Request) -> Answer:
    """5.6.17."""
    id_ = request.entity_id()
    body, terms = await request.document(WITH_MERGE_PATCH)
    fragment = read_fragment(body, _reading(request, terms, Nulls.DEEP))
    _check_id(fragment, id_)
    await request.tenant.entities.merge(id_, fragment, _fits(request, terms))
    return _DONE


async def append(request: Request) -> Answer:
    """5.6.3."""
    id_ = request.entity_id()
    body, terms = await request.document()
    fragment = read_fragment(body, _reading(request, terms))
    _check_id(fragment, id_)
    overwrite = "noOverwrite" not in request.options
    outcome = await request.tenant.entities.append(
        id_, fragment, overwrite=overwrite, fits=_fits(request, terms)
    )
    return _outcome(outcome.updated, outcome.not_updated)


async def update(request: Request) -> Answer:
    """5.6.2."""
    id_ = request.entity_id()
    body, terms = await request.document(WITH_MERGE_PATCH)
    fragment = read_fragment(body, _reading(request, terms, Nulls.MEMBERS))
    _check_id(fragment, id_)
    outcome = await request.tenant.entities.update(id_, fragment, _fits(request, terms))
    return _outcome(outcome.updated, outcome.not_updated)


async def update_partially(request: Request) -> Answer:
    """5.6.4."""
    id_ = request.entity_id()
    body, terms = await request.document(WITH_MERGE_PATCH)
    attribute = _attribute(request, terms)
    if attribute == SCOPE:
        raise bad_request("the scope cannot be updated partially; write all of it (5.6.4.4)")
    reading = _reading(request, terms, Nulls.MEMBERS)._replace(partial=True)
    instances = read_attribute(body, request.names[1], reading)
    await request.tenant.entities.update_partially(id_, attribute, instances, _fits(request, terms))
    return _DONE


async def replace_attribute(request: Request) -> Answer:
    """5.6.19."""
    id_ = request.entity_id()
    body, terms = await request.document()
    attribute = _attribute(request, terms)
    if attribute == SCOPE:
        raise bad_request("the scope is not replaced as an attribute; update the entity (5.6.19)")
    instances = read_attribute(body, request.names[1], _reading(request, terms))
    await request.tenant.entities.replace_attribute(
        id_, attribute, instances, _fits(request, terms)
    )
    return _DONE


async def delete_attribute(request: Request) -> Answer:
    """5.6.5."""
    id_ = request.entity_id()
    terms = await request.terms()
    dataset = request.params.get("datasetId", "")
    every = request.params.get("deleteAll") == "true"
    if dataset and dataset != DEFAULT_INSTANCE:
        checked_id(dataset, "datasetId")
    dataset = "" if dataset == DEFAULT_INSTANCE else dataset
    attribute, fits = _attribute(request, terms), _fits(request, terms)
    entities, temporal = request.tenant.entities, request.tenant.temporal
    if entities.knows(id_):
        await entities.delete_attribute(id_, attribute, dataset, every=every, fits=fits)
    else:
        await temporal.end_attribute(id_, attribute, dataset, fits, every=every)
    return _DONE


def _attribute(request: Request, terms: Terms) -> str:
    name = request.names[1]
    return SCOPE if name == "scope" else terms.expand(name)


def _reading(request: Request, terms: Terms, nulls: Nulls = Nulls.NONE) -> Reading:
    options = request.options
    simplified = bool(options) and bool(options & {"keyValues", "simplified"})
    return Reading(terms, request.tenant.entities.now(), nulls, simplified=simplified)


def _check_id(fragment: Kept, id_: str) -> None:
    if fragment.get("id", id_) != id_:
        raise bad_request(f"the body is of {fragment['id']}, the path of {id_}")


def _fits(request: Request, terms: Terms) -> Callable[[Kept], bool]:
    """The test on the type that a request names; any entity passes where it names none."""
    types = request.params.get("type", "*")
    return request.tenant.any_entity if types == "*" else has_types(read_types(types, terms.expand))


def _outcome(updated: list[str], not_updated: dict[str, str]) -> Answer:
    if not not_updated:
        return _DONE
    left = [{"attributeName": name, "reason": reason} for name, reason in not_updated.items()]
    return answer_plain({"updated": updated, "notUpdated": left}, 207)


_WRITE = named("options", "format", "type")

ROUTES = (
    Route("POST", "entities", create, named("options", "format"), creates=True),
    Route("DELETE", "entities/*", delete, named("type")),
    Route("PUT", "entities/*", replace, _WRITE),
    Route("PATCH", "entities/*", merge, _WRITE | {"observedAt", "lang"}),
    Route("POST", "entities/*/attrs", append, _WRITE),
    Route("PATCH", "entities/*/attrs", update, _WRITE),
    Route("PATCH", "entities/*/attrs/*", update_partially, _WRITE),
    Route("PUT", "entities/*/attrs/*", replace_attribute, _WRITE),
    Route(
        "DELETE", "entities/*/attrs/*", delete_attribute, named("type", "datasetId", "deleteAll")
    ),
)
