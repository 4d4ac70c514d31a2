"""What of an entity a request wants to see, and how: its parameters as a View."""

from collections.abc import Iterable

from cityloop.standards.cim.instances import DEFAULT_INSTANCE
from cityloop.standards.cim.outgoing import PLAIN, Format, View
from cityloop.standards.cim.problems import Problem, bad_request
from cityloop.standards.cim.terms import Terms
from cityloop.web.ngsild.request import Request

PARAMS = (
    *("attrs", "pick", "omit", "lang", "datasetId", "options", "format", "geometryProperty"),
    "sysAttrs",
)
"""The parameters that ``read_view`` reads."""

_FORMATS: dict[str, Format] = {
    "normalized": "normalised",
    "concise": "concise",
    "keyValues": "simplified",
    "simplified": "simplified",
}
_OPTIONS = frozenset({*_FORMATS, "sysAttrs", "count"})
_OF_ENTITY = frozenset({"id", "type", "scope", "createdAt", "modifiedAt", "expiresAt"})


def read_view(request: Request, terms: Terms, now: int) -> View:
    """The View that the parameters of ``request`` ask for; raises Problem for a wrong one."""
    params = request.params
    if not params:
        return View(now=now) if now else PLAIN
    options = request.options
    if not options <= _OPTIONS:
        unknown = ", ".join(sorted(options - _OPTIONS))
        raise Problem("InvalidRequest", f"options: {unknown} is unknown")
    return View(
        format=read_format(options),
        sys_attrs="sysAttrs" in options or params.get("sysAttrs") == "true",
        attrs=_expanded(request, "attrs", terms),
        pick=_expanded(request, "pick", terms),
        omit=_expanded(request, "omit", terms) or frozenset(),
        datasets=_datasets(request),
        lang=params.get("lang"),
        now=now,
    )


def read_format(options: Iterable[str]) -> Format:
    """The format that ``options`` name; normalised where they name none."""
    return next((_FORMATS[each] for each in options if each in _FORMATS), "normalised")


def _expanded(request: Request, name: str, terms: Terms) -> frozenset[str] | None:
    if name not in request.params:
        return None
    names = request.listed(name)
    if not names:
        raise bad_request(f"{name} is empty; name at least one member")
    return frozenset(each if each in _OF_ENTITY else terms.expand(each) for each in names)


def _datasets(request: Request) -> frozenset[str] | None:
    if "datasetId" not in request.params:
        return None
    return frozenset(
        "" if each == DEFAULT_INSTANCE else each for each in request.listed("datasetId")
    )
