"""/jsonldContexts: hosting, listing, serving, reloading and deleting @contexts (5.13)."""

import time
from typing import Any

from cityloop.standards.cim.core import CORE, DEFAULT_VOCAB, is_core_url
from cityloop.standards.cim.hosted import HOSTED_PATH, KeptContext
from cityloop.standards.cim.problems import Problem, bad_request
from cityloop.standards.cim.times import write_datetime
from cityloop.web.ngsild.request import Answer, Request, Route, answer_plain, named

_KINDS = frozenset({"Hosted", "Cached", "ImplicitlyCreated"})
_CORE_DOCUMENT = {"@context": {**CORE, "@vocab": DEFAULT_VOCAB}}
_STARTED = int(time.time() * 1000)


async def _add(request: Request) -> Answer:
    document, _ = await request.json()
    if not isinstance(document, dict) or document.get("@context") is None:
        raise Problem("InvalidRequest", "the body has no member @context, so it is no @context")
    kept = await request.broker.contexts.add(document, request.tenant.name)
    return Answer(201, headers=[(b"location", (HOSTED_PATH + kept.id).encode())])


async def _list(request: Request) -> Answer:
    kind = request.params.get("kind")
    if kind is not None and kind not in _KINDS:
        raise bad_request(f"kind is {kind!r}; write one of {', '.join(sorted(_KINDS))}")
    listed = [
        kept
        for kept in request.broker.contexts.list_all(request.tenant.name)
        if kind in (None, kept.kind)
    ]
    write = _details if _flag(request, "details") else _url
    base = _base(request)
    return answer_plain([write(kept, base) for kept in listed])


async def _serve(request: Request) -> Answer:
    name = request.names[0]
    details = _flag(request, "details")
    if is_core_url(name):
        return answer_plain(_core_details(name) if details else _CORE_DOCUMENT)
    kept = request.broker.contexts.get(name, request.tenant.name)
    if details:
        return answer_plain(_details(kept, _base(request)))
    if kept.kind == "Cached":
        raise Problem(
            "OperationNotSupported",
            f"the @context {name} is only a copy; ask {kept.url} for it, or details=true",
        )
    return answer_plain(kept.document)


async def _delete(request: Request) -> Answer:
    contexts, name = request.broker.contexts, request.names[0]
    reload = _flag(request, "reload")
    if is_core_url(name):
        if not reload:
            raise bad_request("the Core @context cannot be deleted")
        return Answer(204)  # it is part of the program: there is nothing newer to load
    if reload and contexts.find(name) is None:
        raise bad_request(f"the broker keeps no @context {name!r}, so it cannot reload it")
    kept = contexts.get(name, request.tenant.name)
    await (contexts.reload(kept) if reload else contexts.delete(kept))
    return Answer(204)


def _base(request: Request) -> str:
    """The scheme and host by which the client reached the broker."""
    return f"{request.scope['scheme']}://{request.header(b'host')}"


def _flag(request: Request, name: str) -> bool:
    value = request.params.get(name, "false").lower()
    if value not in ("true", "false"):
        raise bad_request(f"{name} is {value!r}; write true or false")
    return value == "true"


def _url(kept: KeptContext, base: str) -> str:
    return kept.url or f"{base}{HOSTED_PATH}{kept.id}"


def _details(kept: KeptContext, base: str) -> dict[str, Any]:
    details = {
        "URL": _url(kept, base),
        "localId": kept.id,
        "kind": kept.kind,
        "createdAt": write_datetime(kept.created),
        "numberOfHits": kept.hits,
    }
    if kept.last_use is not None:
        details["lastUsage"] = write_datetime(kept.last_use)
    return details


def _core_details(url: str) -> dict[str, Any]:
    return {
        "URL": url,
        "localId": url.rpartition("/")[2],
        "kind": "Cached",
        "createdAt": write_datetime(_STARTED),
    }


ROUTES = (
    Route("POST", "jsonldContexts", _add, named(), creates=True),
    Route("GET", "jsonldContexts", _list, named("details", "kind")),
    Route("GET", "jsonldContexts/*", _serve, named("details")),
    Route("DELETE", "jsonldContexts/*", _delete, named("reload")),
)
