"""/entities and /entityOperations/query: entities that meet a description (GS CIM 009, 6.4, 6.23).

Also one entity by its id (6.5), which may bring along those that it links to.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import msgspec

from cityloop.standards.cim.asked import (
    QUERY,
    REPRESENTATION,
    Asked,
    Shape,
    level_view,
    read_asked,
    read_shape,
)
from cityloop.standards.cim.found import Found
from cityloop.standards.cim.kept import Kept
from cityloop.standards.cim.linked import write_entities
from cityloop.standards.cim.older import for_version, read_version
from cityloop.standards.cim.outgoing import PLAIN
from cityloop.standards.cim.problems import Problem
from cityloop.standards.cim.query_body import read_body
from cityloop.standards.cim.selection.memory import has_types
from cityloop.standards.cim.selection.types import read_types
from cityloop.standards.cim.terms import Terms
from cityloop.standards.cim.written import document_writer
from cityloop.web.ngsild.negotiation import ENTITIES, GEO_JSON, JSON
from cityloop.web.ngsild.request import (
    LONG_QUERY,
    Answer,
    Headers,
    Request,
    Route,
    link_header,
    params_of,
)

_encode = msgspec.json.Encoder().encode


async def retrieve(request: Request) -> Answer:
    """5.7.1."""
    id_ = request.entity_id()
    terms = await request.terms()
    media = request.accept(ENTITIES)
    entities = request.tenant.entities
    if not request.params and media == JSON and not request.header(b"prefer"):
        document = entities.get(id_).doc
        body = document_writer(terms, PLAIN)(document, entities.now())
        return Answer(200, body, _content(media, terms))
    _refuse_maps(request)
    shape = read_shape(request.params, terms, geojson=media == GEO_JSON)
    types = request.params.get("type", "*")
    fits = request.tenant.any_entity if types == "*" else has_types(read_types(types, terms.expand))
    kept = entities.get(id_, fits).kept
    wanted = shape.view.attrs
    if wanted is not None and wanted.isdisjoint(kept["attrs"]):
        raise Problem("ResourceNotFound", f"{id_} has none of the attributes that attrs names")
    answer = _Answering(request, terms, media)
    bodies = answer.bodies([kept], shape)
    if not bodies:
        raise Problem("ResourceNotFound", f"pick and omit leave nothing of {id_}")
    return answer.of(bodies if len(bodies) > 1 else bodies[0])


async def query(request: Request) -> Answer:
    """5.7.2, by GET."""
    _refuse_maps(request)
    terms = await request.terms()
    media = request.accept(ENTITIES)
    query: bytes = request.scope["query_string"]
    read = _asked.__wrapped__ if len(query) > LONG_QUERY else _asked
    asked = read(query, terms, geojson=media == GEO_JSON)
    return await _page(request, asked, terms, media)


@lru_cache(maxsize=1_024)
def _asked(query: bytes, terms: Terms, *, geojson: bool) -> Asked:
    return read_asked(params_of(query), terms, geojson=geojson)


async def query_by_body(request: Request) -> Answer:
    """5.7.2, by POST."""
    _refuse_maps(request)
    body, terms = await request.document()
    media = request.accept(ENTITIES)
    said, selectors = read_body(body, terms)
    asked = read_asked(
        {**request.params, **said},
        terms,
        geojson=media == GEO_JSON,
        selectors=selectors,
    )
    return await _page(request, asked, terms, media)


def _refuse_maps(request: Request) -> None:
    if request.params.get("entityMap", "false") != "false":
        raise Problem(
            "OperationNotSupported",
            "There are no entity maps yet: no other broker is asked; leave entityMap out.",
            status=501,
        )


async def _page(request: Request, asked: Asked, terms: Terms, media: str) -> Answer:
    found = await request.tenant.queries.answer(asked)
    answer = _Answering(request, terms, media)
    bodies = answer.page(found, asked.shape)
    if found.total is not None:
        answer.headers.append((b"ngsild-results-count", b"%d" % found.total))
    answer.links += _links(request, asked, found, media)
    return answer.of(bodies)


class _Answering:
    """An answer that is put together: entities as bodies, then the headers that go with them."""

    def __init__(self, request: Request, terms: Terms, media: str) -> None:
        self._request = request
        self._terms = terms
        self._media = media
        self.status = 200
        self.headers: Headers = []
        self.links: list[bytes] = []

    def page(self, found: Found, shape: Shape) -> Sequence[Any]:
        """The entities of a page, as `bodies`; already encoded where nothing is to be added."""
        if self._media != JSON or shape.join or self._request.header(b"prefer"):
            return self.bodies(found.entities, shape)
        view = level_view(shape.view, shape.pick, shape.omit)
        write, now = document_writer(self._terms, view), self._request.tenant.entities.now()
        written = [write(each, now) for each in found.documents]
        return [msgspec.Raw(body) for body in written if body != b"{}"]

    def bodies(self, entities: Sequence[Kept], shape: Shape) -> list[dict[str, Any]]:
        """The entities with what they link to, without @context."""
        shape = shape.at(self._request.tenant.entities.now())
        version = read_version(self._request.header(b"prefer"))
        fetch = self._request.tenant.queries.by_ids
        if version is not None:
            suited = [for_version(kept, version) for kept in entities]
            if any(new is not old for new, old in zip(suited, entities, strict=True)):
                self.status = 203
            applied = f"ngsi-ld={version.major}.{version.minor}".encode()
            self.headers.append((b"preference-applied", applied))
            entities = suited
        geojson = self._media == GEO_JSON
        return write_entities(entities, self._terms, shape, fetch, geojson=geojson)

    def of(self, body: Any) -> Answer:
        """The answer with ``body``: a document, or a list of them, which GeoJSON wraps."""
        if self._media == GEO_JSON and isinstance(body, list):
            body = {"type": "FeatureCollection", "features": body}
        named = self._terms
        if self._media != JSON and not self._prefers_plain():
            context = {"@context": named.context}
            body = [each | context for each in body] if isinstance(body, list) else body | context
            return Answer(self.status, _encode(body), self._headed(None))
        return Answer(self.status, _encode(body), self._headed(named))

    def _headed(self, named: Terms | None) -> Headers:
        return [*self.headers, *_content(self._media, named, self.links)]

    def _prefers_plain(self) -> bool:
        """Whether the client wants GeoJSON without @context in it (6.3.6)."""
        wishes = self._request.header(b"prefer").replace(" ", "").split(",")
        return self._media == GEO_JSON and "body=json" in wishes


def _content(media: str, named: Terms | None, links: Sequence[bytes] = ()) -> Headers:
    """The headers of a body; ``named``: what a Link header has to name, as the body does not."""
    context = [] if named is None else [link_header(named)[1]]
    headers = [(b"content-type", media.encode())]
    if context or links:
        headers.append((b"link", b", ".join([*context, *links])))
    return headers


def _links(request: Request, asked: Asked, found: Found, media: str) -> list[bytes]:
    """Where the pages before and after this one are (6.3.10)."""
    links = []
    if asked.offset and asked.limit:
        links.append((max(0, asked.offset - asked.limit), "prev"))
    if found.more and asked.limit:
        links.append((asked.offset + asked.limit, "next"))
    query: bytes = request.scope["query_string"]
    write = _link.__wrapped__ if len(query) > LONG_QUERY else _link
    path = request.scope["path"]
    return [write(path, query, asked.limit, offset, rel, media) for offset, rel in links]


@lru_cache(maxsize=1_024)
def _link(path: str, query: bytes, limit: int, offset: int, rel: str, media: str) -> bytes:
    said = {**params_of(query), "limit": str(limit), "offset": str(offset)}
    text = "&".join(
        f"{quote(name, safe='')}={quote(value, safe=':/*.@!$()~')}"
        for name, value in sorted(said.items())
    )
    return f'<{path.rstrip("/")}?{text}>; rel="{rel}"; type="{media}"'.encode()


_PAGED = frozenset(
    {*("limit", "offset", "count", "options", "format", "local", "entityMap"), "geometryProperty"}
)

ROUTES = (
    Route("GET", "entities", query, QUERY),
    Route("GET", "entities/*", retrieve, REPRESENTATION | {"type"}),
    Route("POST", "entityOperations/query", query_by_body, _PAGED),
)
