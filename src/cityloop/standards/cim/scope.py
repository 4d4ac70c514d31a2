"""The scopes of an entity (4.18): paths such as /Madrid/Gardens; over time a Property (4.5.6)."""

import re
from typing import Any, Final

from cityloop.standards.cim.core import NAMESPACE
from cityloop.standards.cim.kept import Instance
from cityloop.standards.cim.problems import bad_request
from cityloop.standards.cim.times import is_datetime, write_datetime

SCOPE: Final = NAMESPACE + "scope"
"""The attribute that the scope is where it is told over time."""
_OVER_TIME = frozenset(
    {"type", "value", "observedAt", "createdAt", "modifiedAt", "deletedAt", "instanceId"}
)

_LEVEL = r"[^\W\d_]\w*"
_SCOPE = re.compile(f"/?{_LEVEL}(?:/{_LEVEL})*").fullmatch


def read_scope(given: Any) -> list[str]:
    """The scopes of the member "scope", each with its leading slash; raises Problem if wrong."""
    scopes = given if isinstance(given, list) else [given]
    if not scopes or not all(isinstance(scope, str) and _SCOPE(scope) for scope in scopes):
        raise bad_request(
            f"scope is {given!r}; write paths of names such as /Madrid/Gardens: each level begins "
            "with a letter, then letters, digits and '_' (4.18)"
        )
    return list(dict.fromkeys(scope if scope[0] == "/" else f"/{scope}" for scope in scopes))


def is_scope_over_time(given: Any) -> bool:
    """Whether the member "scope" tells instances of a Property."""
    each = given if isinstance(given, list) else [given]
    return any(isinstance(one, dict) for one in each)


def read_scope_over_time(given: Any, now: int) -> list[Instance]:
    """The scope as instances of a Property (4.5.6), written ``now`` (ms); raises Problem."""
    return [_instance(one, now) for one in (given if isinstance(given, list) else [given])]


def _instance(given: Any, now: int) -> Instance:
    if not isinstance(given, dict) or given.get("type") != "Property" or given.keys() - _OVER_TIME:
        raise bad_request(
            f"an instance of scope is {given!r}; write a Property with value and observedAt (4.5.6)"
        )
    instance = _told(read_scope(given.get("value")), now)
    if "observedAt" in given:
        if not is_datetime(given["observedAt"]):
            raise bad_request(f"observedAt of scope is {given['observedAt']!r}; write a DateTime")
        instance["observedAt"] = given["observedAt"]
    return instance


def scope_instance(scopes: list[str], at: int) -> Instance:
    """What a change of the scope ``at`` some time (ms) adds to its past; no scopes: it was deleted.

    4.5.6: "the observedAt sub-Property should be set as a copy of the modifiedAt sub-Property".
    """
    instance = _told(scopes, at)
    if scopes:
        return instance | {"observedAt": write_datetime(at)}
    return instance | {"deletedAt": at}


def _told(scopes: list[str], at: int) -> Instance:
    value = scopes[0] if len(scopes) == 1 else scopes
    return {"type": "Property", "value": value, "createdAt": at, "modifiedAt": at}


def scopes_of(instance: Instance) -> list[str]:
    """The scopes that an instance tells; none where it tells that they were deleted."""
    value: Any = instance["value"]
    return value if isinstance(value, list) else [value]
