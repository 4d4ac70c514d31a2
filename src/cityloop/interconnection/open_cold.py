"""Opens the cold half of a log where ``history`` in ``[city]`` says that it lies.

The log's folder remembers it (``cold.url``), so whoever opens the log finds its other half, and a
changed setting cannot part the two.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from cityloop.interconnection.cold import Cold, FolderCold
from cityloop.interconnection.durable import make_folder, sync
from cityloop.kernel.errors import ConfigError

FOLDER = "folder"
"""The default: beside the log."""
_REMEMBERED = "cold.url"


def choose_cold(folder: Path, history: str) -> None:
    """Let the cold half of the log in ``folder`` lie in ``history`` from its first chunk on.

    Raises ConfigError where it has lain elsewhere until now, or where the library is absent.
    """
    before = _remembered(folder)
    if before == history:
        return
    if before != FOLDER or (folder / "segments").exists():
        raise ConfigError(
            f'the history of {folder.name} lies in "{before}": keep history = "{before}" in '
            f'[city], or begin with another folder as data to have it in "{history}"'
        )
    open_cold(history, folder, folder.name)
    make_folder(folder, 0o700)
    new = folder / f"{_REMEMBERED}.new"
    new.write_text(history)
    sync(new)
    new.rename(folder / _REMEMBERED)
    sync(folder)


def cold_of(folder: Path) -> Cold:
    """The cold half of the log in ``folder``; raises ConfigError where the library is absent."""
    return open_cold(_remembered(folder), folder, folder.name)


def _remembered(folder: Path) -> str:
    path = folder / _REMEMBERED
    return path.read_text() if path.exists() else FOLDER


def open_cold(
    history: str, folder: Path, tenant: str, environment: Mapping[str, str] = os.environ
) -> Cold:
    """The cold half of a tenant's log in ``folder``: "folder", or Delta tables below a URL.

    ``environment``: where secrets and the storage's address stand, as ``AWS_*``. Nothing is asked
    of the storage yet. Raises ConfigError without the libraries of the extra.
    """
    if history == FOLDER:
        return FolderCold(folder / "segments")
    try:
        from cityloop.interconnection.delta.cold import DeltaCold
    except ImportError as error:
        raise ConfigError(
            f"history = \"{history}\" needs {error.name}: pip install 'cityloop[scaled]'"
        ) from error
    return DeltaCold(f"{history.rstrip('/')}/{tenant}", storage_options(environment))


def storage_options(environment: Mapping[str, str]) -> dict[str, str]:
    """What of an environment the storage is for; plain HTTP only where its address says so."""
    options = {name: value for name, value in environment.items() if name.startswith("AWS_")}
    if options.get("AWS_ENDPOINT_URL", "").startswith("http://"):
        options["AWS_ALLOW_HTTP"] = "true"
    return options
