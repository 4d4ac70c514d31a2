"""Opens the cold half of a log where ``history`` in ``[city]`` says that it lies."""

import os
from collections.abc import Mapping
from pathlib import Path

from cityloop.interconnection.cold import Cold, FolderCold
from cityloop.kernel.errors import ConfigError

FOLDER = "folder"
"""The default: beside the log."""


def open_cold(
    history: str, folder: Path, tenant: str, environment: Mapping[str, str] = os.environ
) -> Cold:
    """The cold half of a tenant's log in ``folder``: "folder", or Delta tables below an s3:// URL.

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
