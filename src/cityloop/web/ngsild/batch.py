"""/entityOperations: many entities at once (GS CIM 009, 6.14-6.17, 6.31)."""

from typing import Any

from cityloop.standards.cim.incoming import Nulls, Reading, read_entity, read_fragment
from cityloop.standards.cim.iris import checked_id
from cityloop.standards.cim.kept import Kept
from cityloop.standards.cim.problems import Problem, bad_request
from cityloop.web.ngsild.request import Answer, Request, Route, answer_plain, named

MOST_ENTITIES = 10_000
"""Of one batch; a larger one is refused."""

Failed = list[tuple[str, Problem]]


async def create(request: Request) -> Answer:
    """5.6.7."""
    entities, failed = await _entities(request)
    result = await request.tenant.batches.create(entities)
    return _answer(result.created, result.created, failed + result.errors, 201)


async def upsert(request: Request) -> Answer:
    """5.6.8."""
    entities, failed = await _entities(request)
    result = await request.tenant.batches.upsert(entities, update="update" in request.options)
    done = result.created + result.changed
    failed += result.errors
    if not failed and not result.created:
        return Answer(204)
    return _answer(result.created, done, failed, 201)


async def update(request: Request) -> Answer:
    """5.6.9."""
    entities, failed = await _entities(request, Nulls.NONE, whole=False)
    overwrite = "noOverwrite" not in request.options
    result = await request.tenant.batches.update(entities, overwrite=overwrite)
    return _answer(result.changed, result.changed, failed + result.errors, 204)


async def merge(request: Request) -> Answer:
    """5.6.20."""
    entities, failed = await _entities(request, Nulls.DEEP, whole=False)
    result = await request.tenant.batches.merge(entities)
    return _answer(result.changed, result.changed, failed + result.errors, 204)


async def delete(request: Request) -> Answer:
    """5.6.10."""
    body, _ = await request.json()
    ids, failed = [], []
    for item in _items(body):
        try:
            ids.append(checked_id(item, "an id of the batch"))
        except Problem as problem:
            failed.append((str(item), problem))
    result = await request.tenant.batches.delete(ids)
    return _answer(result.changed, result.changed, failed + result.errors, 204)


def _items(body: Any) -> list[Any]:
    if not isinstance(body, list) or not body:
        raise bad_request("the body is no array with items; write a JSON array")
    if None in body:
        raise bad_request("an item of the batch is null; leave it out")
    if len(body) > MOST_ENTITIES:
        raise bad_request(f"the batch has {len(body)} items; send at most {MOST_ENTITIES} at once")
    return body


async def _entities(
    request: Request, nulls: Nulls = Nulls.NONE, *, whole: bool = True
) -> tuple[list[Kept], Failed]:
    """The entities of a batch that can be read, and what is wrong with the others."""
    body, media = await request.json()
    items = _items(body)
    now, simplified = request.tenant.entities.now(), bool(request.options & _SIMPLIFIED)
    read = read_entity if whole else _read_fragment
    entities: list[Kept] = []
    failed: Failed = []
    context: Any = None
    reading: Reading | None = None
    for item in items:
        try:
            own = item.get("@context") if isinstance(item, dict) else None
            if reading is None or (own is not context and own != context):
                terms = await request.terms_of(item, media)
                context, reading = own, Reading(terms, now, nulls, simplified=simplified)
            entities.append(read(item, reading))
        except Problem as problem:
            name = item.get("id") if isinstance(item, dict) else None
            failed.append((str(name), problem))
    return entities, failed


def _read_fragment(item: Any, reading: Reading) -> Kept:
    fragment = read_fragment(item, reading)
    if "id" not in fragment:
        raise bad_request("the entity has no id; write one")
    return fragment


_SIMPLIFIED = frozenset({"keyValues", "simplified"})


def _answer(told: list[str], done: list[str], failed: Failed, status: int) -> Answer:
    """``status`` with the ids ``told``, or 207 with what was ``done`` and what ``failed``."""
    if failed:
        errors = [{"entityId": id_, "error": problem.body()} for id_, problem in failed]
        return answer_plain({"success": _once(done), "errors": errors}, 207)
    return Answer(204) if status == 204 else answer_plain(_once(told), status)


def _once(ids: list[str]) -> list[str]:
    return list(dict.fromkeys(ids))


_PARAMS = named("options", "format")

ROUTES = (
    Route("POST", "entityOperations/create", create, _PARAMS, creates=True),
    Route("POST", "entityOperations/upsert", upsert, _PARAMS, creates=True),
    Route("POST", "entityOperations/update", update, _PARAMS),
    Route("POST", "entityOperations/merge", merge, _PARAMS),
    Route("POST", "entityOperations/delete", delete, _PARAMS),
)
