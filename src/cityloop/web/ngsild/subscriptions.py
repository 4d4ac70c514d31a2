"""/subscriptions: made, read, changed, deleted (GS CIM 009, 5.8 and 6.10, 6.11)."""

from urllib.parse import quote, urlencode

from cityloop.standards.cim.asked import read_flag
from cityloop.standards.cim.iris import checked_id
from cityloop.standards.cim.problems import Problem, bad_request
from cityloop.web.ngsild.request import (
    WITH_MERGE_PATCH,
    Answer,
    Headers,
    Request,
    Route,
    answer_json,
    answer_plain,
    named,
)
from cityloop.web.ngsild.routing import MethodProblem

PAGE, LARGEST_PAGE = 20, 1_000
_DONE = Answer(204)


async def create(request: Request) -> Answer:
    """5.8.1."""
    body, media = await request.json()
    terms = await request.terms_of(body, media)
    base = f"{request.scope['scheme']}://{request.header(b'host')}"
    id_ = await request.tenant.subscriptions.create(body, terms, base)
    place = f"/ngsi-ld/v1/subscriptions/{quote(id_, safe=':')}"
    return Answer(201, b"", [(b"location", place.encode())])


async def retrieve(request: Request) -> Answer:
    """5.8.3."""
    id_ = _id(request)
    request.accept()  # a client that cannot read the answer hears that first (6.3.4)
    terms = await request.terms()
    sys_attrs = "sysAttrs" in request.options
    body = request.tenant.subscriptions.retrieve(id_, terms, sys_attrs=sys_attrs)
    return _with_preference(request, answer_json(request, terms, body))


async def query(request: Request) -> Answer:
    """5.8.4."""
    limit, offset = _number(request, "limit", PAGE), _number(request, "offset", 0)
    counted = read_flag(request.params, "count")
    if limit > LARGEST_PAGE:
        raise Problem("TooManyResults", f"a page has at most {LARGEST_PAGE} subscriptions")
    if not limit and not counted:
        raise bad_request("limit=0 goes with count=true only")
    terms = await request.terms()
    sys_attrs = "sysAttrs" in request.options
    page, count = request.tenant.subscriptions.page(offset, limit, terms, sys_attrs=sys_attrs)
    answer = answer_json(request, terms, page)
    headers = [*answer.headers, *_links(request, limit, offset, count)]
    if counted:
        headers.append((b"ngsild-results-count", b"%d" % count))
    return _with_preference(request, answer._replace(headers=headers))


async def update(request: Request) -> Answer:
    """5.8.2."""
    id_ = _id(request)
    body, terms = await request.document(WITH_MERGE_PATCH)
    await request.tenant.subscriptions.update(id_, body, terms)
    return _DONE


async def delete(request: Request) -> Answer:
    """5.8.5."""
    id_ = _id(request)
    await request.tenant.subscriptions.delete(id_)
    return _DONE


async def why(request: Request) -> Answer:
    """Why it was told of the last write of an entity, or was not; beyond the standard."""
    id_ = _id(request)
    entity = request.params.get("entity")
    if not entity:
        raise bad_request("which entity? Write ?entity=<id of the entity>")
    terms = await request.terms()
    return answer_plain(request.tenant.subscriptions.why(id_, entity, terms))


async def why_all(request: Request) -> Answer:
    """The same of all subscriptions that ask about an entity like this one."""
    terms = await request.terms()
    return answer_plain(request.tenant.subscriptions.why_all(request.entity_id(), terms))


def _id(request: Request) -> str:
    name = request.names[0]
    if not name:
        raise MethodProblem(f"{request.method} needs the id of one", "GET, POST")
    return checked_id(name, "the id in the path")


def _number(request: Request, name: str, usual: int) -> int:
    text = request.params.get(name)
    if text is None:
        return usual
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise bad_request(f"{name} is {text!r}; write a whole number from 0 on")
    return int(text)


def _links(request: Request, limit: int, offset: int, count: int) -> Headers:
    """The pages before and after (6.3.10)."""
    found: Headers = []
    for rel, start in (("prev", max(0, offset - limit)), ("next", offset + limit)):
        if limit and (offset > 0 if rel == "prev" else start < count):
            params = {**request.params, "limit": limit, "offset": start}
            place = f"/ngsi-ld/v1/subscriptions?{urlencode(params)}"
            link = f'<{place}>;rel="{rel}";type="application/ld+json"'
            found.append((b"link", link.encode()))
    return found


def _with_preference(request: Request, answer: Answer) -> Answer:
    """Says that an older version was asked for (6.3.6); a subscription is the same in all."""
    for preference in request.header(b"prefer").split(","):
        name, _, value = preference.partition(";")[0].strip().partition("=")
        if name.strip().lower() == "ngsi-ld" and value.strip():
            applied = f"ngsi-ld={value.strip().strip(chr(34))}"
            return answer._replace(
                headers=[*answer.headers, (b"preference-applied", applied.encode())]
            )
    return answer


ROUTES = (
    Route("POST", "subscriptions", create, named(), creates=True),
    Route("GET", "subscriptions", query, named("limit", "offset", "count", "options")),
    Route("GET", "subscriptions/*", retrieve, named("options")),
    Route("GET", "subscriptions/*/why", why, named("entity")),
    Route("GET", "entities/*/why", why_all, named()),
    Route("PATCH", "subscriptions/*", update, named()),
    Route("DELETE", "subscriptions/*", delete, named()),
)
