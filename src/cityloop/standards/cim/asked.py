"""What a query asks for (GS CIM 009, 5.7.2, 6.4.3.2): parameters to selection and shape."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cityloop.standards.cim.core import NAMESPACE
from cityloop.standards.cim.languages import read_wish
from cityloop.standards.cim.outgoing import LOCATION, View
from cityloop.standards.cim.problems import Problem, bad_request
from cityloop.standards.cim.selection.ast import GeoQuery, Query, Selection, Selector
from cityloop.standards.cim.selection.geo import read_geo, read_geometry
from cityloop.standards.cim.selection.ids import read_ids, read_pattern
from cityloop.standards.cim.selection.order import Ordering, read_ordering
from cityloop.standards.cim.selection.projection import NOTHING, Projection, read_projection
from cityloop.standards.cim.selection.q import Names, attributes_of, depth, read_q
from cityloop.standards.cim.selection.scopes import read_scopes
from cityloop.standards.cim.selection.types import read_types
from cityloop.standards.cim.terms import Terms

Parameters = Mapping[str, str]

REPRESENTATION = frozenset(
    {
        *("attrs", "pick", "omit", "geometryProperty", "lang", "options", "format", "datasetId"),
        *("join", "joinLevel", "containedBy", "local", "entityMap", "sysAttrs"),
    }
)
"""Parameters that say how entities are represented."""

QUERY = REPRESENTATION | {
    *("id", "type", "idPattern", "q", "csf", "geometry", "georel", "coordinates", "geoproperty"),
    *("scopeQ", "count", "limit", "offset", "expandValues"),
    *("orderBy", "orderFrom", "orderGeometry", "collation"),
}
"""Parameters of a query of entities."""

PAGE, LARGEST_PAGE = 20, 1_000
"""Entities on a page where nothing is said, and at most."""

DEEPEST_JOIN = 10
"""Relationships followed one after the other, at most."""

_FORMATS: dict[str, Any] = {
    "normalized": "normalised",
    "concise": "concise",
    "keyValues": "simplified",
    "simplified": "simplified",
}
_SYSTEM = frozenset(
    NAMESPACE + name for name in ("createdAt", "modifiedAt", "deletedAt", "expiresAt")
)


@dataclass(frozen=True, slots=True)
class Shape:
    """How entities are represented: ``view`` without the projections, which differ by level.

    ``join``: ``inline``, ``flat`` or empty; ``join_level``: Relationships followed one after the
    other. ``geometry``: the GeoProperty that becomes a Feature's geometry (expanded).
    ``contained_by``: entities that the client has already.
    """

    view: View
    pick: Projection = NOTHING
    omit: Projection = NOTHING
    join: str = ""
    join_level: int = 0
    geometry: str = LOCATION
    contained_by: frozenset[str] = frozenset()

    def at(self, now: int) -> "Shape":
        """The same at a time [ms]: what has expired by then is left out."""
        return replace(self, view=replace(self.view, now=now))


@dataclass(frozen=True, slots=True)
class Asked:
    """A query: which entities, in which order, which page of them, in which shape."""

    selection: Selection
    shape: Shape
    limit: int = PAGE
    offset: int = 0
    count: bool = False
    ordering: Ordering | None = None


def check_names(parameters: Parameters, known: frozenset[str]) -> None:
    """Raise Problem (InvalidRequest, clause 6.3.20) where a parameter is not ``known``."""
    unknown = sorted(parameters.keys() - known)
    if unknown:
        raise Problem(
            "InvalidRequest",
            f"The parameter {', '.join(unknown)} is not known here; "
            f"known are {', '.join(sorted(known)) or 'none'}.",
        )


def read_shape(parameters: Parameters, terms: Terms, *, geojson: bool, now: int = 0) -> Shape:
    """The representation asked for; raises Problem. ``geojson``: the answer will be GeoJSON."""
    if "geometryProperty" in parameters and not geojson:
        raise bad_request("geometryProperty goes with Accept: application/geo+json only")
    formatted, sys_attrs = _format(parameters)
    pick, omit = (_projection(name, parameters, terms) for name in ("pick", "omit"))
    _check_projections(parameters, pick, omit)
    join, level = _join(parameters)
    if max(pick.depth, omit.depth) > level:
        raise bad_request(
            f"pick and omit look {max(pick.depth, omit.depth)} Relationships deep, but join and "
            f"joinLevel follow {level}"
        )
    lang = parameters.get("lang")
    if lang is not None:
        read_wish(lang)
    attrs, datasets = _listed(parameters, "attrs"), _listed(parameters, "datasetId")
    view = View(
        format=formatted,
        sys_attrs=sys_attrs,
        attrs=frozenset(map(terms.expand, attrs)) if attrs else None,
        datasets=frozenset("" if d == "@none" else d for d in datasets) if datasets else None,
        lang=lang,
        now=now,
    )
    geometry = parameters.get("geometryProperty")
    return Shape(
        view,
        pick,
        omit,
        join,
        level,
        terms.expand(geometry) if geometry else LOCATION,
        frozenset(_listed(parameters, "containedBy")),
    )


def level_view(view: View, pick: Projection, omit: Projection) -> View:
    """The view of an entity that ``pick`` and ``omit`` are about."""
    if not pick.members and not omit.members:
        return view
    picked = frozenset(pick.members) if pick.members else None
    return replace(view, pick=picked, omit=omit.whole)


def _format(parameters: Parameters) -> tuple[Any, bool]:
    options = _listed(parameters, "options")
    for option in options:
        if option not in _FORMATS and option != "sysAttrs":
            raise Problem(
                "InvalidRequest",
                f"The option '{option}' is not known; known are {', '.join(_FORMATS)}, sysAttrs.",
            )
    formatted = parameters.get("format") or next((o for o in options if o in _FORMATS), "")
    if formatted and formatted not in _FORMATS:
        raise Problem("InvalidRequest", f"The format '{formatted}' is none of {list(_FORMATS)}.")
    shows_all = "sysAttrs" in options or read_flag(parameters, "sysAttrs")
    return _FORMATS.get(formatted, "normalised"), shows_all


def _projection(what: str, parameters: Parameters, terms: Terms) -> Projection:
    text = parameters.get(what)
    return NOTHING if text is None else read_projection(what, text, terms.expand)


def _check_projections(parameters: Parameters, pick: Projection, omit: Projection) -> None:
    if "attrs" in parameters and (pick.members or omit.members):
        raise bad_request("attrs goes with neither pick nor omit; pick alone says both")
    twice = pick.members.keys() & omit.whole
    if twice:
        raise bad_request(f"pick and omit both name {', '.join(sorted(twice))}")


def _join(parameters: Parameters) -> tuple[str, int]:
    join = parameters.get("join", "@none")
    if join not in ("inline", "flat", "@none"):
        raise bad_request(f"join is '{join}'; it is inline, flat or @none")
    level = _number(parameters, "joinLevel", 1, least=1)
    if level > DEEPEST_JOIN:
        raise bad_request(f"joinLevel is {level}; at most {DEEPEST_JOIN} levels are followed")
    return ("", 0) if join == "@none" else (join, level)


def _listed(parameters: Parameters, name: str) -> list[str]:
    text = parameters.get(name)
    if text is None:
        return []
    items = [item.strip() for item in text.split(",")]
    if not all(items):
        raise bad_request(f"{name} is '{text}': a name is missing")
    return items


def _number(parameters: Parameters, name: str, usual: int, least: int = 0) -> int:
    text = parameters.get(name)
    if text is None:
        return usual
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) >= least):
        raise bad_request(f"{name} is '{text}'; it is a whole number from {least} on")
    return int(text)


def read_flag(parameters: Parameters, name: str, usual: bool = False) -> bool:
    """A parameter that is ``true`` or ``false``; raises Problem (BadRequestData)."""
    text = parameters.get(name)
    if text is None:
        return usual
    if text.lower() not in ("true", "false"):
        raise bad_request(f"{name} is '{text}'; it is true or false")
    return text.lower() == "true"


def read_asked(
    parameters: Parameters,
    terms: Terms,
    *,
    geojson: bool,
    now: int = 0,
    selectors: tuple[Selector, ...] | None = None,
) -> Asked:
    """The query; ``selectors`` where a body named them. Raises Problem, TooManyResults among."""
    shape = read_shape(parameters, terms, geojson=geojson, now=now)
    if selectors is None:
        selectors = _selectors(parameters, terms)
    selection = read_selection(parameters, terms, selectors)
    if selection.q is not None and depth(selection.q) > shape.join_level:
        raise bad_request(
            f"q follows {depth(selection.q)} Relationships, but join and joinLevel follow "
            f"{shape.join_level}"
        )
    limit, count = _number(parameters, "limit", PAGE), read_flag(parameters, "count")
    if limit > LARGEST_PAGE:
        raise Problem("TooManyResults", f"A page has at most {LARGEST_PAGE} entities.")
    if not limit and not count:
        raise bad_request("limit=0 goes with count=true only")
    offset = _number(parameters, "offset", 0)
    return Asked(selection, shape, limit, offset, count, _ordering(parameters, terms))


def read_selection(
    parameters: Parameters, terms: Terms, selectors: tuple[Selector, ...]
) -> Selection:
    """Which entities are meant; raises Problem, also where nothing narrows them (5.7.2.4)."""
    names = Names(terms.expand, terms.expand_value, _listed(parameters, "expandValues"))
    q = read_q(parameters["q"], names) if "q" in parameters else None
    if "csf" in parameters:  # no registrations yet that it could select; wrong ones are told
        read_q(parameters["csf"], names)
    scopes = parameters.get("scopeQ")
    attributes = tuple(map(terms.expand, _listed(parameters, "attrs")))
    selection = Selection(
        selectors,
        tuple(name for name in attributes if name not in _SYSTEM),
        q,
        _geo(parameters, terms),
        None if scopes is None else read_scopes(scopes),
    )
    _check_width(selection, q, parameters)
    return selection


def _check_width(selection: Selection, q: Query | None, parameters: Parameters) -> None:
    everywhere = parameters.get("type") == "*"
    if everywhere and not read_flag(parameters, "local", usual=True):
        raise bad_request("type=* asks this broker alone; local=false contradicts it")
    narrow = (
        any(selector.types is not None for selector in selection.selectors)
        or selection.attributes
        or (q is not None and attributes_of(q))
        or selection.geo is not None
        or read_flag(parameters, "local", usual=everywhere)
    )
    if not narrow:
        raise bad_request(
            "the query is too wide: say type, attrs, q (of an attribute), georel or local=true"
        )


def _selectors(parameters: Parameters, terms: Terms) -> tuple[Selector, ...]:
    types = parameters.get("type", "*")
    selector = Selector(
        read_ids(_listed(parameters, "id")),
        checked_pattern(parameters.get("idPattern", "")),
        None if types == "*" else read_types(types, terms.expand),
    )
    return () if selector == Selector() else (selector,)


def checked_pattern(text: str) -> str:
    """A pattern of ids; raises Problem where it is none."""
    if text:
        read_pattern(text)
    return text


def _geo(parameters: Parameters, terms: Terms) -> GeoQuery | None:
    if not parameters.keys() & {"georel", "geometry", "coordinates"}:
        return None
    attribute = parameters.get("geoproperty")
    return read_geo(
        parameters.get("georel"),
        parameters.get("geometry"),
        parameters.get("coordinates"),
        terms.expand(attribute) if attribute else LOCATION,
    )


def _ordering(parameters: Parameters, terms: Terms) -> Ordering | None:
    origin = parameters.get("orderFrom")
    reference = ""
    if origin is not None:
        reference = read_geometry(parameters.get("orderGeometry", "Point"), origin)
    criteria = _listed(parameters, "orderBy")
    collation = parameters.get("collation", "")
    if not criteria and not collation:
        return None
    return read_ordering(criteria, terms.expand, reference, collation)
