"""The values of the eight kinds of attribute (4.5), checked as they come in."""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from cityloop.standards.cim.geometry import read_geometry
from cityloop.standards.cim.iris import checked_id
from cityloop.standards.cim.kept import NULL
from cityloop.standards.cim.problems import Problem, bad_request
from cityloop.standards.cim.reading import Nulls, Reading

ReadValue: TypeAlias = Callable[[Any, str, Reading], Any]

_SCALARS = (str, int, float, bool)


def wrong_null(where: str) -> Problem:
    """The error of a null where none may stand."""
    return bad_request(
        f"{where} is null; NGSI-LD has no JSON null, and {NULL!r} stands only in an update or "
        "a merge for what is to be deleted"
    )


def _property(value: Any, where: str, reading: Reading) -> Any:
    if type(value) in _SCALARS:
        if value == NULL and not reading.nulls:
            raise wrong_null(where)
        return value
    if value is None:
        raise wrong_null(where)
    if reading.nulls is not Nulls.DEEP and any(leaf == NULL for leaf in _leaves(value)):
        raise wrong_null(f"a member of {where}")
    return value


def _leaves(value: Any) -> Iterator[Any]:
    """Every scalar of a JSON value, however deep it lies."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)
        else:
            yield each


def _geo(value: Any, where: str, reading: Reading) -> Any:
    if value == NULL:
        return _null(where, reading)
    if value is None:
        raise wrong_null(where)
    return read_geometry(value, where)


def _null(where: str, reading: Reading) -> str:
    if not reading.nulls:
        raise wrong_null(where)
    return NULL


def _object(value: Any, where: str, reading: Reading) -> Any:
    if value == NULL:
        return _null(where, reading)
    what = f"the object of the Relationship {where}"
    if isinstance(value, list) and value:
        return [checked_id(each, what) for each in value]
    return checked_id(value, what)


def _language_map(value: Any, where: str, reading: Reading) -> Any:
    if value in (NULL, {"@none": NULL}):
        return {"@none": _null(where, reading)}
    if not isinstance(value, dict) or not value:
        raise bad_request(f"the languageMap of {where} is no object of languages and texts")
    for language, text in value.items():
        texts = text if isinstance(text, list) else [text]
        if not language or not texts or not all(isinstance(each, str) for each in texts):
            raise bad_request(
                f"the languageMap of {where} has {text!r} for {language!r}; "
                "write a text or a list of texts for a language tag"
            )
        if NULL in texts and reading.nulls is not Nulls.DEEP:
            raise wrong_null(f"{language!r} of {where}")
    return value


def _vocab(value: Any, where: str, reading: Reading) -> Any:
    if value == NULL:
        return _null(where, reading)
    if isinstance(value, str) and value:
        return reading.terms.expand_value(value)
    if isinstance(value, list) and value and all(isinstance(each, str) and each for each in value):
        return [reading.terms.expand_value(each) for each in value]
    raise bad_request(f"the vocab of {where} is {value!r}; write a name or a list of names")


def _json(value: Any, where: str, reading: Reading) -> Any:
    if value == NULL:
        return _null(where, reading)
    if not isinstance(value, dict | list):
        raise bad_request(f"the json of {where} is {value!r}; write an object or an array")
    return value


def _value_list(value: Any, where: str, reading: Reading) -> Any:
    if value in (NULL, [NULL]):
        return _null(where, reading)
    if not isinstance(value, list):
        raise bad_request(f"the valueList of {where} is {value!r}; write an array")
    for each in value:
        _property(each, f"an item of {where}", reading)
    return value


def _object_list(value: Any, where: str, reading: Reading) -> Any:
    if value in (NULL, [NULL], [{"object": NULL}]):
        return _null(where, reading)
    if not isinstance(value, list):
        raise bad_request(f"the objectList of {where} is {value!r}; write an array of URIs")
    what = f"an item of the objectList of {where}"
    return [
        checked_id(
            each["object"] if isinstance(each, dict) and each.keys() == {"object"} else each, what
        )
        for each in value
    ]


READERS: dict[str, tuple[str, ReadValue]] = {
    "Property": ("value", _property),
    "GeoProperty": ("value", _geo),
    "Relationship": ("object", _object),
    "LanguageProperty": ("languageMap", _language_map),
    "VocabProperty": ("vocab", _vocab),
    "JsonProperty": ("json", _json),
    "ListProperty": ("valueList", _value_list),
    "ListRelationship": ("objectList", _object_list),
}
"""Every kind of attribute: the member of its value, and what reads that."""
