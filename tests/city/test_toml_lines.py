"""Where keys stand in a TOML text."""

import json
import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cityloop.city.toml_lines import key_lines, line_at

TEXT = '''\
# a comment with [brackets] = and "quotes"
title = "a # b"  # here

[loops."mobility/signal_timing"]
mode = "act"
text = """
[not.a.table]
key = 1
"""
list = [ "x",
  "y", # a comment, with ] inside
  [1, 2],
]
inline = { a = 1, b.c = [1,
  2] }

[[feeds]]
name = 'C:\\'
[feeds.options]
deep = 1979-05-27 07:32:00
[[feeds]]
name = "second"
a.b."c d" = 3
'''


def test_every_key_is_found_where_it_stands() -> None:
    lines = key_lines(TEXT)
    places = {
        ("title",): 2,
        ("loops", "mobility/signal_timing"): 4,
        ("loops", "mobility/signal_timing", "text"): 6,
        ("loops", "mobility/signal_timing", "list", 1): 11,
        ("loops", "mobility/signal_timing", "list", 2, 0): 12,
        ("loops", "mobility/signal_timing", "inline", "b", "c", 1): 15,
        ("feeds", 0, "options", "deep"): 20,
        ("feeds", 1, "name"): 22,
        ("feeds", 1, "a", "b", "c d"): 23,
    }
    assert {path: lines[path] for path in places} == places


def test_a_key_that_is_missing_stands_at_its_table() -> None:
    assert line_at(key_lines(TEXT), ("feeds", 1, "size", "unit")) == 21


def paths(value: Any, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    return {path} | {p for key, part in parts(value) for p in paths(part, (*path, key))}


def parts(value: Any) -> list[tuple[str | int, Any]]:
    if isinstance(value, dict):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, list) else []


texts = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "Z"]), max_size=6)
values = st.recursive(
    st.one_of(st.integers(-9, 9), st.booleans(), texts),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(texts, st.dictionaries(texts, values, max_size=4), max_size=4))
def test_every_path_of_a_written_text_has_a_line(tables: dict[str, dict[str, Any]]) -> None:
    text = ""
    for name, keys in tables.items():
        text += f"[{json.dumps(name)}] # {name!a}\n"
        text += "".join(f"{json.dumps(key)} = {json.dumps(keys[key])}\n\n" for key in keys)
    read = tomllib.loads(text)
    assert paths(read) - {()} <= set(key_lines(text))
