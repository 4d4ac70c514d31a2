"""Reads one instance of an attribute, with its members and its sub-attributes."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from cityloop.standards.cim.core import NAMESPACE
from cityloop.standards.cim.geometry import is_geometry, is_one_of
from cityloop.standards.cim.iris import checked_id
from cityloop.standards.cim.kept import NULL, Instance
from cityloop.standards.cim.problems import bad_request
from cityloop.standards.cim.reading import Reading
from cityloop.standards.cim.terms import Terms
from cityloop.standards.cim.times import is_datetime
from cityloop.standards.cim.values import READERS, wrong_null

DEFAULT_INSTANCE = "@none"
"""The datasetId that a client may write for the instance without one (4.5.5)."""
_DEEPEST: Final = 16

_SYSTEM = frozenset(
    {"type", "@type", "datasetId", "createdAt", "modifiedAt", "deletedAt", "instanceId"}
)
_VALUES = frozenset(member for member, _ in READERS.values())
_METADATA = frozenset({"datasetId", "observedAt", "unitCode", "expiresAt"})
_OUTPUT_ONLY = frozenset({"entity", "entityList", "lang"}) | {
    f"previous{member[0].upper()}{member[1:]}" for member in _VALUES
}
_BY_MEMBER = {
    "object": "Relationship",
    "languageMap": "LanguageProperty",
    "vocab": "VocabProperty",
    "json": "JsonProperty",
    "valueList": "ListProperty",
    "objectList": "ListRelationship",
}
_PROOF = NAMESPACE + "ngsildproof"
_GEO_ONLY = frozenset(
    NAMESPACE + name for name in ("location", "observationSpace", "operationSpace")
)
_WITH_UNIT = frozenset({"Property", "ListProperty", None})
_WITH_TARGET = frozenset({"Relationship", "ListRelationship", None})


def read_instances(given: Any, name: str, iri: str, reading: Reading) -> dict[str, Instance]:
    """The instances of the attribute ``name`` (``iri``), by datasetId; raises Problem."""
    if type(given) is dict and not reading.simplified:  # by far the most, on the shortest way
        dataset, instance = _instance(given, name, iri, reading, 0)
        return {dataset: instance}
    return _attribute(given, name, iri, reading, 0)


def _attribute(
    given: Any, name: str, iri: str, reading: Reading, depth: int
) -> dict[str, Instance]:
    if type(given) is list and _are_instances(given, reading):
        return _several(given, name, iri, reading, depth)
    if reading.simplified and type(given) is dict and given.keys() == {"dataset"}:
        return _by_dataset(given["dataset"], name, iri, reading, depth)
    dataset, instance = _instance(given, name, iri, reading, depth)
    return {dataset: instance}


def _are_instances(given: list[Any], reading: Reading) -> bool:
    """Whether a list holds instances, not the items of a Property's value."""
    return (
        not reading.simplified
        and bool(given)
        and all(type(each) is dict and _is_instance(each) for each in given)
    )


def _is_instance(given: dict[str, Any]) -> bool:
    return is_one_of(READERS, given) or not _VALUES.isdisjoint(given) or is_geometry(given)


def _several(
    given: list[Any], name: str, iri: str, reading: Reading, depth: int
) -> dict[str, Instance]:
    instances: dict[str, Instance] = {}
    for each in given:
        dataset, instance = _instance(each, name, iri, reading, depth)
        if dataset in instances:
            raise bad_request(
                f"{name} has two instances of the datasetId {dataset or DEFAULT_INSTANCE!r}"
            )
        instances[dataset] = instance
    return instances


def _by_dataset(
    given: Any, name: str, iri: str, reading: Reading, depth: int
) -> dict[str, Instance]:
    if not isinstance(given, dict) or not given:
        raise bad_request(f"dataset of {name} is no object of values by datasetId")
    return {
        _dataset(dataset, name): _instance(value, name, iri, reading, depth)[1]
        for dataset, value in given.items()
    }


def read_instance(given: Any, name: str, iri: str, reading: Reading) -> tuple[str, Instance]:
    """The datasetId ("" for the default one) and the instance; raises Problem for a wrong one."""
    return _instance(given, name, iri, reading, 0)


def _instance(
    given: Any, name: str, iri: str, reading: Reading, depth: int
) -> tuple[str, Instance]:
    if type(given) is not dict:
        return "", _bare("Property", given, name, iri, reading)
    kind = given.get("type") or given.get("@type")
    reader = READERS.get(kind) if type(kind) is str else None
    if reader is None or reading.simplified:
        kind, is_whole = _inferred(given, kind, name, reading)
        if is_whole:
            return "", _bare(kind or "Property", given, name, iri, reading)
    elif iri in _GEO_ONLY and kind != "GeoProperty":
        raise bad_request(f"{name} is a {kind}; it is a GeoProperty everywhere (4.7.1)")
    return _members(given, kind, name, iri, reading, depth)


def _bare(kind: str, value: Any, name: str, iri: str, reading: Reading) -> Instance:
    """The instance of a value that stands for the whole attribute (concise, simplified)."""
    if value == NULL:
        if not reading.nulls:
            raise wrong_null(name)
        return {"value": NULL, "createdAt": reading.now, "modifiedAt": reading.now}
    if kind == "Property" and iri in _GEO_ONLY:
        kind = "GeoProperty"
    member, read = READERS[kind]
    return {
        "type": kind,
        member: read(value, name, reading),
        "createdAt": reading.now,
        "modifiedAt": reading.now,
    }


def _inferred(
    given: Mapping[str, Any], kind: Any, name: str, reading: Reading
) -> tuple[str | None, bool]:
    """The kind of an attribute without a type, and whether ``given`` as a whole is its value."""
    if is_geometry(given):
        return "GeoProperty", True
    if reading.simplified:
        single = next(iter(given)) if len(given) == 1 else ""
        simple = single in ("languageMap", "json", "vocab")
        return (_BY_MEMBER[single], False) if simple else ("Property", True)
    if kind is not None:
        raise bad_request(f"{name} has the type {kind!r}; write one of {', '.join(READERS)}")
    if "value" in given:
        return ("GeoProperty" if is_geometry(given["value"]) else "Property"), False
    for member, of_member in _BY_MEMBER.items():
        if member in given:
            return of_member, False
    if reading.partial:
        return None, False
    if not _METADATA.isdisjoint(given):
        raise bad_request(f"{name} has no value; write one")
    return "Property", True


def _members(
    given: Mapping[str, Any], kind: str | None, name: str, iri: str, reading: Reading, depth: int
) -> tuple[str, Instance]:
    terms = reading.terms
    member, read = READERS[kind] if kind else ("", None)
    instance: Instance = {"type": kind} if kind else {}
    if member in given and read:
        instance[member] = read(given[member], name, reading)
    elif not reading.partial:
        raise bad_request(f"the {kind} {name} has no {member}; write one")
    sub: dict[str, dict[str, Instance]] = {}
    place: _Place | None = None
    for key, value in given.items():
        if key == member or key in _SYSTEM:
            continue
        read_member = _READ_MEMBERS.get(key)
        if read_member is None:
            _check_depth(depth, name)
            expanded = terms.expand(key)
            sub[expanded] = _attribute(value, key, expanded, reading, depth + 1)
        elif value == NULL and reading.nulls:
            instance[key] = NULL
        else:
            place = place or _Place(name, kind, iri, terms)
            instance[key] = read_member(value, place)
    instance["createdAt"] = instance["modifiedAt"] = reading.now
    if sub:
        instance["sub"] = sub
    if iri == _PROOF:
        _check_proof(instance, name)
    return _dataset(given["datasetId"], name) if "datasetId" in given else "", instance


def _check_depth(depth: int, name: str) -> None:
    if depth == _DEEPEST:
        raise bad_request(f"{name} lies deeper than {_DEEPEST} sub-attributes")


def _check_proof(instance: Instance, name: str) -> None:
    if "value" in instance and not isinstance(instance["value"], dict):
        raise bad_request(f"the value of {name} is no proof object (4.5.2.2)")


def _dataset(given: Any, name: str) -> str:
    if given == DEFAULT_INSTANCE:
        return ""
    if given == NULL:
        raise bad_request(f"the datasetId of {name} cannot be deleted by {NULL!r} (5.5.8)")
    return checked_id(given, f"the datasetId of {name}")


class _Place(NamedTuple):
    """Where a member stands: in which attribute, of which kind, of a document with which names."""

    name: str
    kind: str | None
    iri: str
    terms: Terms


ReadMember: TypeAlias = Callable[[Any, _Place], Any]


def _moment(value: Any, place: _Place) -> str:
    if not is_datetime(value):
        raise bad_request(
            f"a time of {place.name} is {value!r}; "
            "write a DateTime in UTC such as 2026-01-31T08:00:00Z"
        )
    text: str = value
    return text


def _unit(value: Any, place: _Place) -> str:
    if place.kind not in _WITH_UNIT:
        raise bad_request(
            f"the {place.kind} {place.name} has a unitCode; only a Property can have one"
        )
    if not isinstance(value, str) or not value or value == NULL:
        raise bad_request(f"the unitCode of {place.name} is {value!r}; write a text")
    return value


def _value_type(value: Any, place: _Place) -> str:
    if not isinstance(value, str) or not value or place.kind in _WITH_TARGET - {None}:
        raise bad_request(
            f"the valueType of {place.name} is {value!r}; write the name of a data type"
        )
    if place.kind == "LanguageProperty" and value not in ("langString", "rdf:langString"):
        raise bad_request(
            f"the valueType of the LanguageProperty {place.name} can only be langString"
        )
    return place.terms.expand_value(value)


def _object_type(value: Any, place: _Place) -> list[str]:
    names = value if isinstance(value, list) else [value]
    if (
        place.kind not in _WITH_TARGET
        or not names
        or not all(isinstance(each, str) for each in names)
    ):
        raise bad_request(
            f"the objectType of {place.name} is {value!r}; write a type, on a Relationship"
        )
    return [place.terms.expand(each) for each in names]


def _sealed_id(value: Any, place: _Place) -> str:
    if place.iri != _PROOF:
        raise bad_request(
            f"{place.name} has a sealed member; only ngsildproof can have one (4.5.2.2)"
        )
    return checked_id(value, f"entityIdSealed of {place.name}")


def _sealed_type(value: Any, place: _Place) -> Any:
    if place.iri != _PROOF:
        raise bad_request(
            f"{place.name} has a sealed member; only ngsildproof can have one (4.5.2.2)"
        )
    if not isinstance(value, str):
        raise bad_request(
            f"entityTypeSealed of {place.name} is {value!r}; write the name of a type"
        )
    return place.terms.expand(value)


def _foreign(_: Any, place: _Place) -> Any:
    raise bad_request(
        f"{place.name} has a member that a {place.kind} never has in a request: "
        f"its value stands in {READERS[place.kind][0]!r} alone"
        if place.kind
        else f"{place.name} has a member that stands in answers only"
    )


def _embedded(_: Any, place: _Place) -> Any:
    raise bad_request(
        f"{place.name} has a @context of its own; only the whole document can have one"
    )


_READ_MEMBERS: dict[str, ReadMember] = {
    "observedAt": _moment,
    "expiresAt": _moment,
    "unitCode": _unit,
    "valueType": _value_type,
    "objectType": _object_type,
    "entityIdSealed": _sealed_id,
    "entityTypeSealed": _sealed_type,
    "@context": _embedded,
    **dict.fromkeys(_VALUES | _OUTPUT_ONLY, _foreign),
}

RESERVED = _SYSTEM | _READ_MEMBERS.keys()
"""The members of an attribute that are not attributes of it."""
