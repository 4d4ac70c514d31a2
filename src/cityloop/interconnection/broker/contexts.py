"""Every @context that a request can name, compiled once: inline, hosted, offline, fetched.

The order in which a URL is looked up: the Core @context, what is kept (hosted here, or fetched
before), the offline documents, the network, if it may be asked at all. What was fetched is kept,
so a broker that has seen a @context needs nobody to be up to read it again.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import msgspec

from cityloop.interconnection.broker.context_book import ContextBook
from cityloop.interconnection.broker.context_fetch import Fetcher
from cityloop.standards.cim.core import is_core_url
from cityloop.standards.cim.hosted import HOSTED_PATH, KeptContext
from cityloop.standards.cim.problems import Problem, bad_request
from cityloop.standards.cim.terms import Terms, compile_terms, not_available

CORE_TERMS = compile_terms([])
"""What holds where a request names no @context."""
_MOST_COMPILED: Final = 1024
_MOST_DOCUMENTS: Final = 64


class Contexts:
    """The @contexts of a broker and all its tenants.

    Who knows the URL of a hosted one can use it; its tenant alone can list, read or delete it.

    ``book`` keeps, ``offline`` holds documents by URL, ``fetcher`` asks the network (None: never).
    """

    def __init__(
        self, book: ContextBook, offline: Mapping[str, Any], fetcher: Fetcher | None = None
    ) -> None:
        self._book = book
        self._offline = offline
        self._fetcher = fetcher
        self._compiled: dict[object, tuple[Terms, list[KeptContext]]] = {}
        self._under_way: dict[str, asyncio.Task[KeptContext]] = {}

    def known(self, context: Any) -> Terms | None:
        """The Terms of a @context (URL, object, list; None: the core) if they are at hand."""
        if context is None:
            return CORE_TERMS
        found = self._compiled.get(_key(context))
        if found is None:
            return None
        for kept in found[1]:
            kept.hits += 1
            kept.last_use = _now()
        return found[0]

    async def terms(self, context: Any) -> Terms:
        """The Terms of a @context, fetched where need be.

        Raises Problem: LdContextNotAvailable where a document is not to be had or includes itself,
        BadRequestData for one that is no @context.
        """
        known = self.known(context)
        if known is not None:
            return known
        named: list[KeptContext] = []
        documents = await self._documents(context, (), named)
        link = context if isinstance(context, str) else _only_url(context)
        terms = compile_terms(documents, link, context)
        if len(self._compiled) >= _MOST_COMPILED:
            self._compiled.clear()
        direct = [kept for kept in named if self._names(context, kept)]
        self._compiled[_key(context)] = (terms, direct)
        return self.known(context) or terms

    def _names(self, context: Any, kept: KeptContext) -> bool:
        """Whether a request with ``context`` uses ``kept`` itself, not through another one."""
        urls = context if isinstance(context, list) else [context]
        return any(isinstance(url, str) and self.find(url) is kept for url in urls)

    async def _documents(
        self, context: Any, inside: tuple[str, ...], named: list[KeptContext]
    ) -> list[Mapping[str, Any] | None]:
        """The objects that ``context`` consists of, in their order, references resolved."""
        if context is None:
            return [None]
        if isinstance(context, Mapping):
            return [context]
        if isinstance(context, str):
            return await self._referred(context, inside, named)
        if not isinstance(context, list):
            raise bad_request(f"the @context is {context!r}; write a URL, an object or a list")
        documents: list[Mapping[str, Any] | None] = []
        for part in context:
            if isinstance(part, list):
                raise bad_request("the @context is a list inside of a list; write one list")
            documents += await self._documents(part, inside, named)
        return documents

    async def _referred(
        self, url: str, inside: tuple[str, ...], named: list[KeptContext]
    ) -> list[Mapping[str, Any] | None]:
        if inside:
            url = urljoin(inside[-1], url)
        if is_core_url(url):
            return []
        if url in inside:
            raise not_available(url, "it includes itself")
        if len(named) >= _MOST_DOCUMENTS:
            raise not_available(url, f"more than {_MOST_DOCUMENTS} documents hang on one another")
        kept = await self._kept(url)
        named.append(kept)
        return await self._documents(kept.document["@context"], (*inside, url), named)

    def find(self, url: str) -> KeptContext | None:
        """What is kept of ``url``: by its URL, or by the id in it where this broker hosts it."""
        path = urlsplit(url).path
        if path.startswith(HOSTED_PATH):
            return self._book.find(path[len(HOSTED_PATH) :])
        return self._book.find(url)

    async def _kept(self, url: str) -> KeptContext:
        kept = self.find(url)
        if kept is None and not urlsplit(url).scheme:
            raise bad_request(f"the @context {url!r} is neither absolute nor hosted here")
        return kept or await self._load(url)

    async def _load(self, url: str) -> KeptContext:
        """Load what many requests may ask for at once, once."""
        task = self._under_way.get(url)
        if task is None:
            task = self._under_way[url] = asyncio.create_task(self._loaded(url))
            task.add_done_callback(lambda _: self._under_way.pop(url, None))
        return await asyncio.shield(task)

    async def _loaded(self, url: str) -> KeptContext:
        document = checked_document(await self._document(url), url)
        return await asyncio.to_thread(self._book.add, "Cached", document, _now(), url)

    async def _document(self, url: str) -> Any:
        if url in self._offline:
            return self._offline[url]
        if self._fetcher is None:
            raise not_available(
                url, "this broker never fetches; add the document to its offline @contexts"
            )
        try:
            return msgspec.json.decode(await self._fetcher.fetch(url))
        except (msgspec.DecodeError, RecursionError) as error:
            raise bad_request(f"the @context {url} is no JSON: {error}") from error

    async def add(self, document: Any, tenant: str) -> KeptContext:
        """Host a @context; raises Problem when it is none. What it names is loaded when used."""
        checked_document(document, "in the body")
        context = document["@context"]
        parts = context if isinstance(context, list) else [context]
        compile_terms([part for part in parts if isinstance(part, Mapping)])
        return await asyncio.to_thread(self._book.add, "Hosted", document, _now(), None, tenant)

    async def host_implicitly(self, context: Any, tenant: str) -> KeptContext:
        """Serve the inline @context of a subscription under a URL of the broker."""
        document = {"@context": context}
        known = [
            kept
            for kept in self._book.all()
            if kept.kind == "ImplicitlyCreated"
            and (kept.document, kept.tenant) == (document, tenant)
        ]
        if known:
            return known[0]
        return await asyncio.to_thread(
            self._book.add, "ImplicitlyCreated", document, _now(), None, tenant
        )

    def list_all(self, tenant: str) -> list[KeptContext]:
        """Every kept @context that a tenant can see."""
        return [kept for kept in self._book.all() if _is_seen(kept, tenant)]

    def get(self, name: str, tenant: str) -> KeptContext:
        """The @context of this id or URL that a tenant can see; raises Problem."""
        kept = self.find(name)
        if kept is None or not _is_seen(kept, tenant):
            raise Problem("ResourceNotFound", f"the broker keeps no @context {name!r}")
        return kept

    async def delete(self, kept: KeptContext) -> None:
        """Forget a @context; what was written by it stays as it is."""
        await asyncio.to_thread(self._book.delete, kept)
        self._compiled.clear()

    async def reload(self, kept: KeptContext) -> None:
        """Load a Cached one anew; raises Problem, and keeps what there is, when that fails."""
        if kept.kind != "Cached" or kept.url is None:
            raise bad_request(
                f"the @context {kept.id} is {kept.kind}: only a Cached one can be reloaded"
            )
        await self._loaded(kept.url)
        self._compiled.clear()


def _is_seen(kept: KeptContext, tenant: str) -> bool:
    return kept.kind == "Cached" or kept.tenant == tenant


def checked_document(document: Any, where: str) -> Any:
    """``document`` when it is a JSON object with a @context; else raises Problem."""
    if not isinstance(document, dict) or "@context" not in document:
        raise bad_request(f"the document {where} has no member @context, so it is no @context")
    context = document["@context"]
    parts = context if isinstance(context, list) else [context]
    if not all(part is None or isinstance(part, str | dict) for part in parts):
        raise bad_request(f"the @context {where} is {context!r}; write URLs and objects")
    return document


def _key(context: Any) -> object:
    return context if isinstance(context, str) else msgspec.json.encode(context)


def _only_url(context: Any) -> str | None:
    single = isinstance(context, list) and len(context) == 1 and isinstance(context[0], str)
    return context[0] if single else None


def _now() -> int:
    return int(time.time() * 1000)
