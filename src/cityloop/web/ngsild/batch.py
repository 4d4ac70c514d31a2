"""/entityOperations: many entities at once (GS CIM 009, 6.14-6.17, 6.31)."""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec

from cityloop.standards.cim.alike import Entity, Layouts
from cityloop.standards.cim.incoming import Nulls, Reading, read_entity, read_fragment
from cityloop.standards.cim.iris import checked_id
from cityloop.standards.cim.kept import Kept
from cityloop.standards.cim.problems import Problem, bad_request
from cityloop.standards.cim.terms import Terms, compile_terms
from cityloop.web.ngsild.negotiation import JSON, LD_JSON
from cityloop.web.ngsild.request import (
    DECODE_ERRORS,
    Answer,
    Request,
    Route,
    answer_plain,
    named,
    no_json,
)

MOST_ENTITIES = 10_000
"""Of one batch; a larger one is refused."""

Failed = list[tuple[str, Problem]]
Read: TypeAlias = Callable[[Any, Reading], Kept]

_read_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode = msgspec.json.Decoder().decode
_NULL = msgspec.Raw(b"null")
_CORE = compile_terms([])


async def create(request: Request) -> Answer:
    """5.6.7."""
    entities, failed = await _whole(request)
    result = await request.tenant.batches.create(entities)
    return _answer(result.created, result.created, failed + result.errors, 201)


async def upsert(request: Request) -> Answer:
    """5.6.8."""
    batches = request.tenant.batches
    if "update" in request.options:
        entities, failed = await _entities(request, read_entity)
        result = await batches.upsert_parts(entities)
    else:
        drafts, failed = await _whole(request)
        result = await batches.upsert(drafts)
    done = result.created + result.changed
    failed += result.errors
    if not failed and not result.created:
        return Answer(204)
    return _answer(result.created, done, failed, 201)


async def update(request: Request) -> Answer:
    """5.6.9."""
    entities, failed = await _entities(request, _read_fragment)
    overwrite = "noOverwrite" not in request.options
    result = await request.tenant.batches.update(entities, overwrite=overwrite)
    return _answer(result.changed, result.changed, failed + result.errors, 204)


async def merge(request: Request) -> Answer:
    """5.6.20."""
    entities, failed = await _entities(request, _read_fragment, Nulls.DEEP)
    result = await request.tenant.batches.merge(entities)
    return _answer(result.changed, result.changed, failed + result.errors, 204)


async def delete(request: Request) -> Answer:
    """5.6.10."""
    body, _ = await request.json()
    ids, failed = [], []
    for item in _check_items(body):
        try:
            ids.append(checked_id(item, "an id of the batch"))
        except Problem as problem:
            failed.append((str(item), problem))
    result = await request.tenant.batches.delete(ids)
    return _answer(result.changed, result.changed, failed + result.errors, 204)


def _check_items(items: Any) -> list[Any]:
    if not isinstance(items, list) or not items:
        raise bad_request("the body is no array with items; write a JSON array")
    if any(item is None or item == _NULL for item in items):
        raise bad_request("an item of the batch is null; leave it out")
    if len(items) > MOST_ENTITIES:
        raise bad_request(f"the batch has {len(items)} items; send at most {MOST_ENTITIES} at once")
    return items


async def _whole(request: Request) -> tuple[Iterator[Entity], Failed]:
    """Whole entities, read as ``_entities`` does; those written alike are not taken apart."""
    items, media = await _items(request)
    failed: Failed = []
    if media != JSON:
        return await _with_own_terms(request, items, read_entity, _reading(request), failed), failed
    return _alike(items, await _with_terms(request, _reading(request)), failed), failed


def _alike(items: list[msgspec.Raw], reading: Reading, failed: Failed) -> Iterator[Entity]:
    layouts = _layouts(reading.terms, simplified=reading.simplified)
    for item in items:
        draft = layouts.read(item, reading.now)
        if draft is not None:
            yield draft
            continue
        for entity in _each([_decoded(item)], lambda given: _read_plain(given, reading), failed):
            layouts.learn(item)
            yield entity


@lru_cache(maxsize=64)
def _layouts(terms: Terms, *, simplified: bool) -> Layouts:
    return Layouts(Reading(terms, 0, simplified=simplified))


def _read_plain(item: Any, reading: Reading) -> Kept:
    return read_entity(_plain(item), reading)


async def _entities(
    request: Request, read: Read, nulls: Nulls = Nulls.NONE
) -> tuple[Iterator[Kept], Failed]:
    """The entities of a batch, each read when it is asked for; and what is wrong with the others,
    which grows meanwhile."""
    items, media = await _items(request)
    reading = _reading(request, nulls)
    failed: Failed = []
    if media != JSON:
        return await _with_own_terms(request, items, read, reading, failed), failed
    reading = await _with_terms(request, reading)
    each = map(_decoded, items)
    return _each(each, lambda item: read(_plain(item), reading), failed), failed


async def _items(request: Request) -> tuple[list[msgspec.Raw], str]:
    """The items of a batch, and the media type of all."""
    body, media = await request.payload()
    try:
        items = _read_items(body)
    except DECODE_ERRORS as error:
        raise no_json(error) from error
    _check_items(items)
    return items, media


def _reading(request: Request, nulls: Nulls = Nulls.NONE) -> Reading:
    simplified = bool(request.options & _SIMPLIFIED)
    return Reading(_CORE, request.tenant.entities.now(), nulls, simplified=simplified)


async def _with_terms(request: Request, reading: Reading) -> Reading:
    return reading._replace(terms=await request.terms())


async def _with_own_terms(
    request: Request, items: list[msgspec.Raw], read: Read, reading: Reading, failed: Failed
) -> Iterator[Kept]:
    """Each item with its own @context."""
    decoded = list(map(_decoded, items))
    terms = await _terms_of_all(request, decoded, failed)
    given = (pair for pair in zip(decoded, terms, strict=True) if pair[1] is not None)
    return _each(given, lambda pair: read(pair[0], reading._replace(terms=pair[1])), failed)


def _decoded(item: msgspec.Raw) -> Any:
    try:
        return _decode(item)
    except DECODE_ERRORS as error:
        raise no_json(error) from error


def _each(items: Iterable[Any], read: Callable[[Any], Kept], failed: Failed) -> Iterator[Kept]:
    """Read one after the other: what one leaves behind is still at hand for the next."""
    for item in items:
        try:
            yield read(item)
        except Problem as problem:
            given = item[0] if isinstance(item, tuple) else item
            failed.append(_failure(given, problem))


def _failure(item: Any, problem: Problem) -> tuple[str, Problem]:
    return str(item.get("id") if isinstance(item, dict) else None), problem


def _plain(item: Any) -> Any:
    if isinstance(item, dict) and "@context" in item:
        raise bad_request(f"a body of {JSON} has no @context; send {LD_JSON} or a Link header")
    return item


async def _terms_of_all(request: Request, items: list[Any], failed: Failed) -> list[Terms | None]:
    """The Terms of each item, None where they are not to be had: told in ``failed``."""
    found: list[Terms | None] = []
    context: Any = None
    for item in items:
        own = item.get("@context") if isinstance(item, dict) else None
        if found and found[-1] is not None and own == context:
            found.append(found[-1])
            continue
        try:
            found.append(await request.terms_of(item, LD_JSON))
        except Problem as problem:
            failed.append(_failure(item, problem))
            found.append(None)
        context = own
    return found


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
