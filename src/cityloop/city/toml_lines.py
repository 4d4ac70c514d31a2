"""Where each key of a TOML text stands: ``tomllib`` gives values without places.

It walks a text that ``tomllib`` has accepted, so it need not judge: TOML 1.0.0,
https://toml.io/en/v1.0.0.
"""

import re
import tomllib
from collections.abc import Mapping

KeyPath = tuple[str | int, ...]

_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BLANK = re.compile(r"[ \t]*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STRINGS = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r'"""(?:\\.|[^\\])*?"""(?!")',
        r"'''.*?'''(?!')",
        r'"(?:\\.|[^"\\])*"',
        r"'[^']*'",
    )
)
_SCALAR = re.compile(r"[^,\]}\n#]+")


def key_lines(text: str) -> Mapping[KeyPath, int]:
    """The line of every table, key and array element by its path; raises nothing for valid TOML."""
    return _Walk(text).lines


def line_at(lines: Mapping[KeyPath, int], path: KeyPath) -> int:
    """The line of ``path``, or of the nearest thing around it that stands in the file."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


class _Walk:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._arrays: dict[KeyPath, int] = {}
        self.lines: dict[KeyPath, int] = {}
        table: KeyPath = ()
        while self._skip(_SPACE):
            if self._take("[["):
                table = self._element(self._key())
                self._take("]]")
            elif self._take("["):
                table = self._inside((), self._key())
                self._take("]")
            else:
                self._pair(table)

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        """Go behind what matches here; whether the text goes on."""
        found = pattern.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return self._at < len(self._text)

    def _take(self, mark: str) -> bool:
        here = self._text.startswith(mark, self._at)
        self._at += len(mark) * here
        return here

    def _note(self, path: KeyPath) -> None:
        self.lines.setdefault(path, self._text.count("\n", 0, self._at) + 1)

    def _key(self) -> tuple[str, ...]:
        """A dotted key."""
        words: list[str] = []
        while True:
            self._skip(_BLANK)
            words.append(self._word())
            self._skip(_BLANK)
            if not self._take("."):
                return tuple(words)

    def _word(self) -> str:
        start = self._at
        for pattern in (*_STRINGS, _BARE):
            if found := pattern.match(self._text, start):
                self._at = found.end()
                quoted = pattern is not _BARE
                return str(tomllib.loads(f"k={found[0]}")["k"]) if quoted else found[0]
        # No key stands here, which no valid text has; go on rather than stand still.
        self._at += 1
        return ""

    def _inside(self, table: KeyPath, words: tuple[str, ...]) -> KeyPath:
        """The path of ``words`` in ``table``; an array of tables stands for its newest element."""
        path = table
        for word in words:
            path = (*path, word)
            self._note(path)
            if path in self._arrays:
                path = (*path, self._arrays[path])
        return path

    def _element(self, words: tuple[str, ...]) -> KeyPath:
        path = (*self._inside((), words[:-1]), words[-1])
        self._arrays[path] = self._arrays.get(path, -1) + 1
        self._note(path)
        path = (*path, self._arrays[path])
        self._note(path)
        return path

    def _pair(self, table: KeyPath) -> None:
        path = self._inside(table, self._key())
        self._take("=")
        self._skip(_BLANK)
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        if self._take("["):
            self._items(path)
        elif self._take("{"):
            while self._skip(_SPACE) and not self._take("}"):
                self._pair(path)
                self._skip(_SPACE)
                self._take(",")
        elif not any(self._string(pattern) for pattern in _STRINGS):
            self._skip(_SCALAR)

    def _items(self, path: KeyPath) -> None:
        number = 0
        while self._skip(_SPACE) and not self._take("]"):
            self._note((*path, number))
            self._value((*path, number))
            self._skip(_SPACE)
            self._take(",")
            number += 1

    def _string(self, pattern: re.Pattern[str]) -> bool:
        found = pattern.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return found is not None
