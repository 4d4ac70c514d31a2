"""SUMO's command-line tools, from the wheel that also brings the engine."""

import os
from importlib.util import find_spec
from pathlib import Path

from cityloop.kernel.errors import ConfigError


def sumo_binary(name: str) -> Path:
    """The tool ``name`` (netconvert, duarouter) of the wheel; ConfigError when it is missing."""
    path = sumo_home() / "bin" / name
    for candidate in (path, path.with_suffix(".exe")):
        if candidate.is_file():
            return candidate
    raise ConfigError(f"SUMO's {name} is missing; run: pip install --force-reinstall eclipse-sumo")


def sumo_home() -> Path:
    """The folder of the installed SUMO: typemaps and schemas stand in its ``data``."""
    spec = find_spec("sumo")
    if spec is None or spec.origin is None:
        raise ConfigError("SUMO is not installed; run: pip install eclipse-sumo==1.28.*")
    return Path(spec.origin).parent


def use_sumo_home() -> None:
    """Tell SUMO where its data are, unless the user did."""
    os.environ.setdefault("SUMO_HOME", str(sumo_home()))
