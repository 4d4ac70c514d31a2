"""Plain TOML values as settings, with every mistake told, where msgspec stops at the first.

The walk goes down structs, dictionaries and lists; what has no parts is msgspec's to convert.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec

from cityloop.city.toml_lines import KeyPath

Tell = Callable[[KeyPath, str, str], None]
"""Is given (path of the key, what is wrong, how to mend it)."""


class _Unsound:
    """What stands in the place of a value that cannot be used."""


UNSOUND: Final = _Unsound()


def read_value(kind: Any, raw: object, path: KeyPath, tell: Tell) -> Any:
    """``raw`` as the type ``kind``; UNSOUND when it is not, after ``tell`` was told each mistake.

    Dictionaries keep those of their values that are sound.
    """
    structs = _structs(kind)
    if structs and isinstance(raw, dict):
        return _one_of(structs, raw, path, tell)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _struct(kind, raw, path, tell)
    if get_origin(kind) is dict and isinstance(raw, dict):
        inner = get_args(kind)[1]
        values = {key: read_value(inner, value, (*path, key), tell) for key, value in raw.items()}
        return {key: value for key, value in values.items() if value is not UNSOUND}
    if get_origin(kind) is list and isinstance(raw, list):
        values_ = [
            read_value(get_args(kind)[0], value, (*path, row), tell)
            for row, value in enumerate(raw)
        ]
        return UNSOUND if any(value is UNSOUND for value in values_) else values_
    return _leaf(kind, raw, path, tell)


def _structs(kind: Any) -> list[type[msgspec.Struct]]:
    """The structs of a union."""
    members = get_args(kind) if get_origin(kind) in (Union, UnionType) else ()
    return [m for m in members if isinstance(m, type) and issubclass(m, msgspec.Struct)]


def _one_of(
    structs: Sequence[type[msgspec.Struct]], raw: dict[str, object], path: KeyPath, tell: Tell
) -> Any:
    """``raw`` as the struct that its tag names, or as the only one there is."""
    tags = {struct.__struct_config__.tag: struct for struct in structs}
    if len(structs) == 1:
        return _struct(structs[0], raw, path, tell)
    field = str(structs[0].__struct_config__.tag_field)
    named = raw.get(field)
    if named in tags:
        return _struct(tags[named], raw, path, tell)
    place = (*path, field)
    what = f"is {shown(named)}" if field in raw else "is missing"
    tell(place, f"{dotted(place)} {what}", nearest(named, [str(tag) for tag in tags]))
    return UNSOUND


def _struct(kind: type[msgspec.Struct], raw: object, path: KeyPath, tell: Tell) -> Any:
    if not isinstance(raw, dict):
        tell(path, f"{dotted(path)} is {shown(raw)}", f"make it a table: [{dotted(path)}]")
        return UNSOUND
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    tag = kind.__struct_config__.tag_field
    sound = _known_keys(raw, [*fields, *([tag] if tag else [])], path, tell)
    values: dict[str, Any] = {}
    for key, field in fields.items():
        if key in raw:
            values[field.name] = read_value(field.type, raw[key], (*path, key), tell)
        elif field.required:
            tell(path, f"{dotted((*path, key))} is missing", "add it")
            sound = False
    if not sound or any(value is UNSOUND for value in values.values()):
        return UNSOUND
    return kind(**values)


def _known_keys(raw: Mapping[str, object], known: Sequence[str], path: KeyPath, tell: Tell) -> bool:
    unknown = [key for key in raw if key not in known]
    for key in unknown:
        tell((*path, key), f"unknown key {dotted((*path, key))}", nearest(key, known))
    return not unknown


def _leaf(kind: Any, raw: object, path: KeyPath, tell: Tell) -> Any:
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        words = list(_words(kind))
        sentence = str(error).replace("`", "")
        mend = nearest(raw, words) if words and isinstance(raw, str) else _instead(sentence)
        tell(path, f"{dotted(path)} is {shown(raw)}", mend)
        return UNSOUND


def _instead(sentence: str) -> str:
    if not sentence.startswith("Expected "):
        return sentence
    wanted = sentence.removeprefix("Expected ").partition(", got")[0]
    return "write " + " ".join(_SPOKEN.get(word, word) for word in wanted.split())


_SPOKEN = {
    "str": "text",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "datetime": "a date and time",
    "array": "a list",
    "object": "a table",
    "|": "or",
    "null": "nothing",
}


def _words(kind: Any) -> Iterable[str]:
    """The words that a type allows literally; of a tagged union its tags."""
    if get_origin(kind) is Annotated:
        yield from _words(get_args(kind)[0])
    elif get_origin(kind) is Literal:
        yield from map(str, get_args(kind))
    elif get_origin(kind) in (Union, UnionType):
        for member in get_args(kind):
            yield from _words(member)


def dotted(path: KeyPath) -> str:
    """A path as a person writes it: loops."a/b".mode, groups.west[2]."""
    out = ""
    for part in path:
        if isinstance(part, int):
            out += f"[{part + 1}]"
        else:
            plain = part.replace("_", "").replace("-", "").isalnum()
            out += ("." if out else "") + (part if plain else f'"{part}"')
    return out


def shown(raw: object) -> str:
    """A value in a sentence, shortened."""
    text = f'"{raw}"' if isinstance(raw, str) else str(raw)
    return text if len(text) <= 60 else text[:57] + "…"


def nearest(word: object, known: Sequence[str]) -> str:
    """How to mend a word that is none of ``known``: the one that was meant, or all there are."""
    close = get_close_matches(str(word), known, 1)
    if close:
        return f"did you mean {close[0]}?"
    return f"there are: {', '.join(sorted(known)) or 'none'}"
