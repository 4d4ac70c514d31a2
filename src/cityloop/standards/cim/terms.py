"""Names: what a @context makes of them, compiled to dictionaries once and looked up ever after.

JSON-LD's own algorithms cost a millisecond per entity; NGSI-LD needs of them only that a name
becomes an IRI and an IRI a name again (5.5.7), which a pair of dictionaries does in 50 ns. What
``expand`` and ``compact`` answer is what JSON-LD 1.1 answers for ``[user @context, Core @context]``
(a property test holds them to it).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from cityloop.standards.cim.core import CORE, CORE_PREFIXES, CORE_URL, DEFAULT_VOCAB
from cityloop.standards.cim.problems import Problem, bad_request

_NAME = re.compile(r"[^\W\d_]\w*").fullmatch  # 4.6.2: a letter, then letters, digits, "_"
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`\x00-\x20]+").fullmatch
_PREFIX_ENDS = frozenset(":/?#[]@")
_IGNORED = frozenset({"@base", "@language", "@direction", "@version", "@protected", "@propagate"})
_MOST_CACHED: Final = 65_536


class Terms:
    """A compiled @context. Immutable but for its caches; shared by all requests that name it.

    ``link``: the URL a Link header can name; ``context``: what answers carry as ``@context``.
    """

    __slots__ = ("_compact", "_expand", "_names", "_prefixes", "_shorts", "context", "link")

    def __init__(
        self, names: Mapping[str, str], prefixes: Mapping[str, str], link: str | None, context: Any
    ) -> None:
        self._names = {**names, **CORE}
        self._prefixes = {
            prefix: iri for prefix, iri in prefixes.items() if prefix not in CORE
        } | CORE_PREFIXES
        self._shorts: dict[str, str] = {}
        for name in sorted(self._names, key=lambda name: (len(name), name)):
            self._shorts.setdefault(self._names[name], name)
        self.link = link
        self.context = context
        self._expand: dict[str, str] = {}
        self._compact: dict[str, str] = {}

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> "Terms":
        """The Terms that ``kept`` told of."""
        return cls(kept["names"], kept["prefixes"], kept["link"], kept["context"])

    def kept(self) -> dict[str, Any]:
        """All that is needed to have them again without any document."""
        names = {name: iri for name, iri in self._names.items() if name not in CORE}
        prefixes = {name: iri for name, iri in self._prefixes.items() if name not in CORE_PREFIXES}
        return {"names": names, "prefixes": prefixes, "link": self.link, "context": self.context}

    def expand(self, name: str) -> str:
        """The IRI of an attribute's or a type's name; raises Problem for what cannot be one."""
        iri = self._expand.get(name)
        if iri is None:
            iri = self._checked(name)
            _remember(self._expand, name, iri)
        return iri

    def compact(self, iri: str) -> str:
        """The shortest name that ``expand`` makes ``iri`` of, else ``iri`` itself."""
        name = self._compact.get(iri)
        if name is None:
            name = self._shorts.get(iri) or self._relative(iri) or self._shortened(iri) or iri
            _remember(self._compact, iri, name)
        return name

    def expand_value(self, value: str) -> str:
        """The IRI of a value from a vocabulary: any text, looked up as a name is."""
        return _resolved(value, self._names, self._prefixes, DEFAULT_VOCAB)

    def _checked(self, name: str) -> str:
        if not (_NAME(name) or name in self._names or _IRI(name)):
            raise bad_request(
                f"{name!r} is no name: it begins with a letter, then letters, digits and '_', "
                "or is an IRI (4.6.2)"
            )
        iri = self.expand_value(name)
        if iri.startswith("@"):
            raise bad_request(f"{name!r} stands for {iri}, which names no type or attribute")
        if not iri:
            raise bad_request(f"the @context maps {name!r} to null")
        return iri

    def _relative(self, iri: str) -> str | None:
        name = iri[len(DEFAULT_VOCAB) :] if iri.startswith(DEFAULT_VOCAB) else ""
        return name if name and name not in self._names and ":" not in name else None

    def _shortened(self, iri: str) -> str | None:
        short = [
            f"{prefix}:{iri[len(start) :]}"
            for prefix, start in self._prefixes.items()
            if iri.startswith(start) and len(iri) > len(start)
        ]
        short = [name for name in short if name not in self._names]
        return min(short, key=lambda name: (len(name), name), default=None)


def _remember(cache: dict[str, str], key: str, value: str) -> None:
    if len(cache) >= _MOST_CACHED:  # whoever sends ever new names does not fill the memory
        cache.clear()
    cache[key] = value


def compile_terms(
    documents: Sequence[Mapping[str, Any] | None], link: str | None = None, context: Any = None
) -> Terms:
    """The Terms of @context objects in their order (no URL among them; None forgets those before).

    Raises Problem (BadRequestData) for what is no @context, or one that NGSI-LD does not allow.
    """
    names: dict[str, str] = {}
    prefixes: dict[str, str] = {}
    vocab = DEFAULT_VOCAB
    for document in documents:
        if document is None:
            names, prefixes, vocab = {}, {}, DEFAULT_VOCAB
        else:
            try:
                vocab = _Definitions(document, names, prefixes, vocab).define_all()
            except RecursionError:
                raise bad_request("the terms of the @context hang on too many others") from None
    return Terms(names, prefixes, link, context if context is not None else link or CORE_URL)


class _Definitions:
    """The definitions of one @context object, each resolved when another one needs it."""

    def __init__(
        self,
        document: Mapping[str, Any],
        names: dict[str, str],
        prefixes: dict[str, str],
        vocab: str,
    ) -> None:
        self.document, self.names, self.prefixes, self.vocab = document, names, prefixes, vocab
        self.under_way: dict[str, bool] = {}

    def define_all(self) -> str:
        """Define every term; returns the ``@vocab`` in force afterwards."""
        vocab = self.document.get("@vocab", self.vocab)
        if vocab is not None and not isinstance(vocab, str):
            raise bad_request(f"@vocab of the @context is {vocab!r}; write an IRI")
        self.vocab = self._resolve(vocab) if vocab and vocab != self.vocab else self.vocab
        for term in self.document:
            if not term.startswith("@"):
                self._define(term)
            elif term not in _IGNORED and term != "@vocab":
                raise bad_request(f"{term} in a @context is not supported; leave it out")
        return self.vocab

    def _define(self, term: str) -> None:
        done = self.under_way.get(term)
        if done is False:
            raise bad_request(f"the @context defines {term!r} by itself (a cycle)")
        if done:
            return
        self.under_way[term] = False
        self.names.pop(term, None)
        self.prefixes.pop(term, None)
        self._set(term, self.document[term])
        self.under_way[term] = True

    def _set(self, term: str, definition: Any) -> None:
        simple = isinstance(definition, str)
        target = definition if simple else _target(term, definition)
        if target is _ABSENT:
            self.names[term] = self._without_id(term)
        elif target is None:
            self.names[term] = ""
        else:
            self.names[term] = self._resolve(target)
        iri = self.names[term]
        is_prefix = simple and iri[-1:] in _PREFIX_ENDS
        if is_prefix or (isinstance(definition, dict) and definition.get("@prefix") is True):
            self.prefixes[term] = iri

    def _without_id(self, term: str) -> str:
        return self._resolve(term) if ":" in term[1:] else self.vocab + term

    def _resolve(self, name: str) -> str:
        for part in (name, name.partition(":")[0]):
            if part in self.document and not self.under_way.get(part) and not _is_own(part, name):
                self._define(part)
        return _resolved(name, self.names, self.prefixes, self.vocab)


_ABSENT: Final = object()


def _is_own(part: str, name: str) -> bool:
    """Whether ``part`` is a whole compact IRI that defines itself (``"a:b": {"@type": …}``)."""
    return part == name and ":" in name


def _target(term: str, definition: Any) -> Any:
    """What ``@id`` of an expanded definition says; ``_ABSENT`` where it is not there."""
    if definition is None:
        return None
    if not isinstance(definition, dict):
        raise bad_request(f"the @context defines {term!r} as {definition!r}; write an IRI")
    if "@context" in definition:
        raise bad_request(f"the @context of {term!r} is a scoped one; NGSI-LD has none (5.5.7)")
    target = definition.get("@id", definition.get("@reverse", _ABSENT))
    if target is not _ABSENT and target is not None and not isinstance(target, str):
        raise bad_request(f"@id of {term!r} in the @context is {target!r}; write an IRI")
    return target


def _resolved(name: str, names: Mapping[str, str], prefixes: Mapping[str, str], vocab: str) -> str:
    """JSON-LD's IRI expansion of a name relative to the vocabulary."""
    if name.startswith("@"):
        return name
    known = names.get(name)
    if known is not None:
        return known
    prefix, colon, rest = name.partition(":")
    if not colon or not prefix:
        return vocab + name
    start = CORE_PREFIXES.get(prefix) or prefixes.get(prefix)
    if start is None or rest.startswith("//"):
        return name
    return start + rest


def not_available(url: str, why: object) -> Problem:
    """The error of a @context that could not be had."""
    return Problem("LdContextNotAvailable", f"the @context {url} could not be obtained: {why}")
