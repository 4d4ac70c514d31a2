"""DELETE /entities: all entities that meet a description, or some of their attributes (5.6.21)."""

from collections.abc import Callable, Sequence

from cityloop.standards.cim.asked import QUERY, read_asked
from cityloop.standards.cim.kept import Kept
from cityloop.standards.cim.problems import bad_request
from cityloop.standards.cim.terms import Terms
from cityloop.web.ngsild.request import Answer, Request, Route, named

_FILTERS = QUERY - {"pick", "omit", "options", "format", "limit", "offset", "count", "orderBy"}


async def purge(request: Request) -> Answer:
    """5.6.21."""
    terms = await request.terms()
    drops = _drops(request, terms)
    filters = {name: text for name, text in request.params.items() if name in _FILTERS}
    now = request.tenant.entities.now()
    asked = read_asked(filters, terms, geojson=False, now=now)
    ids = await request.tenant.queries.ids(asked.selection)
    await request.tenant.entities.purge(ids, drops)
    return Answer(204)


def _drops(request: Request, terms: Terms) -> Callable[[Kept], Sequence[str]] | None:
    """Which attributes of an entity go; None where the whole entity goes."""
    params = request.params
    if "keep" in params and "drop" in params:
        raise bad_request("keep and drop contradict each other; name one of them")
    keep = frozenset(map(terms.expand, request.listed("keep")))
    drop = frozenset(map(terms.expand, request.listed("drop")))
    if "drop" in params:
        return lambda kept: [name for name in kept["attrs"] if name in drop]
    if "keep" in params:
        return lambda kept: [name for name in kept["attrs"] if name not in keep]
    return None


ROUTES = (Route("DELETE", "entities", purge, named(*_FILTERS, "keep", "drop")),)
