"""The members of a subscription: each is checked and brought into its kept form by one function.

What the tables do not name (Table 5.2.12-2: what only the broker may say) is passed over.
"""

import re
from collections.abc import Callable
from typing import Any, TypeAlias

from cityloop.standards.cim.problems import bad_request
from cityloop.standards.cim.selection.geo import read_geo
from cityloop.standards.cim.selection.ids import is_uri, read_pattern
from cityloop.standards.cim.selection.q import Names, read_q
from cityloop.standards.cim.selection.scopes import read_scopes
from cityloop.standards.cim.selection.types import read_types
from cityloop.standards.cim.terms import Terms
from cityloop.standards.cim.times import read_datetime

TRIGGERS = (
    "entityCreated", "entityUpdated", "entityDeleted",
    "attributeCreated", "attributeUpdated", "attributeDeleted",
)  # fmt: skip
FORMATS = ("normalized", "concise", "keyValues", "simplified")
ACCEPTS = ("application/json", "application/ld+json", "application/geo+json")
JOINS = ("flat", "inline", "@none")
ENTITY_MEMBERS = frozenset({"id", "type", "scope", "createdAt", "modifiedAt", "deletedAt"})
"""Members of an entity that are no attributes; ``pick`` and ``omit`` may name them."""

_NULLS = (None, "urn:ngsi-ld:null")
_ADDRESS = re.compile(r"(?:https?|mqtts?)://[^\s/?#]+\S*").fullmatch
_NAME = re.compile(r"[^\s(){}|,;]+")
_PERCENT = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch

Reader: TypeAlias = Callable[[Any, str, Terms], Any]
"""Checks a member's value and gives its kept form; the text is where it stands."""


def read_members(body: dict[str, Any], terms: Terms) -> dict[str, Any]:
    """The members that ``body`` has, kept; None for one that is to be removed."""
    return {
        name: None if body[name] in _NULLS else read(body[name], name, terms)
        for name, read in _MEMBERS.items()
        if name in body
    }


def json_object(value: Any, where: str) -> dict[str, Any]:
    """``value`` where it is a JSON object; else raises Problem."""
    if not isinstance(value, dict):
        raise bad_request(f"{where} is not a JSON object.")
    return value


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise bad_request(f"'{where}' is not an array with something in it.")
    return value


def _text(value: Any, where: str, _: Terms) -> str:
    if not isinstance(value, str) or not value:
        raise bad_request(f"'{where}' is not a text with something in it.")
    return value


def _flag(value: Any, where: str, _: Terms) -> bool:
    if not isinstance(value, bool):
        raise bad_request(f"'{where}' is neither true nor false.")
    return value


def _positive(value: Any, where: str, _: Terms) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise bad_request(f"'{where}' is not a number greater than 0.")
    return value


def _uri(value: Any, where: str, _: Terms) -> str:
    if not isinstance(value, str) or not is_uri(value):
        raise bad_request(f"'{where}' is not a URI: {value!r}.")
    return value


def _moment(value: Any, where: str, _: Terms) -> str:
    try:
        read_datetime(value)
    except ValueError as error:
        raise bad_request(f"'{where}': {error}.") from None
    return str(value)


def _one_of(*choices: str) -> Reader:
    def read(value: Any, where: str, _: Terms) -> Any:
        if value not in choices:
            raise bad_request(f"'{where}' is {value!r}; it may be: {', '.join(choices)}.")
        return value

    return read


def _uris(value: Any, where: str, terms: Terms) -> list[str]:
    return [
        item if item == "@none" else _uri(item, where, terms)
        for item in ([value] if isinstance(value, str) else _list(value, where))
    ]


def _triggers(value: Any, where: str, terms: Terms) -> list[str]:
    read = _one_of(*TRIGGERS)
    return [read(item, where, terms) for item in _list(value, where)]


def _names(value: Any, where: str, terms: Terms) -> list[str]:
    return [expanded(_text(item, where, terms), terms) for item in _list(value, where)]


def expanded(text: str, terms: Terms) -> str:
    """``text`` with every name in it expanded."""
    return _NAME.sub(
        lambda name: name[0] if name[0] in ENTITY_MEMBERS else terms.expand(name[0]), text
    )


def compacted(text: str, terms: Terms) -> str:
    """``text`` with every name in it compacted."""
    return _NAME.sub(
        lambda name: name[0] if name[0] in ENTITY_MEMBERS else terms.compact(name[0]), text
    )


def _entities(value: Any, where: str, terms: Terms) -> list[dict[str, Any]]:
    return [_selector(item, f"{where}[{at}]", terms) for at, item in enumerate(_list(value, where))]


def _selector(value: Any, where: str, terms: Terms) -> dict[str, Any]:
    selector = json_object(value, where)
    kept: dict[str, Any] = {}
    if selector.get("id") is not None:
        ids = _uris(selector["id"], f"{where}.id", terms)
        kept["id"] = ids if isinstance(selector["id"], list) else ids[0]
    if selector.get("idPattern") is not None:
        kept["idPattern"] = _text(selector["idPattern"], f"{where}.idPattern", terms)
        read_pattern(kept["idPattern"])
    types = _text(selector.get("type"), f"{where}.type", terms)
    if types != "*":
        read_types(types, terms.expand)
        types = expanded(types, terms)
    return {**kept, "type": types}


def decoded(text: str) -> str:
    """``text`` without percent-encoding, as clients carry it over from a query string."""

    def characters(found: re.Match[str]) -> str:
        try:
            return bytes.fromhex(found[0].replace("%", "")).decode()
        except UnicodeDecodeError:
            return found[0]

    return _PERCENT.sub(characters, text)


def _q(value: Any, where: str, terms: Terms) -> str:
    text = _text(value, where, terms)
    read_q(decoded(text), Names(terms.expand, terms.expand_value))
    return text


def _scopes(value: Any, where: str, terms: Terms) -> str:
    text = _text(value, where, terms)
    read_scopes(text)
    return text


def _geo(value: Any, where: str, terms: Terms) -> dict[str, Any]:
    query = json_object(value, where)
    attribute = terms.expand(_text(query.get("geoproperty", "location"), where, terms))
    read_geo(query.get("georel"), query.get("geometry"), query.get("coordinates"), attribute)
    kept = {name: query[name] for name in ("georel", "geometry", "coordinates")}
    return {**kept, "geoproperty": attribute} if "geoproperty" in query else kept


def _pairs(value: Any, where: str, _: Terms) -> list[dict[str, str]]:
    """KeyValuePair[] (5.2.22)."""
    kept = []
    for item in _list(value, where):
        pair = json_object(item, where)
        if not all(isinstance(pair.get(name), str) for name in ("key", "value")):
            raise bad_request(f"'{where}' is an array of objects with two texts: key and value.")
        if not _HEADER(pair["key"]) or not pair["value"].isprintable():
            raise bad_request(f"'{where}': {pair['key']!r} cannot be sent as a header.")
        kept.append({"key": pair["key"], "value": pair["value"]})
    return kept


def _uri_of_endpoint(value: Any, where: str, terms: Terms) -> str:
    if not _ADDRESS(_text(value, where, terms)):
        raise bad_request(f"'{where}' is {value!r}, no address: http(s)://… or mqtt(s)://….")
    return str(value)


def _endpoint(value: Any, where: str, terms: Terms) -> dict[str, Any]:
    kept = _read(json_object(value, where), where, _ENDPOINT, terms)
    if "uri" not in kept:
        raise bad_request(f"'{where}.uri' is missing: where the notifications go.")
    return kept


def _notification(value: Any, where: str, terms: Terms) -> dict[str, Any]:
    kept = _read(json_object(value, where), where, _NOTIFICATION, terms)
    if "endpoint" not in kept:
        raise bad_request(f"'{where}.endpoint' is missing: where the notifications go.")
    if kept.get("showChanges") and kept.get("format") in ("keyValues", "simplified"):
        raise bad_request("'showChanges' needs the format normalized or concise (5.2.14).")
    picked, omitted = set(kept.get("pick", ())), set(kept.get("omit", ()))
    if "attributes" in kept and (picked or omitted):
        raise bad_request("'attributes' excludes 'pick' and 'omit' (4.21).")
    if picked & omitted:
        raise bad_request("A member cannot be both picked and omitted (4.21).")
    return kept


def _read(
    given: dict[str, Any], where: str, readers: dict[str, Reader], terms: Terms
) -> dict[str, Any]:
    return {
        name: read(given[name], f"{where}.{name}", terms)
        for name, read in readers.items()
        if given.get(name) is not None
    }


_ENDPOINT: dict[str, Reader] = {
    "uri": _uri_of_endpoint,
    "accept": _one_of(*ACCEPTS),
    "timeout": _positive,
    "cooldown": _positive,
    "receiverInfo": _pairs,
    "notifierInfo": _pairs,
}
_NOTIFICATION: dict[str, Reader] = {
    "attributes": _names,
    "pick": _names,
    "omit": _names,
    "format": _one_of(*FORMATS),
    "sysAttrs": _flag,
    "showChanges": _flag,
    "join": _one_of(*JOINS),
    "joinLevel": _positive,
    "endpoint": _endpoint,
}
_MEMBERS: dict[str, Reader] = {
    "id": _uri,
    "type": _one_of("Subscription"),
    "subscriptionName": _text,
    "description": _text,
    "entities": _entities,
    "watchedAttributes": _names,
    "notificationTrigger": _triggers,
    "timeInterval": _positive,
    "throttling": _positive,
    "q": _q,
    "geoQ": _geo,
    "csf": _q,
    "scopeQ": _scopes,
    "lang": _text,
    "datasetId": _uris,
    "jsonldContext": _uri,
    "isActive": _flag,
    "expiresAt": _moment,
    "notification": _notification,
}
