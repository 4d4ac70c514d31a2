"""@contexts that lie on this machine: a directory or a table, asked before the network."""

from pathlib import Path
from typing import Any

import msgspec

from cityloop.kernel.errors import ConfigError


def read_offline(source: Path | None) -> dict[str, Any]:
    """The JSON documents of ``source`` by their URL.

    A file: a JSON object {URL: file, beside it or absolute, or the document itself}, which may
    stand under ``map``. A directory: the path of each file in
    it is its URL without the scheme (``schema.lab.fiware.org/ld/context.jsonld``). Raises
    ConfigError when something is not there or is no JSON.
    """
    if source is None:
        return {}
    if source.is_dir():
        return {
            f"{scheme}://{path.relative_to(source).as_posix()}": document
            for path in sorted(source.rglob("*.json*"))
            for document in [_document(path)]
            for scheme in ("http", "https")
        }
    table = _document(source)
    if isinstance(table, dict) and isinstance(table.get("map"), dict):
        table = table["map"]
    if not isinstance(table, dict):
        raise ConfigError(f"{source}: no table of @contexts; write a JSON object {{URL: file}}")
    return {
        url: _document(source.parent / held) if isinstance(held, str) else held
        for url, held in table.items()
    }


def _document(path: Path) -> Any:
    try:
        return msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}; mend the path") from error
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path}: is no JSON: {error}; mend the file") from error
