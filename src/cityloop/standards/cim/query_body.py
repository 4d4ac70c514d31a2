"""A query in a body (``Query``, GS CIM 009, clause 5.2.23): the parameters that say the same."""

import json
from collections.abc import Mapping
from typing import Any

from cityloop.standards.cim.asked import checked_pattern
from cityloop.standards.cim.problems import bad_request
from cityloop.standards.cim.selection.ast import Selector
from cityloop.standards.cim.selection.ids import read_ids
from cityloop.standards.cim.selection.types import read_types
from cityloop.standards.cim.terms import Terms

_LISTS = frozenset({"attrs", "pick", "omit", "datasetId", "expandValues", "containedBy"})
_TEXTS = frozenset({"q", "csf", "scopeQ", "lang", "join", "geometryProperty"})
_GEO = {
    "georel": "georel",
    "geometry": "geometry",
    "geoproperty": "geoproperty",
    "coordinates": "coordinates",
}
_ORDERING = {
    "orderBy": "orderBy",
    "coordinates": "orderFrom",
    "geometry": "orderGeometry",
    "collation": "collation",
}


def read_body(body: object, terms: Terms) -> tuple[dict[str, str], tuple[Selector, ...]]:
    """The parameters that say what a Query (clause 5.2.23) says, and its selectors.

    Raises Problem (BadRequestData).
    """
    if not isinstance(body, dict) or body.get("type") != "Query":
        raise bad_request('the body is no query: an object with "type": "Query"')
    parameters: dict[str, str] = {}
    for name, value in body.items():
        if name in ("type", "@context", "entities"):
            continue
        parameters |= _member(name, value)
    return parameters, _entities(body["entities"], terms) if "entities" in body else ()


def _member(name: str, value: Any) -> dict[str, str]:
    if name in _LISTS:
        return {name: _texts(name, value)}
    if name in _TEXTS:
        return {name: _text(name, value)}
    if name == "joinLevel":
        if type(value) is not int:
            raise bad_request(f"joinLevel is {value!r}; it is a whole number")
        return {name: str(value)}
    if name in ("geoQ", "ordering"):
        return _nested(name, value, _GEO if name == "geoQ" else _ORDERING)
    if name == "temporalQ":
        raise bad_request("temporalQ belongs to a query of the temporal evolution of entities")
    raise bad_request(f"'{name}' is no member of a query")


def _nested(name: str, value: Any, known: Mapping[str, str]) -> dict[str, str]:
    if not isinstance(value, dict) or not value:
        raise bad_request(f"{name} is {value!r}; it is an object")
    parameters = {}
    for key, inner in value.items():
        where = f"{name}.{key}"
        if key not in known:
            raise bad_request(f"'{where}' is not known; known are {', '.join(known)}")
        if key == "coordinates":
            text = inner if name == "geoQ" and isinstance(inner, str) else json.dumps(inner)
        else:
            text = _texts(where, inner) if key == "orderBy" else _text(where, inner)
        parameters[known[key]] = text
    return parameters


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise bad_request(f"{name} is {value!r}; it is a text")
    return value


def _texts(name: str, value: Any) -> str:
    listed = value if isinstance(value, list) else [value]
    if not listed:
        raise bad_request(f"{name} is an empty array; leave it out")
    return ",".join(_text(name, each) for each in listed)


def _entities(given: Any, terms: Terms) -> tuple[Selector, ...]:
    if not isinstance(given, list) or not given:
        raise bad_request("entities is an array of at least one selector")
    return tuple(read_selector(each, terms) for each in given)


def read_selector(given: Any, terms: Terms) -> Selector:
    """An EntitySelector (clause 5.2.33); raises Problem (BadRequestData)."""
    if not isinstance(given, dict) or not isinstance(given.get("type"), str):
        raise bad_request(f"{given!r} selects no entities: it is an object with a type")
    unknown = given.keys() - {"id", "idPattern", "type"}
    if unknown:
        raise bad_request(f"{', '.join(sorted(unknown))} is no member of a selector of entities")
    ids = given.get("id", [])
    listed = ids if isinstance(ids, list) else [ids]
    pattern = given.get("idPattern", "")
    if not isinstance(pattern, str) or not all(isinstance(each, str) for each in listed):
        raise bad_request(f"{given!r}: an id is a URI or an array of URIs, a pattern is a text")
    return Selector(
        read_ids(listed),
        checked_pattern(pattern),
        None if given["type"] == "*" else read_types(given["type"], terms.expand),
    )
