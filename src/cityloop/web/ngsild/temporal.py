"""/temporal/entities: how entities evolved, told and written (GS CIM 009, 6.18 - 6.22, 6.24)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from cityloop.standards.cim.asked import QUERY, REPRESENTATION, Asked, Shape, read_asked, read_shape
from cityloop.standards.cim.incoming import Nulls, Reading, read_attribute
from cityloop.standards.cim.instances import DEFAULT_INSTANCE
from cityloop.standards.cim.iris import checked_id
from cityloop.standards.cim.past_body import PastBody, read_past
from cityloop.standards.cim.problems import Problem, bad_request
from cityloop.standards.cim.query_body import read_body
from cityloop.standards.cim.scope import SCOPE
from cityloop.standards.cim.telling import Told, tell, tell_summaries
from cityloop.standards.cim.temporal_query import TemporalQuery, read_temporal_query
from cityloop.standards.cim.terms import Terms
from cityloop.web.ngsild.request import (
    WITH_MERGE_PATCH,
    Answer,
    Request,
    Route,
    answer_json,
    named,
)
from cityloop.web.ngsild.routing import MethodProblem

_TIME = frozenset(
    {"timerel", "timeAt", "endTimeAt", "timeproperty", "lastN", "aggrMethods", "aggrPeriodDuration"}
)
_OWN_FORMAT = frozenset({"options", "format"})
_DONE = Answer(204)


async def create(request: Request) -> Answer:
    """5.6.11."""
    body, terms = await request.document()
    past = _past(body, request, terms)
    if past.id is None or not past.types:
        raise bad_request("the entity has no id or no type; write both")
    is_new = await request.tenant.temporal.add(past.id, past, create=True)
    if not is_new:
        return _DONE
    place = f"/ngsi-ld/v1/temporal/entities/{quote(past.id, safe=':')}"
    return Answer(201, b"", [(b"location", place.encode())])


async def add(request: Request) -> Answer:
    """5.6.12."""
    id_ = request.entity_id()
    body, terms = await request.document()
    await request.tenant.temporal.add(id_, _past(body, request, terms), create=False)
    return _DONE


def _past(body: Any, request: Request, terms: Terms) -> PastBody:
    return read_past(body, Reading(terms, request.tenant.temporal.now(), Nulls.MEMBERS))


async def delete(request: Request) -> Answer:
    """5.6.16."""
    await request.tenant.temporal.delete(request.entity_id())
    return _DONE


async def delete_attribute(request: Request) -> Answer:
    """5.6.13."""
    id_, terms = request.entity_id(), await request.terms()
    dataset: str | None = request.params.get("datasetId") or DEFAULT_INSTANCE
    if request.params.get("deleteAll") == "true":
        dataset = None
    elif dataset == DEFAULT_INSTANCE:
        dataset = ""
    attribute = terms.expand(request.names[1])
    await request.tenant.temporal.delete_attribute(id_, attribute, dataset)
    return _DONE


async def revise(request: Request) -> Answer:
    """5.6.14."""
    if not request.names[1]:
        raise MethodProblem("PATCH is possible on an instance alone", "DELETE")
    id_, name = request.entity_id(), _instance_id(request)
    body, terms = await request.document(WITH_MERGE_PATCH)
    attribute = terms.expand(request.names[1])
    reading = Reading(terms, request.tenant.temporal.now(), partial=True)
    inner = body.get(request.names[1], body)  # the fragment may stand under the attribute's name
    one = inner[0] if isinstance(inner, list) and len(inner) == 1 else inner
    ((_, instance),) = read_attribute(one, request.names[1], reading).items()
    await request.tenant.temporal.revise(id_, attribute, name, instance)
    return _DONE


async def delete_instance(request: Request) -> Answer:
    """5.6.15."""
    id_, name = request.entity_id(), _instance_id(request)
    attribute = (await request.terms()).expand(request.names[1])
    await request.tenant.temporal.revise(id_, attribute, name, None)
    return _DONE


def _instance_id(request: Request) -> str:
    return checked_id(request.names[2], "the instanceId in the path")


async def retrieve(request: Request) -> Answer:
    """5.7.3."""
    id_, terms = request.entity_id(), await request.terms()
    request.accept()
    _refuse_maps(request)
    query = read_temporal_query(request.params, required=False)
    shape = _shape(request, terms, query)
    attrs = shape.view.attrs
    wanted = attrs and attrs | {SCOPE}
    found = await request.tenant.temporal.retrieve(id_, query, wanted)
    if attrs and not any(moment.attribute in attrs for moment in found.moments):
        raise Problem("ResourceNotFound", f"{id_} has no instance of what attrs names, then")
    told = tell([found.kept], [found.moments], query, shape, terms, request.tenant.page)
    if not told.bodies or not told.bodies[0]:
        raise Problem("ResourceNotFound", f"pick and omit leave nothing of {id_}")
    return _answer(request, terms, told.bodies[0], told)


def _shape(request: Request, terms: Terms, query: TemporalQuery) -> Shape:
    parameters = {
        name: text for name, text in request.params.items() if name in REPRESENTATION - _OWN_FORMAT
    }
    now = request.tenant.temporal.now()
    shape = read_shape(parameters, terms, geojson=False, now=now)
    _check_not_linked(shape)
    return _with_stamps(shape, query)


def _with_stamps(shape: Shape, query: TemporalQuery) -> Shape:
    return replace(shape, view=replace(shape.view, sys_attrs=query.sys_attrs))


def _check_not_linked(shape: Shape) -> None:
    if shape.join or max(shape.pick.depth, shape.omit.depth):
        raise bad_request("the past of linked entities is not told along; ask for it by their ids")


async def query(request: Request) -> Answer:
    """5.7.4, by GET."""
    terms = await request.terms()
    request.accept()
    temporal = read_temporal_query(request.params, required=True)
    others = {
        name: text for name, text in request.params.items() if name not in _TIME | _OWN_FORMAT
    }
    _check_ordering(others)
    asked = read_asked(others, terms, geojson=False, now=request.tenant.temporal.now())
    return await _query(request, asked, temporal, terms)


async def query_by_body(request: Request) -> Answer:
    """5.7.4, by POST."""
    body, terms = await request.document()
    request.accept()
    told = _temporal_members(body)
    temporal = read_temporal_query({**request.params, **told}, required=True)
    rest = {key: value for key, value in body.items() if key not in ("temporalQ", "aggrParams")}
    said, selectors = read_body(rest, terms)
    _check_ordering(said)
    others = {
        name: text for name, text in request.params.items() if name not in _TIME | _OWN_FORMAT
    }
    now = request.tenant.temporal.now()
    asked = read_asked({**others, **said}, terms, geojson=False, now=now, selectors=selectors)
    return await _query(request, asked, temporal, terms)


def _temporal_members(body: Mapping[str, Any]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name in ("temporalQ", "aggrParams"):
        given = body.get(name, {})
        if not isinstance(given, dict) or not given.keys() <= _TIME:
            raise bad_request(f"{name} is {given!r}; write an object of {', '.join(sorted(_TIME))}")
        members |= given
    return members


def _check_ordering(parameters: Mapping[str, str]) -> None:
    """Raise Problem for an order by anything but the id (5.7.4.4)."""
    by = parameters.get("orderBy", "id")
    if by.partition(";")[0] != "id":
        raise bad_request(f"orderBy is {by!r}; the past of entities is ordered by id alone")


async def _query(request: Request, asked: Asked, temporal: TemporalQuery, terms: Terms) -> Answer:
    _refuse_maps(request)
    _check_not_linked(asked.shape)
    view = asked.shape.view
    descending = asked.ordering is not None and request.params.get("orderBy", "").endswith(";desc")
    page = slice(asked.offset, asked.offset + asked.limit)
    found = await request.tenant.temporal.query(
        asked.selection, temporal, page, view, descending=descending, counted=asked.count
    )
    shape = _with_stamps(asked.shape, temporal)
    entities = [each.kept for each in found.each]
    if temporal.format == "aggregatedValues":
        told = tell_summaries(entities, [each.summaries for each in found.each], shape, terms)
    else:
        moments = [each.moments for each in found.each]
        told = tell(entities, moments, temporal, shape, terms, request.tenant.page)
    answer = _answer(request, terms, told.bodies, told)
    if asked.count:
        counted = (b"ngsild-results-count", b"%d" % found.total)
        answer = answer._replace(headers=[*answer.headers, counted])
    return answer


def _answer(request: Request, terms: Terms, body: Any, told: Told) -> Answer:
    """206 with the range that is told, where the length of a page left some out."""
    if not told.cut or told.range is None:
        return answer_json(request, terms, body)
    answer = answer_json(request, terms, body)
    headers = [*answer.headers, (b"content-range", told.range.encode())]
    return Answer(206, answer.body, headers)


def _refuse_maps(request: Request) -> None:
    if request.params.get("entityMap") == "true" or request.header(b"ngsild-entitymap"):
        raise Problem("OperationNotSupported", "this broker makes no entity maps", status=501)


_REPRESENTED = REPRESENTATION | _TIME
ROUTES = (
    Route("POST", "temporal/entities", create, named(), creates=True),
    Route("GET", "temporal/entities", query, named(*QUERY, *_TIME)),
    Route("POST", "temporal/entityOperations/query", query_by_body, named(*QUERY, *_TIME)),
    Route("GET", "temporal/entities/*", retrieve, named(*_REPRESENTED)),
    Route("DELETE", "temporal/entities/*", delete, named()),
    Route("POST", "temporal/entities/*/attrs", add, named()),
    Route(
        "DELETE", "temporal/entities/*/attrs/*", delete_attribute, named("datasetId", "deleteAll")
    ),
    Route("PATCH", "temporal/entities/*/attrs/*/*", revise, named()),
    Route("DELETE", "temporal/entities/*/attrs/*/*", delete_instance, named()),
)
